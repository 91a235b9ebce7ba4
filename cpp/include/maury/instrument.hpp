// The instrument: from the emulator's grid to the pixels of one spectrum. Linear, banded; the data are never
// resampled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace maury {

namespace simd {
struct Band;
}

struct PixelEdge;
class StepTable;

// The pixels of one spectrum on the emulator's grid, whose pixel i covers [i - 1/2, i + 1/2].
struct ObservedPixels {
    std::size_t n = 0;                            // P
    const double *low = nullptr, *high = nullptr; // (P,) edges, low < high
    const double* variance = nullptr;  // (P,) sigma^2 of the Gaussian that the emulator lacks; null = 0
    const std::int32_t* arm = nullptr; // (P,) 0, 1, ...; null = 0

    // Instead of Gaussian and pixel: pixel p sees sum_d resolution[p, d] f at its neighbour p + d - D / 2,
    // moved towards the centre of p by the factor narrowing_p. Neighbours of another arm, or beyond the ends,
    // have resolution 0.
    std::size_t n_neighbours = 0;       // D; 0 = Gaussian
    const double* resolution = nullptr; // (P, D)
    const double* narrowing = nullptr;  // (P,)
};

// c_i -> spline coefficients, in place: f(u) = sum_j c_j B(u - j), with B the quadratic B-spline, has the
// averages c_i over the grid's pixels. f goes on as a constant beyond the ends. values (n, n_columns)
void spline_coefficients(double* values, std::size_t n, std::size_t n_columns);

// f, a spectrum on the grid, is seen as
//   model_p = 1 / (high_p - low_p) int_{low_p}^{high_p} (G_p * f)(u - shift) du,
// with G_p the Gaussian of variance_p + extra. Neighbours that share an edge share the Gaussian there, so
// flux is conserved; a constant stays one.
class Instrument {
  public:
    static constexpr std::size_t pad = 4; // numbers that must be readable behind the last coefficient

    explicit Instrument(std::size_t n_grid); // pixels of the emulator
    ~Instrument();

    // The arrays must live as long as they are used here.
    void set(const ObservedPixels& pixels);
    enum class Derivatives { none, shift, both };

    // shift (arms,): in pixels of the grid, positive to the red. Below 0, extra narrows down to no Gaussian.
    // Nothing is done where all is as it was, if the arrays of set are.
    void forget() { placed_ = false; }
    void place(const std::vector<double>& shift, double extra, Derivatives derivatives);

    // What follows is at shifts away (arms,) from those of place, as A + away A' + away^2 A'' / 2.
    void move(const std::vector<double>& away);

    // coefficients (n_columns, stride), n_grid + pad readable numbers each -> out[p * out_step + c *
    // out_stride]
    void apply(const double* coefficients, std::size_t stride, std::size_t n_columns, double* out,
               std::size_t out_stride, std::size_t out_step = 1) const;

    // Of one column: out, d out / d shift, d out / d extra = d2 out / d shift2 / 2
    void apply_with_derivatives(const double* coefficients, double* out, double* by_shift,
                                double* by_extra) const;
    // out (n_grid + pad,) += A' values, values (P,)
    void apply_adjoint(const double* values, double* out) const;

  private:
    simd::Band band() const;
    void make_rows();
    void begin_row(std::size_t p, std::ptrdiff_t first, std::ptrdiff_t end);
    void clear_row();
    void set_average(double scale, bool add);
    void add_edge(const PixelEdge& edge, double scale, std::ptrdiff_t first);
    void add_point(double u, double scale);
    void add_neighbours(std::size_t p, double shift, double variance);

    std::size_t n_grid_;
    ObservedPixels pixels_;
    bool placed_ = false;
    std::vector<double> shift_;
    double extra_ = 0.0;
    Derivatives derivatives_ = Derivatives::none;
    std::unique_ptr<StepTable> steps_;
    std::unique_ptr<PixelEdge> lower_, upper_; // of the pixel whose row is made
    // Row p: weights start_[p] to start_[p + 1] of coefficients first_[p], ...; filled up with zeros.
    std::vector<std::uint32_t> first_, start_;
    std::vector<double> weight_, by_shift_, by_extra_;
    std::vector<double> away_, by_pixel_; // of the arms, of each pixel
    std::size_t n_weights_ = 0, row_ = 0; // of the row that is being made: where it starts
    std::ptrdiff_t first_of_row_ = 0;
};

} // namespace maury
