#include "mesh/reduce.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"

namespace gigawarp::mesh {
namespace {

template <class T>
float mean_of_box(const T* data, const Size3& n, const Size3& low, const Size3& shrink) {
  double sum = 0;
  std::int64_t count = 0;
  for (std::int64_t z = low[2]; z < std::min(low[2] + shrink[2], n[2]); ++z)
    for (std::int64_t y = low[1]; y < std::min(low[1] + shrink[1], n[1]); ++y)
      for (std::int64_t x = low[0]; x < std::min(low[0] + shrink[0], n[0]); ++x, ++count) {
        const auto value = static_cast<double>(data[(z * n[1] + y) * n[0] + x]);
        if (!std::isnan(value)) sum += value;
      }
  return static_cast<float>(sum / static_cast<double>(std::max<std::int64_t>(count, 1)));
}

}  // namespace

Size3 shrink_to(const Grid& grid, std::int64_t most_voxels) {
  Size3 shrink{1, 1, 1};
  const Vec3 spacing = grid.spacing_mm();
  const auto left = [&] {
    std::int64_t voxels = 1;
    for (std::size_t a = 0; a < 3; ++a) voxels *= (grid.size[a] + shrink[a] - 1) / shrink[a];
    return voxels;
  };
  while (left() > most_voxels) {
    // The finest of the spacings that have come about grows next.
    std::size_t finest = 0;
    for (std::size_t a = 1; a < 3; ++a)
      if (spacing[a] * static_cast<double>(shrink[a]) <
          spacing[finest] * static_cast<double>(shrink[finest]))
        finest = a;
    ++shrink[finest];
  }
  return shrink;
}

Grid boxes_of(const Grid& grid, const Size3& shrink) {
  Grid out;
  Affine voxel_from_box;
  for (std::size_t a = 0; a < 3; ++a) {
    out.size[a] = (grid.size[a] + shrink[a] - 1) / shrink[a];
    voxel_from_box.linear[a][a] = static_cast<double>(shrink[a]);
    voxel_from_box.offset[a] = 0.5 * static_cast<double>(shrink[a] - 1);
  }
  out.world_from_voxel = grid.world_from_voxel * voxel_from_box;
  return out;
}

Volume box_means(const Volume& volume, const Size3& shrink, const std::stop_token& stop) {
  const Grid& grid = volume.grid();
  Volume out(boxes_of(grid, shrink), ScalarType::f32);
  const Size3 n = out.grid().size;
  auto* to = out.channel<float>();
  dispatch(volume.type(), [&]<class T>() {
    const T* data = volume.channel<T>();
    parallel_for(n[2] * n[1], [&](std::int64_t row) {
      if (stop.stop_requested()) return;
      const std::int64_t z = row / n[1], y = row % n[1];
      for (std::int64_t x = 0; x < n[0]; ++x)
        to[row * n[0] + x] =
            mean_of_box(data, grid.size, {x * shrink[0], y * shrink[1], z * shrink[2]}, shrink);
    });
  });
  return stop.stop_requested() ? Volume() : std::move(out);
}

Volume box_middles(const Volume& volume, const Size3& shrink, const std::stop_token& stop) {
  const Size3 from = volume.grid().size;
  Volume out(boxes_of(volume.grid(), shrink), volume.type());
  const Size3 n = out.grid().size;
  dispatch(volume.type(), [&]<class T>() {
    const T* data = volume.channel<T>();
    T* to = out.channel<T>();
    parallel_for(n[2] * n[1], [&](std::int64_t row) {
      if (stop.stop_requested()) return;
      const auto middle = [&](std::size_t a, std::int64_t i) {
        return std::min(i * shrink[a] + shrink[a] / 2, from[a] - 1);
      };
      const std::int64_t z = middle(2, row / n[1]), y = middle(1, row % n[1]);
      for (std::int64_t x = 0; x < n[0]; ++x)
        to[row * n[0] + x] = data[(z * from[1] + y) * from[0] + middle(0, x)];
    });
  });
  return stop.stop_requested() ? Volume() : std::move(out);
}

}  // namespace gigawarp::mesh
