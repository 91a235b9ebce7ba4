#include "maury/parallel.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

namespace maury {
namespace {

std::size_t allowed_cores() {
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
#endif
    return std::max(1u, std::thread::hardware_concurrency());
}

} // namespace

std::size_t worker_count(std::size_t n, int threads) {
    const std::size_t wanted = threads > 0 ? static_cast<std::size_t>(threads) : allowed_cores();
    return std::max<std::size_t>(1, std::min(wanted, n));
}

void parallel_for(std::size_t n, int threads,
                  const std::function<void(std::size_t, std::size_t, const StopFlag&)>& body,
                  const std::function<void(std::size_t)>& wake) {
    StopFlag stop;
    std::atomic<std::size_t> next{0}, done{0};
    std::mutex mutex; // guards running and error
    std::condition_variable finished;
    std::size_t running = 0;
    std::exception_ptr error;

    const auto fail = [&] { // in a catch block
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error)
            error = std::current_exception();
        stop.set();
    };
    const auto work = [&](std::size_t worker) {
        try {
            for (std::size_t i; (i = next.fetch_add(1)) < n; done.fetch_add(1)) {
                stop.check();
                body(worker, i, stop);
            }
        } catch (const StopFlag::Stopped&) {
        } catch (...) {
            fail();
        }
        const std::lock_guard<std::mutex> lock(mutex);
        --running;
        finished.notify_one();
    };

    std::vector<std::thread> workers;
    try {
        const std::size_t count = worker_count(n, threads);
        workers.reserve(count);
        for (std::size_t worker = 0; worker < count; ++worker) {
            {
                const std::lock_guard<std::mutex> lock(mutex);
                ++running;
            }
            try {
                workers.emplace_back(work, worker);
            } catch (...) {
                const std::lock_guard<std::mutex> lock(mutex);
                --running;
                throw;
            }
        }
        std::unique_lock<std::mutex> lock(mutex);
        while (!finished.wait_for(lock, std::chrono::milliseconds(50), [&] { return running == 0; })) {
            lock.unlock();
            wake(done.load());
            lock.lock();
        }
    } catch (...) {
        fail();
    }
    for (std::thread& worker : workers)
        worker.join();
    if (error)
        std::rethrow_exception(error);
    wake(n);
}

} // namespace maury
