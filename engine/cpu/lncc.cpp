#include <algorithm>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/fir.h"
#include "cpu/tiles.h"
#include "math/metric.h"

/// LNCC value and exact gradient in one march along z per tile. Two box sums follow one another, so
/// a tile reads 2·radius rows and planes around itself; between them only rings of 2·radius+1
/// planes live. No running sums: a voxel's result depends on its neighbourhood alone, so tiles and
/// slabs cannot show.
namespace gigawarp::cpu {
namespace {

constexpr std::int64_t kTileRows = 32, kTilePlanes = 32;
constexpr int kMoments = 6;  // w, wF, wM, wFF, wMM, wFM

struct Scratch {
  std::int64_t width = 0;               ///< padded row length
  std::vector<float> products;          ///< kMoments padded rows
  std::vector<float> x_sums;            ///< kMoments × rows of the tile + 4r
  std::vector<float> window_ring;       ///< planes × kMoments × (rows + 2r)
  std::vector<float> coefficient_x;     ///< 3 × (rows + 2r)
  std::vector<float> coefficient_ring;  ///< planes × 3 × rows
  std::vector<float> line;              ///< padded single rows
};

class LnccTile {
 public:
  LnccTile(const ops::LnccArgs& args, const Taps& taps, const Taps& back_taps,
           const MovingGeometry& geometry, const Tile& tile, Scratch& scratch)
      : args_(args),
        taps_(taps),
        back_taps_(back_taps),
        geometry_(geometry),
        tile_(tile),
        s_(scratch),
        e_(args.pair.fixed.extent),
        r_(taps.radius),
        k_(2 * taps.radius + 1),
        rows_(tile.y1 - tile.y0),
        outer_rows_(rows_ + 2 * r_),
        halo_rows_(rows_ + 4 * r_),
        width_((e_.nx + 2 * r_ + 31) / 16 * 16) {
    s_.products.assign(static_cast<std::size_t>(kMoments * width_), 0.0F);
    s_.x_sums.resize(static_cast<std::size_t>(kMoments * halo_rows_ * e_.nx));
    s_.window_ring.resize(static_cast<std::size_t>(k_ * kMoments * outer_rows_ * e_.nx));
    s_.coefficient_x.resize(static_cast<std::size_t>(3 * outer_rows_ * e_.nx));
    s_.coefficient_ring.resize(static_cast<std::size_t>(k_ * 3 * rows_ * e_.nx));
    s_.line.assign(static_cast<std::size_t>(12 * width_), 0.0F);
  }

  void run(std::vector<ops::PlaneSums>& partial) {
    for (std::int64_t z = tile_.z0 - 2 * r_; z < tile_.z1 + 2 * r_; ++z) {
      accumulate_windows(z);
      const std::int64_t centre = z - r_;
      if (centre >= tile_.z0 - r_) {
        ops::PlaneSums ignored;
        const bool own = centre >= tile_.z0 && centre < tile_.z1;
        accumulate_coefficients(
            centre, own ? partial[static_cast<std::size_t>(centre - tile_.z0)] : ignored);
      }
      const std::int64_t out = centre - r_;
      if (out >= tile_.z0) emit(out, partial[static_cast<std::size_t>(out - tile_.z0)]);
    }
  }

 private:
  float* line(int i) { return s_.line.data() + i * width_; }
  float* x_sum(int q, std::int64_t row) {
    return s_.x_sums.data() + (q * halo_rows_ + row) * e_.nx;
  }
  float* window(std::int64_t z, int q, std::int64_t row) {
    return s_.window_ring.data() + ((slot(z) * kMoments + q) * outer_rows_ + row) * e_.nx;
  }
  float* coefficient_x(int q, std::int64_t row) {
    return s_.coefficient_x.data() + (q * outer_rows_ + row) * e_.nx;
  }
  float* coefficient(std::int64_t z, int q, std::int64_t row) {
    return s_.coefficient_ring.data() + ((slot(z) * 3 + q) * rows_ + row) * e_.nx;
  }
  std::int64_t slot(std::int64_t z) const { return ((z % k_) + k_) % k_; }
  bool in_volume(std::int64_t y, std::int64_t z) const {
    return y >= 0 && y < e_.ny && z >= 0 && z < e_.nz;
  }

  void accumulate_windows(std::int64_t z);
  void accumulate_coefficients(std::int64_t z, ops::PlaneSums& sums);
  void emit(std::int64_t z, ops::PlaneSums& sums);

