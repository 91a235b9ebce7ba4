// Arrays that start where a cache line does, as the vector kernels like them.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace maury {

template <typename T> struct AlignedAllocator {
    using value_type = T;
    static constexpr std::align_val_t alignment{64};

    AlignedAllocator() = default;
    template <typename U> AlignedAllocator(const AlignedAllocator<U>&) {}

    T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
    void deallocate(T* memory, std::size_t) { ::operator delete(memory, alignment); }
    friend bool operator==(AlignedAllocator, AlignedAllocator) { return true; }
    friend bool operator!=(AlignedAllocator, AlignedAllocator) { return false; }
};

template <typename T> using Aligned = std::vector<T, AlignedAllocator<T>>;

} // namespace maury
