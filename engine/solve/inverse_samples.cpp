#include "solve/inverse_samples.h"

#include <algorithm>
#include <vector>

#include "base/parallel.h"

namespace gigawarp::solve {
namespace {

constexpr float kWeight = 0.1F, kLargestVoxels = 0.1F;

/// `rows` rows of `width` neighbours of each other, `step` apart, of which `before` keeps the
/// values that are already overwritten.
void fit_rows(float* first, std::int64_t rows, std::int64_t step, std::int64_t width, float largest,
              std::vector<float>& before) {
  before.assign(first, first + width);
  for (std::int64_t r = 1; r + 1 < rows; ++r) {
    float* row = first + r * step;
    const float* next = row + step;
    for (std::int64_t x = 0; x < width; ++x) {
      const float value = row[x];
      const float bend = kWeight * (before[static_cast<std::size_t>(x)] - 2 * value + next[x]);
      const float bounded = std::clamp(bend, -largest, largest);
      before[static_cast<std::size_t>(x)] = value;
      row[x] = bounded == bounded ? value - bounded : value;
    }
  }
}

float largest_change(const Grid& grid) {
  const Vec3 spacing = grid.spacing_mm();
  return static_cast<float>(std::min({spacing[0], spacing[1], spacing[2]})) * kLargestVoxels;
}

/// Along x, then y.
void fit_plane(float* plane, const Size3& n, float largest, std::vector<float>& before) {
  for (std::int64_t y = 0; y < n[1]; ++y) fit_rows(plane + y * n[0], n[0], 1, 1, largest, before);
  fit_rows(plane, n[1], n[0], n[0], largest, before);
}

}  // namespace

void fit_planes(const Grid& grid, Volume& exact_mm, std::int64_t first, ops::ZRange wanted,
                float* out) {
  const Size3& n = grid.size;
  const std::int64_t plane = n[0] * n[1], stored = exact_mm.grid().size[2];
  const std::int64_t planes = wanted.end - wanted.begin;
  const float largest = largest_change(grid);
  parallel_for(3 * stored, [&](std::int64_t i) {
    std::vector<float> before;
    fit_plane(exact_mm.channel<float>() + i * plane, n, largest, before);
  });
  parallel_for(3 * planes, [&](std::int64_t i) {
    const std::int64_t z = wanted.begin + i % planes;
    const float* here = exact_mm.channel<float>(static_cast<int>(i / planes)) + (z - first) * plane;
    float* to = out + i * plane;
    std::copy_n(here, plane, to);
    if (z == 0 || z + 1 >= n[2]) return;
    std::vector<float> before;  // three rows, of which the middle one changes
    std::vector<float> rows(here - plane, here + 2 * plane);
    fit_rows(rows.data(), 3, plane, plane, largest, before);
    std::copy_n(rows.data() + plane, plane, to);
  });
}

void fit_between_samples(DisplacementField& field) {
  const Size3& n = field.grid().size;
  const float largest = largest_change(field.grid());
  const std::int64_t plane = n[0] * n[1];
  for (int c = 0; c < 3; ++c) {
    float* v = field.component_mm(c);
    parallel_for(n[2], [&](std::int64_t z) {
      std::vector<float> before;
      fit_plane(v + z * plane, n, largest, before);
    });
    parallel_for(n[1], [&](std::int64_t y) {
      std::vector<float> before;
      fit_rows(v + y * n[0], n[2], plane, n[0], largest, before);
    });
  }
}

}  // namespace gigawarp::solve