  const ops::LnccArgs& args_;
  const Taps& taps_;
  const Taps& back_taps_;  ///< of the second pass: the same, or none for the approximate gradient
  const MovingGeometry& geometry_;
  const Tile tile_;
  Scratch& s_;
  const ops::Extent e_;
  const std::int64_t r_, k_, rows_, outer_rows_, halo_rows_, width_;
};

/// products: six rows with r zeros before and after.
GIGAWARP_MULTIVERSION void row_products(const float* __restrict f, const float* __restrict m,
                                        std::int64_t n, float* __restrict out, std::int64_t width) {
  float* __restrict pw = out;
  float* __restrict pf = out + width;
  float* __restrict pm = out + 2 * width;
  float* __restrict pff = out + 3 * width;
  float* __restrict pmm = out + 4 * width;
  float* __restrict pfm = out + 5 * width;
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    const bool counts = (m[x] == m[x]) & (f[x] == f[x]);
    const float a = counts ? f[x] : 0.0F, b = counts ? m[x] : 0.0F;
    pw[x] = counts ? 1.0F : 0.0F;
    pf[x] = a;
    pm[x] = b;
    pff[x] = a * a;
    pmm[x] = b * b;
    pfm[x] = a * b;
  }
}

GIGAWARP_MULTIVERSION void filter_x(const Taps& taps, const float* in, float* out, std::int64_t n) {
  fir_x(taps, in, out, n);
}

GIGAWARP_MULTIVERSION void filter_rows(const Taps& taps, const float* const* rows, float* out,
                                       std::int64_t n) {
  fir_rows(taps, rows, out, n);
}

/// Window sums -> p/n, q/n, r/n (p, q, r when `whole`; zero where the centre does not count);
/// returns the row's sum of cc.
GIGAWARP_MULTIVERSION double coefficient_row(const float* const sums[kMoments],
                                             const float* __restrict warped, std::int64_t n,
                                             float epsilon, bool whole, float* const out[3]) {
  const float* __restrict w = sums[0];
  const float* __restrict f = sums[1];
  const float* __restrict m = sums[2];
  const float* __restrict ff = sums[3];
  const float* __restrict mm = sums[4];
  const float* __restrict fm = sums[5];
  float* __restrict p = out[0];
  float* __restrict q = out[1];
  float* __restrict r = out[2];
  float total = 0;
#pragma omp simd reduction(+ : total)
  for (std::int64_t x = 0; x < n; ++x) {
    const bool counts = warped[x] == warped[x];
    const float in = 1.0F / (w[x] > 0.0F ? w[x] : 1.0F);
    const auto c = math::lncc_coefficients<float>(f[x] * in, m[x] * in, ff[x] * in, mm[x] * in,
                                                  fm[x] * in, epsilon);
    const float k = counts ? (whole ? 1.0F : in) : 0.0F;
    p[x] = c.p * k;
    q[x] = c.q * k;
    r[x] = c.r * k;
    total += counts ? c.cc : 0.0F;
  }
  return total;
}

GIGAWARP_MULTIVERSION void derivative_row(const float* __restrict f, const float* __restrict m,
                                          const float* __restrict p, const float* __restrict q,
                                          const float* __restrict r, std::int64_t n, float scale,
                                          float* __restrict out) {
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    const bool counts = m[x] == m[x];
    const float mx = counts ? m[x] : 0.0F;
    const float v = scale * (f[x] * p[x] - mx * q[x] + r[x]);
    out[x] = counts ? v : 0.0F;
  }
}

void LnccTile::accumulate_windows(std::int64_t z) {
  const bool inside = z >= 0 && z < e_.nz;
  if (inside) {
    for (std::int64_t i = 0; i < halo_rows_; ++i) {
      const std::int64_t y = tile_.y0 - 2 * r_ + i;
      if (!in_volume(y, z)) {
        for (int q = 0; q < kMoments; ++q) std::fill_n(x_sum(q, i), e_.nx, 0.0F);
        continue;
      }
      load_row(args_.pair.fixed, y, z, line(0));
      row_products(line(0), args_.warped.row(y, z), e_.nx, s_.products.data() + r_, width_);
      for (int q = 0; q < kMoments; ++q)
        filter_x(taps_, s_.products.data() + q * width_, x_sum(q, i), e_.nx);
    }
  }
  const float* rows[2 * Taps::kMaximum + 1];
  for (int q = 0; q < kMoments; ++q)
    for (std::int64_t i = 0; i < outer_rows_; ++i) {
      if (!inside) {
        std::fill_n(window(z, q, i), e_.nx, 0.0F);
        continue;
      }
      for (std::int64_t k = 0; k < k_; ++k) rows[k] = x_sum(q, i + k);
      filter_rows(taps_, rows, window(z, q, i), e_.nx);
    }
}

