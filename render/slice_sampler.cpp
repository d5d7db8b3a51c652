#include "render/slice_sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "base/parallel.h"
#include "render/compare_modes.h"

namespace gigawarp::render {
namespace {

struct PlaneAxes {
  int right, down, normal;  ///< canonical axes
  bool down_flipped;        ///< rows run against the axis: superior on top
};

PlaneAxes axes_of(Plane plane) {
  switch (plane) {
    case Plane::axial: return {0, 1, 2, false};
    case Plane::coronal: return {0, 2, 1, true};
    case Plane::sagittal: break;
  }
  return {1, 2, 0, true};
}

constexpr char kPositive[] = "LPS";
constexpr char kNegative[] = "RAI";

Grid canonical(const Grid& grid) { return reordered(grid, canonical_order(grid)); }

/// Trilinear at a voxel position inside the extent; outer half voxels repeat the outer value.
template <class T>
float linear(const T* data, const Size3& n, const Vec3& p) {
  std::int64_t low[3], high[3];
  double w[3];
  for (int a = 0; a < 3; ++a) {
    const double v = std::clamp(p[a], 0.0, static_cast<double>(n[a] - 1));
    low[a] = static_cast<std::int64_t>(v);
    high[a] = std::min(low[a] + 1, n[a] - 1);
    w[a] = v - static_cast<double>(low[a]);
  }
  const auto at = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
    return static_cast<double>(data[(z * n[1] + y) * n[0] + x]);
  };
  const auto line = [&](std::int64_t y, std::int64_t z) {
    return at(low[0], y, z) * (1 - w[0]) + at(high[0], y, z) * w[0];
  };
  const auto face = [&](std::int64_t z) {
    return line(low[1], z) * (1 - w[1]) + line(high[1], z) * w[1];
  };
  return static_cast<float>(face(low[2]) * (1 - w[2]) + face(high[2]) * w[2]);
}

template <class T>
float nearest(const T* data, const Size3& n, const Vec3& p) {
  std::int64_t i[3];
  for (int a = 0; a < 3; ++a)
    i[a] = std::clamp(static_cast<std::int64_t>(std::floor(p[a] + 0.5)), std::int64_t{0}, n[a] - 1);
  return static_cast<float>(data[(i[2] * n[1] + i[1]) * n[0] + i[0]]);
}

}  // namespace

std::string name_of(Plane plane) {
  switch (plane) {
    case Plane::axial: return "axial";
    case Plane::coronal: return "coronal";
    case Plane::sagittal: break;
  }
  return "sagittal";
}

Vec3 SliceGeometry::at(double column, double row) const {
  Vec3 out{};
  for (int a = 0; a < 3; ++a) out[a] = origin_mm[a] + column * right_mm[a] + row * down_mm[a];
  return out;
}

std::string SliceGeometry::position_text() const {
  const int axis = axes_of(plane).normal;
  const double mm = at(0.5 * (width - 1), 0.5 * (height - 1))[static_cast<std::size_t>(axis)];
  char text[48];
  const char letter = mm >= 0 ? kPositive[axis] : kNegative[axis];
  const int digits = pixel_mm < 0.01 ? 3 : pixel_mm < 0.1 ? 2 : 1;
  std::snprintf(text, sizeof text, "%c %.*f mm", letter, digits, std::abs(mm));
  return text;
}

std::string SliceGeometry::edge_letters() const {
  const auto letters = [](const Vec3& direction) {  // towards its end, towards its start
    int axis = 0;
    for (int a = 1; a < 3; ++a)
      if (std::abs(direction[a]) > std::abs(direction[axis])) axis = a;
    return direction[axis] >= 0 ? std::pair{kPositive[axis], kNegative[axis]}
                                : std::pair{kNegative[axis], kPositive[axis]};
  };
  const auto [right, left] = letters(right_mm);
  const auto [down, up] = letters(down_mm);
  return {left, right, up, down};
}

