// Model::load of spoilt emulator files, for compilers without libFuzzer: mutate_model SEED.onnx FILES [FIRST]
// A file is made of the seed by a few random changes; its number gives the same one always.
#include "load_model.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

namespace {

using Bytes = std::vector<std::uint8_t>;

class Spoiler {
  public:
    Spoiler(const Bytes& seed, std::uint64_t number) : bytes_(seed), random_(number) {}

    const Bytes& spoil() {
        for (std::size_t n = 1 + below(4); n > 0 && !bytes_.empty(); --n)
            change();
        return bytes_;
    }

  private:
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
    std::uint8_t byte() { return static_cast<std::uint8_t>(random_()); }
    auto at(std::size_t i) { return bytes_.begin() + static_cast<std::ptrdiff_t>(i); }

    void change() {
        const std::size_t size = bytes_.size(), from = below(size),
                          length = std::min(size - from, std::size_t{1} << below(12));
        switch (below(10)) {
        case 0:
            bytes_[from] = static_cast<std::uint8_t>(bytes_[from] ^ (1u << below(8)));
            break;
        case 1:
            bytes_[from] = byte();
            break;
        case 2:
            bytes_.resize(from);
            break;
        case 3:
            bytes_.erase(at(from), at(from + length));
            break;
        case 4: { // a piece again, somewhere
            const Bytes piece(at(from), at(from + length));
            const std::size_t to = below(size);
            bytes_.insert(at(to), piece.begin(), piece.end());
            break;
        }
        case 5: { // over another piece
            const Bytes piece(at(from), at(from + length));
            std::copy_n(piece.begin(), std::min(length, size - from), at(below(size - length + 1)));
            break;
        }
        case 6: // a long number
            std::fill_n(at(from), std::min<std::size_t>(size - from, 1 + below(10)), std::uint8_t{0xff});
            break;
        case 7:
            std::fill_n(at(from), length, std::uint8_t{0});
            break;
        case 8:
            digit(from, '0', '9');
            break;
        default:
            digit(from, '"', '}');
        }
    }

    // The next character of text is another: structures stay whole, and numbers change.
    void digit(std::size_t from, char low, char high) {
        const auto inside = [&](std::uint8_t c) { return c >= low && c <= high; };
        const auto found = std::find_if(at(from), bytes_.end(), inside);
        if (found != bytes_.end())
            *found = static_cast<std::uint8_t>(
                low + static_cast<int>(below(static_cast<std::size_t>(high - low + 1))));
    }

    Bytes bytes_;
    std::mt19937_64 random_;
};

} // namespace

int main(int argc, char** argv) {
    if (argc < 3)
        return 2;
    std::ifstream file(argv[1], std::ios::binary);
    const Bytes seed{std::istreambuf_iterator<char>(file), {}};
    const unsigned long n = std::stoul(argv[2]), first = argc > 3 ? std::stoul(argv[3]) : 0;
    if (!loads(seed.data(), seed.size())) {
        std::printf("the seed itself is refused\n");
        return 1;
    }
    unsigned long accepted = 0;
    for (unsigned long i = first; i < first + n; ++i) {
        const Bytes bytes = Spoiler(seed, i).spoil(); // of its own size, so that reading beyond is found
        const Bytes exact(bytes.begin(), bytes.end());
        accepted += loads(exact.data(), exact.size());
    }
    std::printf("%lu files: %lu refused, %lu accepted\n", n, n - accepted, accepted);
    return accepted < n ? 0 : 1;
}