void LnccTile::accumulate_coefficients(std::int64_t z, ops::PlaneSums& sums) {
  const bool plane_inside = z >= 0 && z < e_.nz;
  const float* rows[2 * Taps::kMaximum + 1];
  for (std::int64_t i = 0; i < outer_rows_; ++i) {
    const std::int64_t y = tile_.y0 - r_ + i;
    if (!plane_inside || !in_volume(y, z)) {
      for (int q = 0; q < 3; ++q) std::fill_n(coefficient_x(q, i), e_.nx, 0.0F);
      continue;
    }
    const float* moments[kMoments];
    for (int q = 0; q < kMoments; ++q) {
      for (std::int64_t k = 0; k < k_; ++k) rows[k] = window(z - r_ + k, q, i);
      filter_rows(taps_, rows, line(1 + q), e_.nx);
      moments[q] = line(1 + q);
    }
    float* pqr[3] = {line(7) + r_, line(8) + r_, line(9) + r_};
    const double value = coefficient_row(moments, args_.warped.row(y, z), e_.nx, args_.epsilon,
                                         args_.approximate_gradient, pqr);
    if (i >= r_ && i < r_ + rows_) sums.value -= value;
    for (int q = 0; q < 3; ++q) filter_x(back_taps_, line(7 + q), coefficient_x(q, i), e_.nx);
  }
  for (int q = 0; q < 3; ++q)
    for (std::int64_t i = 0; i < rows_; ++i) {
      if (!plane_inside) {
        std::fill_n(coefficient(z, q, i), e_.nx, 0.0F);
        continue;
      }
      for (std::int64_t k = 0; k < k_; ++k) rows[k] = coefficient_x(q, i + k);
      filter_rows(back_taps_, rows, coefficient(z, q, i), e_.nx);
    }
}

void LnccTile::emit(std::int64_t z, ops::PlaneSums& sums) {
  const float* rows[2 * Taps::kMaximum + 1];
  const auto scale = static_cast<float>(-1.0 / std::max(1.0, args_.count));
  for (std::int64_t i = 0; i < rows_; ++i) {
    const std::int64_t y = tile_.y0 + i;
    for (int q = 0; q < 3; ++q) {
      for (std::int64_t k = 0; k < k_; ++k) rows[k] = coefficient(z - r_ + k, q, i);
      filter_rows(back_taps_, rows, line(1 + q), e_.nx);
    }
    load_row(args_.pair.fixed, y, z, line(0));
    derivative_row(line(0), args_.warped.row(y, z), line(1), line(2), line(3), e_.nx, scale,
                   line(4));
    emit_gradient(args_.pair, geometry_, args_.target, y, z, line(4), sums);
  }
}

}  // namespace

void lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) {
  const Taps taps =
      args.window == WindowKind::box ? Taps::box(args.radius) : Taps::gaussian_window(args.radius);
  Taps back_taps = taps;
  if (args.approximate_gradient) {
    std::fill_n(back_taps.weight, 2 * taps.radius + 1, 0.0F);
    back_taps.weight[taps.radius] = 1.0F;
  }
  const MovingGeometry geometry(args.pair.moving, args.pair.moving_from_fixed);
  const ops::Extent& e = args.pair.fixed.extent;
  const std::int64_t strips = (e.ny + kTileRows - 1) / kTileRows;
  std::vector<ops::PlaneSums> parts(
      static_cast<std::size_t>(strips * (args.range.end - args.range.begin)));
  for_each_tile(e, args.range, kTileRows, kTilePlanes, [&](const Tile& tile) {
    thread_local Scratch scratch;
    std::vector<ops::PlaneSums> partial(static_cast<std::size_t>(tile.z1 - tile.z0));
    LnccTile(args, taps, back_taps, geometry, tile, scratch).run(partial);
    for (std::int64_t z = tile.z0; z < tile.z1; ++z)
      parts[static_cast<std::size_t>((z - args.range.begin) * strips + tile.y0 / kTileRows)] =
          partial[static_cast<std::size_t>(z - tile.z0)];
  });
  for (std::int64_t z = args.range.begin; z < args.range.end; ++z) {
    ops::PlaneSums total;
    for (std::int64_t s = 0; s < strips; ++s)
      total += parts[static_cast<std::size_t>((z - args.range.begin) * strips + s)];
    sums[static_cast<std::size_t>(z)] = total;
  }
}

}  // namespace gigawarp::cpu
