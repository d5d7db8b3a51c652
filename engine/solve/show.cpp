#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "solve/stages.h"

namespace gigawarp::solve {
namespace {

/// Every `step`-th voxel of a grid, and the last one of each axis, so that the thinned field covers
/// the whole.
Grid thinned(const Grid& grid, std::int64_t step) {
  Grid out = grid;
  for (int a = 0; a < 3; ++a) {
    out.size[a] = (grid.size[a] - 1 + step - 1) / step + 1;
    for (int r = 0; r < 3; ++r) out.world_from_voxel.linear[r][a] *= static_cast<double>(step);
  }
  return out;
}

/// Adds `sign` times the displacement of `u` at the thinned voxels, in voxels of the level.
void add_thinned(const ops::FieldView& u, const Size3& size, std::int64_t step, float sign,
                 ops::Backend& backend, DisplacementField& out) {
  const Size3& n = out.grid().size;
  const auto plane = static_cast<std::size_t>(size[0] * size[1]);
  std::vector<float> values(3 * plane);
  float* const component[3] = {values.data(), values.data() + plane, values.data() + 2 * plane};
  for (std::int64_t k = 0; k < n[2]; ++k) {
    const std::int64_t z = std::min(k * step, size[2] - 1);
    download_planes(u, {z, z + 1}, backend, component);
    for (int c = 0; c < 3; ++c)
      for (std::int64_t j = 0; j < n[1]; ++j) {
        const float* from = component[c] + std::min(j * step, size[1] - 1) * size[0];
        float* to = out.component_mm(c) + (k * n[1] + j) * n[0];
        for (std::int64_t i = 0; i < n[0]; ++i)
          to[i] += sign * from[std::min(i * step, size[0] - 1)];
      }
  }
}

void to_millimetres(const Mat3& m, DisplacementField& field) {
  float* u[3] = {field.component_mm(0), field.component_mm(1), field.component_mm(2)};
  for (std::int64_t i = 0; i < field.grid().voxel_count(); ++i) {
    const double a = u[0][i], b = u[1][i], c = u[2][i];
    for (int r = 0; r < 3; ++r)
      u[r][i] = static_cast<float>(m[r][0] * a + m[r][1] * b + m[r][2] * c);
  }
}

}  // namespace

void Run::show(const Affine& moving_from_fixed, const Grid& grid, const ops::FieldView& plus,
               const ops::FieldView& minus) const {
  if (!backend.any(control.preview != nullptr && control.preview->due())) return;
  if (!plus) {
    if (control.preview != nullptr) control.preview->show(moving_from_fixed, nullptr);
    return;
  }
  const double share =
      static_cast<double>(grid.voxel_count()) /
      static_cast<double>(std::max<std::int64_t>(
          1, backend.as_the_first(control.preview != nullptr ? control.preview->largest_voxels()
                                                             : 1)));
  const auto step = std::max<std::int64_t>(1, std::llround(std::ceil(std::cbrt(share) - 1e-9)));
  DisplacementField field(thinned(grid, step));
  add_thinned(plus, grid.size, step, 1, backend, field);
  if (minus) add_thinned(minus, grid.size, step, -1, backend, field);
  to_millimetres(grid.world_from_voxel.linear, field);
  if (control.preview != nullptr) control.preview->show(moving_from_fixed, &field);
}

}  // namespace gigawarp::solve
