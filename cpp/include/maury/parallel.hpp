// A loop over threads whose caller stays awake.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

namespace maury {

// Long work asks check() now and then; once the loop is to end, check() throws Stopped, which the loop
// catches.
class StopFlag {
  public:
    struct Stopped {};
    void check() const {
        if (flag_.load(std::memory_order_relaxed))
            throw Stopped{};
    }
    void set() { flag_.store(true, std::memory_order_relaxed); }

  private:
    std::atomic<bool> flag_{false};
};

// Threads that parallel_for will use; threads <= 0 means every core this process may run on.
std::size_t worker_count(std::size_t n, int threads);

// body(worker, i, stop) for every i in [0, n), worker in [0, worker_count(n, threads)). No order is promised.
// The calling thread does no work: it runs wake(done) every 50 ms, and once at the end with done = n.
// The first exception, of a body or of wake, ends the loop and is thrown again here.
void parallel_for(std::size_t n, int threads,
                  const std::function<void(std::size_t, std::size_t, const StopFlag&)>& body,
                  const std::function<void(std::size_t)>& wake);

} // namespace maury