VoxelBox content_box(const Volume& volume, double margin_mm) {
  const Grid grid = canonical(volume.grid());
  const AxisOrder order = canonical_order(volume.grid());
  const Window window = percentile_window(volume);
  const double threshold = window.low + 0.1 * (window.high - window.low);
  const Size3& n = volume.grid().size;
  std::vector<std::array<Size3, 2>> planes(static_cast<std::size_t>(n[2]));
  const Size3 none_low{n[0], n[1], n[2]}, none_high{-1, -1, -1};
  parallel_for(n[2], [&](std::int64_t z) {
    Size3 low = none_low, high = none_high;
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        if (!(volume.value(x, y, z) > threshold)) continue;
        const Size3 at{x, y, z};
        for (int a = 0; a < 3; ++a) {
          low[a] = std::min(low[a], at[a]);
          high[a] = std::max(high[a], at[a]);
        }
      }
    planes[static_cast<std::size_t>(z)] = {low, high};
  });
  Size3 low = none_low, high = none_high;
  for (const auto& [l, h] : planes)
    for (int a = 0; a < 3; ++a) {
      low[a] = std::min(low[a], l[a]);
      high[a] = std::max(high[a], h[a]);
    }
  VoxelBox box;
  const Vec3 spacing = grid.spacing_mm();
  for (int a = 0; a < 3; ++a) {  // canonical axis a is stored axis order.axis[a]
    const int s = order.axis[a];
    const auto last = static_cast<double>(n[s] - 1);
    double l = high[s] < low[s] ? 0 : static_cast<double>(low[s]);
    double h = high[s] < low[s] ? last : static_cast<double>(high[s]);
    if (order.flipped[a]) {
      std::swap(l, h);
      l = last - l;
      h = last - h;
    }
    box.low[a] = std::max(0.0, l - margin_mm / spacing[a]);
    box.high[a] = std::min(last, h + margin_mm / spacing[a]);
  }
  return box;
}

SliceGeometry slice_geometry(const Grid& stored, const VoxelBox& box, Plane plane, double fraction,
                             double pixel_mm) {
  const Grid grid = canonical(stored);
  const PlaneAxes axes = axes_of(plane);
  const Vec3 spacing = grid.spacing_mm();
  const Mat3 direction = grid.direction();
  SliceGeometry out;
  out.plane = plane;
  out.pixel_mm = pixel_mm;
  const auto pixels = [&](int axis) {  // the box reaches half a voxel beyond its outer centres
    const double extent = (box.high[axis] - box.low[axis] + 1) * spacing[axis];
    return std::max(1, static_cast<int>(std::lround(extent / pixel_mm)));
  };
  out.width = pixels(axes.right);
  out.height = pixels(axes.down);
  Vec3 corner{};
  const double half = 0.5 * pixel_mm;
  corner[axes.right] = box.low[axes.right] - 0.5 + half / spacing[axes.right];
  corner[axes.down] = axes.down_flipped ? box.high[axes.down] + 0.5 - half / spacing[axes.down]
                                        : box.low[axes.down] - 0.5 + half / spacing[axes.down];
  // At a voxel centre: a slice between two planes would blur what the data hold.
  corner[axes.normal] =
      std::round(box.low[axes.normal] + fraction * (box.high[axes.normal] - box.low[axes.normal]));
  out.origin_mm = grid.world_from_voxel(corner);
  for (int r = 0; r < 3; ++r) {
    out.right_mm[r] = direction[r][axes.right] * pixel_mm;
    out.down_mm[r] = direction[r][axes.down] * pixel_mm * (axes.down_flipped ? -1 : 1);
  }
  return out;
}

SliceImage sample_slice(const Volume& volume, const SliceGeometry& geometry,
                        SliceInterpolation interpolation, int channel) {
  SliceImage out;
  out.width = geometry.width;
  out.height = geometry.height;
  out.values.assign(static_cast<std::size_t>(out.width) * static_cast<std::size_t>(out.height),
                    std::numeric_limits<float>::quiet_NaN());
  const Affine voxel_from_world = volume.grid().voxel_from_world();
  const Size3& n = volume.grid().size;
  dispatch(volume.type(), [&]<class T>() {
    const T* data = volume.channel<T>(channel);
    parallel_for(out.height, [&](std::int64_t row) {
      float* to = out.values.data() + row * out.width;
      for (int column = 0; column < out.width; ++column) {
        const Vec3 p = voxel_from_world(geometry.at(column, static_cast<double>(row)));
        bool inside = true;
        for (int a = 0; a < 3; ++a)
          inside = inside && p[a] >= -0.5 - 1e-6 && p[a] <= static_cast<double>(n[a]) - 0.5 + 1e-6;
        if (!inside) continue;
        to[column] =
            interpolation == SliceInterpolation::linear ? linear(data, n, p) : nearest(data, n, p);
      }
    });
  });
  return out;
}

}  // namespace gigawarp::render
