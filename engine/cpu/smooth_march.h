#pragma once
#include <algorithm>
#include <vector>

#include "cpu/fir.h"
#include "cpu/tiles.h"

/// Separable smoothing of three components in one march along z, without a full-size intermediate.
namespace gigawarp::cpu {

void filter_x_row(const Taps& taps, const float* in_minus_radius, float* out, std::int64_t n);
void filter_rows_row(const Taps& taps, const float* const* rows, float* out, std::int64_t n);

constexpr std::int64_t kSmoothRows = 32, kSmoothPlanes = 32;

/// Scratch of one thread.
struct SmoothScratch {
  std::vector<float> padded, x_filtered, ring, out;
};

/// source(y, z, rows) fills three rows for a voxel row inside the volume; sink(y, z, rows) takes
/// the three smoothed rows of every (y, z) of the tile, z ascending. Beyond the volume the edge row
/// repeats.
template <class Source, class Sink>
void smooth_tile(const ops::Extent& e, const Taps& taps, const Tile& tile, SmoothScratch& s,
                 const Source& source, const Sink& sink) {
  const std::int64_t r = taps.radius, k = 2 * r + 1, n = e.nx;
  const std::int64_t rows = tile.y1 - tile.y0, halo_rows = rows + 2 * r;
  const std::int64_t width = n + 2 * r + 16;
  s.padded.resize(static_cast<std::size_t>(3 * width));
  s.x_filtered.resize(static_cast<std::size_t>(3 * halo_rows * n));
  s.ring.resize(static_cast<std::size_t>(k * 3 * rows * n));
  s.out.resize(static_cast<std::size_t>(3 * n));
  const auto slot = [&](std::int64_t z) { return ((z % k) + k) % k; };
  const auto ring = [&](std::int64_t z, int c, std::int64_t row) {
    return s.ring.data() + ((slot(z) * 3 + c) * rows + row) * n;
  };
  const auto x_filtered = [&](int c, std::int64_t row) {
    return s.x_filtered.data() + (c * halo_rows + row) * n;
  };
  const float* lines[2 * Taps::kMaximum + 1];
  for (std::int64_t z = tile.z0 - r; z < tile.z1 + r; ++z) {
    const std::int64_t zc = std::clamp<std::int64_t>(z, 0, e.nz - 1);
    for (std::int64_t i = 0; i < halo_rows; ++i) {
      const std::int64_t yc = std::clamp<std::int64_t>(tile.y0 - r + i, 0, e.ny - 1);
      float* in[3];
      for (int c = 0; c < 3; ++c) in[c] = s.padded.data() + c * width + r;
      source(yc, zc, in);
      for (int c = 0; c < 3; ++c) {
        std::fill_n(in[c] - r, r, in[c][0]);
        std::fill_n(in[c] + n, r, in[c][n - 1]);
        filter_x_row(taps, in[c] - r, x_filtered(c, i), n);
      }
    }
    for (int c = 0; c < 3; ++c)
      for (std::int64_t i = 0; i < rows; ++i) {
        for (std::int64_t j = 0; j < k; ++j) lines[j] = x_filtered(c, i + j);
        filter_rows_row(taps, lines, ring(z, c, i), n);
      }
    const std::int64_t centre = z - r;
    if (centre < tile.z0) continue;
    for (std::int64_t i = 0; i < rows; ++i) {
      float* out[3];
      for (int c = 0; c < 3; ++c) {
        out[c] = s.out.data() + c * n;
        for (std::int64_t j = 0; j < k; ++j) lines[j] = ring(centre - r + j, c, i);
        filter_rows_row(taps, lines, out[c], n);
      }
      sink(tile.y0 + i, centre, out);
    }
  }
}

}  // namespace gigawarp::cpu
