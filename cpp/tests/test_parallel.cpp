// Every index once; the first exception wins; the caller wakes and can stop the rest.
#include "check.hpp"
#include "maury/parallel.hpp"

#include <chrono>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using maury::parallel_for;
using maury::StopFlag;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

void nothing(std::size_t) {}

void every_index_once() {
    for (const int threads : {1, 2, 5, 0})
        for (const std::size_t n : {0u, 1u, 2u, 1000u}) {
            std::vector<std::atomic<int>> count(n);
            std::atomic<bool> worker_in_range{true};
            std::size_t last = n + 1;
            parallel_for(
                n, threads,
                [&](std::size_t worker, std::size_t i, const StopFlag&) {
                    count[i].fetch_add(1);
                    if (worker >= maury::worker_count(n, threads))
                        worker_in_range = false;
                },
                [&](std::size_t done) { last = done; });
            for (const auto& c : count)
                CHECK(c == 1);
            CHECK(worker_in_range);
            CHECK(last == n);
        }
    CHECK(maury::worker_count(10, 0) >= 1);
    CHECK(maury::worker_count(2, 8) == 2);
    CHECK(maury::worker_count(0, 8) == 1);
}

void first_exception_wins() {
    constexpr std::size_t endless = std::size_t{1}
                                    << 40; // the thread that throws may have to wait for a core
    for (const int threads : {1, 4}) {
        std::string what;
        try {
            parallel_for(
                endless, threads,
                [&](std::size_t, std::size_t i, const StopFlag&) {
                    if (i == 7)
                        throw std::runtime_error("seven");
                },
                nothing);
        } catch (const std::runtime_error& error) {
            what = error.what();
        }
        CHECK(what == "seven");
    }
}

// One long body asks the flag; wake throws at its first call, 50 ms in.
void wake_stops_long_work() {
    const auto start = steady_clock::now();
    bool stopped_inside = false;
    std::mutex mutex;
    CHECK_THROWS(parallel_for(
                     2, 2,
                     [&](std::size_t, std::size_t, const StopFlag& stop) {
                         try {
                             for (;;) {
                                 stop.check();
                                 std::this_thread::sleep_for(milliseconds(1));
                             }
                         } catch (const StopFlag::Stopped&) {
                             const std::lock_guard<std::mutex> lock(mutex);
                             stopped_inside = true;
                             throw;
                         }
                     },
                     [](std::size_t) { throw std::domain_error("stop"); }),
                 std::domain_error);
    CHECK(stopped_inside);
    CHECK(steady_clock::now() - start < milliseconds(1000)); // generous: machines under sanitizers are slow
}

void wake_sees_progress() {
    std::vector<std::size_t> seen;
    parallel_for(
        6, 2,
        [](std::size_t, std::size_t, const StopFlag&) { std::this_thread::sleep_for(milliseconds(60)); },
        [&](std::size_t done) { seen.push_back(done); });
    CHECK(seen.size() >= 3);
    CHECK(seen.back() == 6);
    for (std::size_t i = 1; i < seen.size(); ++i)
        CHECK(seen[i] >= seen[i - 1]);
}

} // namespace

int main() {
    every_index_once();
    first_exception_wins();
    wake_stops_long_work();
    wake_sees_progress();
    return check::report();
}
