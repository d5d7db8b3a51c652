#include "mesh/surface.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <type_traits>

#include "base/parallel.h"
#include "mesh/reduce.h"
#include "mesh/volume_to_mesh.h"

namespace gigawarp::mesh {
namespace {

constexpr double kSpeck = 0.01;  // of the largest piece's triangles

/// Pieces of a mesh that share no point, found by union of the points of each triangle.
class Pieces {
 public:
  explicit Pieces(const SurfaceMesh& mesh) : parent_(mesh.points_mm.size()) {
    std::iota(parent_.begin(), parent_.end(), 0U);
    for (const auto& t : mesh.triangles) {
      join(t[0], t[1]);
      join(t[1], t[2]);
    }
  }
  std::uint32_t root(std::uint32_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }

 private:
  void join(std::uint32_t a, std::uint32_t b) { parent_[root(a)] = root(b); }
  std::vector<std::uint32_t> parent_;
};

/// Points that no triangle uses stay; they cost memory, not time.
void drop_specks(SurfaceMesh& mesh) {
  Pieces pieces(mesh);
  std::map<std::uint32_t, std::size_t> sizes;
  for (const auto& t : mesh.triangles) ++sizes[pieces.root(t[0])];
  std::size_t largest = 0;
  for (const auto& [root, size] : sizes) largest = std::max(largest, size);
  const double least = kSpeck * static_cast<double>(largest);
  std::erase_if(mesh.triangles, [&](const auto& t) {
    return static_cast<double>(sizes[pieces.root(t[0])]) < least;
  });
}

using Float3 = std::array<float, 3>;

Float3 cross(const Float3& a, const Float3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

Float3 minus(const Float3& a, const Float3& b) { return {a[0] - b[0], a[1] - b[1], a[2] - b[2]}; }

void take_box(SurfaceMesh& mesh) {
  if (mesh.empty()) return;
  const Float3& first = mesh.points_mm[mesh.triangles.front()[0]];
  for (std::size_t a = 0; a < 3; ++a) mesh.box_mm[0][a] = mesh.box_mm[1][a] = first[a];
  for (const auto& t : mesh.triangles)
    for (const std::uint32_t i : t)
      for (std::size_t a = 0; a < 3; ++a) {
        const double x = mesh.points_mm[i][a];
        mesh.box_mm[0][a] = std::min(mesh.box_mm[0][a], x);
        mesh.box_mm[1][a] = std::max(mesh.box_mm[1][a], x);
      }
}

/// From voxel positions to world, with normals weighted by the triangles' areas.
void to_world(SurfaceMesh& mesh, const Affine& world_from_voxel) {
  for (Float3& p : mesh.points_mm) {
    const Vec3 world = world_from_voxel({p[0], p[1], p[2]});
    for (std::size_t a = 0; a < 3; ++a) p[a] = static_cast<float>(world[a]);
  }
  if (world_from_voxel.determinant() < 0)
    for (auto& t : mesh.triangles) std::swap(t[1], t[2]);
  take_box(mesh);
  mesh.normals.assign(mesh.points_mm.size(), {0, 0, 0});
  for (const auto& t : mesh.triangles) {
    const Float3 &p = mesh.points_mm[t[0]], &q = mesh.points_mm[t[1]], &r = mesh.points_mm[t[2]];
    const Float3 area = cross(minus(q, p), minus(r, p));
    for (const std::uint32_t i : t)
      for (std::size_t a = 0; a < 3; ++a) mesh.normals[i][a] += area[a];
  }
  for (Float3& n : mesh.normals) {
    const float length = std::hypot(n[0], n[1], n[2]);
    if (length > 0)
      for (float& c : n) c /= length;
  }
}

/// One pass of weights 1/4, 1/2, 1/4 along one axis, in place; ends are repeated.
void smooth_axis(std::vector<float>& data, const Size3& n, std::size_t axis) {
  const std::array<std::int64_t, 3> strides{1, n[0], n[0] * n[1]};
  const std::int64_t stride = strides[axis], length = n[axis];
  const std::size_t b = axis == 0 ? 1 : 0, c = axis == 2 ? 1 : 2;
  parallel_for(n[c], [&](std::int64_t j) {
    for (std::int64_t i = 0; i < n[b]; ++i) {
      float* line = data.data() + i * strides[b] + j * strides[c];
      float before = line[0];
      for (std::int64_t k = 0; k < length; ++k) {
        const float here = line[k * stride];
        const float after = k + 1 < length ? line[(k + 1) * stride] : here;
        line[k * stride] = 0.25F * before + 0.5F * here + 0.25F * after;
        before = here;
      }
    }
  });
}

void smooth(std::vector<float>& data, const Size3& n, int passes) {
  for (int pass = 0; pass < passes; ++pass)
    for (std::size_t axis = 0; axis < 3; ++axis) smooth_axis(data, n, axis);
}

struct Box {
  Size3 low{}, high{};  ///< inclusive
  std::int64_t voxels = 0;
};

/// Label volumes may be stored as floats; NaN is background.
template <class T>
std::int64_t label_of(T value) {
  if constexpr (std::is_floating_point_v<T>)
    return std::isnan(value) ? 0 : static_cast<std::int64_t>(std::llround(value));
  else
    return static_cast<std::int64_t>(value);
}

template <class T>
std::map<std::int64_t, Box> label_boxes(const Volume& labels) {
  std::map<std::int64_t, Box> boxes;
  const T* data = labels.channel<T>();
  const Size3 n = labels.grid().size;
  std::int64_t last = 0;
  Box* box = nullptr;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x, ++data) {
        const std::int64_t label = label_of(*data);
        if (label == 0) continue;
        const Size3 at{x, y, z};
        if (label != last || box == nullptr) {
          const auto [found, is_new] = boxes.try_emplace(label, Box{at, at, 0});
          box = &found->second;
          last = label;
        }
        ++box->voxels;
        for (std::size_t a = 0; a < 3; ++a) {
          box->low[a] = std::min(box->low[a], at[a]);
          box->high[a] = std::max(box->high[a], at[a]);
        }
      }
  return boxes;
}

/// One label on its box with a margin: inside 1, outside 0, smoothed over one neighbour.
template <class T>
SurfaceMesh surface_of_label(const Volume& labels, std::int64_t label, const Box& box) {
  constexpr std::int64_t kMargin = 2;
  const Size3 n = labels.grid().size;
  Size3 size{}, low{};
  for (std::size_t a = 0; a < 3; ++a) {
    low[a] = box.low[a] - kMargin;
    size[a] = box.high[a] - box.low[a] + 1 + 2 * kMargin;
  }
  std::vector<float> field(static_cast<std::size_t>(size[0] * size[1] * size[2]), 0.0F);
  const T* data = labels.channel<T>();
  for (std::int64_t z = box.low[2]; z <= box.high[2]; ++z)
    for (std::int64_t y = box.low[1]; y <= box.high[1]; ++y)
      for (std::int64_t x = box.low[0]; x <= box.high[0]; ++x)
        if (label_of(data[(z * n[1] + y) * n[0] + x]) == label)
          field[static_cast<std::size_t>(((z - low[2]) * size[1] + y - low[1]) * size[0] + x -
                                         low[0])] = 1;
  // A second pass takes the terraces of voxels away; small or thin labels would go with them.
  constexpr std::int64_t kWide = 12;
  const bool wide = *std::min_element(size.begin(), size.end()) - 2 * kMargin >= kWide;
  smooth(field, size, wide ? 2 : 1);
  SurfaceMesh mesh = volume_to_mesh(field, size, 0.5F);
  Affine shift;
  for (std::size_t a = 0; a < 3; ++a) shift.offset[a] = static_cast<double>(low[a]);
  to_world(mesh, labels.grid().world_from_voxel * shift);
  return mesh;
}

}  // namespace

double enclosed_mm3(const SurfaceMesh& mesh) {
  double six_times = 0;
  for (const auto& t : mesh.triangles) {
    const Float3 &p = mesh.points_mm[t[0]], &q = mesh.points_mm[t[1]], &r = mesh.points_mm[t[2]];
    const Float3 c = cross(q, r);
    six_times += static_cast<double>(p[0]) * c[0] + static_cast<double>(p[1]) * c[1] +
                 static_cast<double>(p[2]) * c[2];
  }
  return six_times / 6;
}

SurfaceMesh isosurface(const Volume& volume, double threshold, std::int64_t most_voxels,
                       const std::stop_token& stop) {
  if (volume.empty()) return {};
  const Volume small = box_means(volume, shrink_to(volume.grid(), most_voxels), stop);
  if (stop.stop_requested()) return {};
  const auto* data = small.channel<float>();
  std::vector<float> field(data, data + small.grid().voxel_count());
  smooth(field, small.grid().size, 2);
  if (stop.stop_requested()) return {};
  SurfaceMesh mesh = volume_to_mesh(field, small.grid().size, static_cast<float>(threshold));
  if (stop.stop_requested()) return {};
  drop_specks(mesh);
  to_world(mesh, small.grid().world_from_voxel);
  return mesh;
}

std::vector<LabelSurface> label_surfaces(const Volume& labels, std::int64_t most_voxels,
                                         std::size_t most_labels, const std::stop_token& stop) {
  if (labels.empty()) return {};
  const Volume small = box_middles(labels, shrink_to(labels.grid(), most_voxels), stop);
  if (stop.stop_requested()) return {};
  return dispatch(labels.type(), [&]<class T>() {
    std::map<std::int64_t, Box> counted = label_boxes<T>(labels);
    const std::map<std::int64_t, Box> boxes = label_boxes<T>(small);
    std::vector<LabelSurface> out;
    for (const auto& [label, box] : counted) out.push_back({label, box.voxels, {}});
    std::sort(out.begin(), out.end(), [](const LabelSurface& a, const LabelSurface& b) {
      return a.voxels != b.voxels ? a.voxels > b.voxels : a.label < b.label;
    });
    if (out.size() > most_labels) out.resize(most_labels);
    std::sort(out.begin(), out.end(),
              [](const LabelSurface& a, const LabelSurface& b) { return a.label < b.label; });
    parallel_for(static_cast<std::int64_t>(out.size()), [&](std::int64_t i) {
      if (stop.stop_requested()) return;
      LabelSurface& surface = out[static_cast<std::size_t>(i)];
      if (const auto box = boxes.find(surface.label); box != boxes.end())
        surface.mesh = surface_of_label<T>(small, surface.label, box->second);
    });
    if (stop.stop_requested()) out.clear();
    return out;
  });
}

}  // namespace gigawarp::mesh
