// The running median for windows that change: a bit for every rank in the window, and a pointer to the
// middle.
#include "maury/running_median.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace maury {
namespace {

class RankSet {
  public:
    explicit RankSet(std::size_t n) : words_(n / 64 + 2) {}

    std::size_t size() const { return size_; }

    void toggle(std::size_t rank, bool enters) {
        words_[rank / 64] ^= std::uint64_t{1} << (rank % 64);
        size_ += enters ? 1 : std::size_t(-1);
        if (rank < place_)
            before_ += enters ? 1 : std::size_t(-1);
    }

    // The member with k members below it; k < size().
    std::size_t member(std::size_t k) {
        while (before_ > k) // back to where fewer lie below
            before_ -= contains(--place_);
        while (before_ < k || !contains(place_))
            before_ += contains(place_++);
        return place_;
    }

  private:
    bool contains(std::size_t rank) const { return words_[rank / 64] >> (rank % 64) & 1; }

    std::vector<std::uint64_t> words_;
    std::size_t size_ = 0, place_ = 0, before_ = 0; // members below place
};

} // namespace

void windowed_median(const double* flux, const std::uint8_t* mask, const std::size_t* first,
                     const std::size_t* end, double* out, std::size_t n_pixels) {
    std::vector<std::size_t> order;
    for (std::size_t p = 0; p < n_pixels; ++p)
        if (std::isfinite(flux[p]) && !(mask && mask[p]))
            order.push_back(p);
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return flux[a] < flux[b] || (flux[a] == flux[b] && a < b);
    });
    constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
    std::vector<std::size_t> rank(n_pixels, none);
    for (std::size_t r = 0; r < order.size(); ++r)
        rank[order[r]] = r;
    RankSet window(order.size());
    const auto move = [&](std::size_t p, bool enters) {
        if (rank[p] != none)
            window.toggle(rank[p], enters);
    };
    std::size_t left = 0, right = 0;
    for (std::size_t p = 0; p < n_pixels; ++p) {
        for (; right < end[p]; ++right)
            move(right, true);
        for (; left < first[p]; ++left)
            move(left, false);
        const std::size_t n = window.size();
        if (n == 0) {
            out[p] = std::numeric_limits<double>::quiet_NaN();
            continue;
        }
        const double lower = flux[order[window.member((n - 1) / 2)]];
        out[p] = n % 2 ? lower : 0.5 * lower + 0.5 * flux[order[window.member(n / 2)]];
    }
}

} // namespace maury
