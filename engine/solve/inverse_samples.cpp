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

}  // namespace

void fit_between_samples(DisplacementField& field) {
  const Size3& n = field.grid().size;
  const Vec3 spacing = field.grid().spacing_mm();
  const auto largest =
      static_cast<float>(std::min({spacing[0], spacing[1], spacing[2]})) * kLargestVoxels;
  const std::int64_t plane = n[0] * n[1];
  for (int c = 0; c < 3; ++c) {
    float* v = field.component_mm(c);
    parallel_for(n[2], [&](std::int64_t z) {
      std::vector<float> before;
      for (std::int64_t y = 0; y < n[1]; ++y)
        fit_rows(v + z * plane + y * n[0], n[0], 1, 1, largest, before);
      fit_rows(v + z * plane, n[1], n[0], n[0], largest, before);
    });
    parallel_for(n[1], [&](std::int64_t y) {
      std::vector<float> before;
      fit_rows(v + y * n[0], n[2], plane, n[0], largest, before);
    });
  }
}

}  // namespace gigawarp::solve
