// What we ask the processor ourselves against what Linux says in /proc/cpuinfo.
#include "check.hpp"
#include "level.hpp"
#include "simd/processor.hpp"

#include <fstream>
#include <initializer_list>
#include <set>
#include <sstream>

int main() {
    std::set<std::string> flags;
    std::ifstream file("/proc/cpuinfo");
    for (std::string line, word; std::getline(file, line) && flags.empty();)
        if (line.rfind("flags", 0) == 0)
            for (std::istringstream words(line); words >> word;)
                flags.insert(word);
#if !defined(__x86_64__)
    flags.clear(); // an emulator shows the file of its host
#endif
    if (flags.empty()) {
        std::printf("skipped: no /proc/cpuinfo of an x86-64 processor\n");
        return skipped;
    }
    const auto has = [&](std::initializer_list<const char*> names) {
        return std::all_of(names.begin(), names.end(),
                           [&](const char* name) { return flags.count(name) == 1; });
    };
    const maury::simd::Processor found = maury::simd::processor();
    CHECK(found.avx2 == has({"avx2", "fma"}));
    CHECK(found.avx512 == has({"avx2", "fma", "avx512f", "avx512dq", "avx512vl"}));
    const std::string best = found.avx512 ? "avx512" : found.avx2 ? "avx2" : "baseline";
    CHECK(maury::simd_levels().front() == best);
    return check::report();
}
