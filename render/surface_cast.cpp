#include "render/surface_cast.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/parallel.h"

namespace gigawarp::render {
namespace {

constexpr int kMostSteps = 640;  // along a ray
constexpr int kRefinements = 5;  // halvings of the last step
constexpr double kFill = 1.15;   // the volume's diagonal takes this share of the picture less

double dot(const Vec3& a, const Vec3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vec3 along(const Vec3& from, const Vec3& direction, double t) {
  return {from[0] + t * direction[0], from[1] + t * direction[1], from[2] + t * direction[2]};
}

double diagonal_mm(const Grid& grid) {
  const Vec3 sides = grid.sides_mm();
  return std::hypot(sides[0], sides[1], sides[2]);
}

/// The volume as rays see it: voxel coordinates in, values out; outside it is empty.
template <class T>
class Field {
 public:
  Field(const Volume& volume, double outside)
      : data_(volume.channel<T>()), n_(volume.grid().size), outside_(outside) {}
  double nearest(const Vec3& p) const {
    std::int64_t i[3];
    for (int a = 0; a < 3; ++a) {
      i[a] = static_cast<std::int64_t>(std::floor(p[a] + 0.5));
      if (p[a] < -0.5 || i[a] >= n_[a]) return outside_;
    }
    return static_cast<double>(data_[(i[2] * n_[1] + i[1]) * n_[0] + i[0]]);
  }
  double linear(const Vec3& p) const {
    std::int64_t i[3];
    double w[3];
    for (int a = 0; a < 3; ++a) {
      const double low = std::floor(p[a]);
      i[a] = static_cast<std::int64_t>(low);
      w[a] = p[a] - low;
    }
    double sum = 0;
    for (int corner = 0; corner < 8; ++corner) {
      const Vec3 at{static_cast<double>(i[0] + (corner & 1)),
                    static_cast<double>(i[1] + (corner >> 1 & 1)),
                    static_cast<double>(i[2] + (corner >> 2 & 1))};
      sum += nearest(at) * ((corner & 1) != 0 ? w[0] : 1 - w[0]) *
             ((corner >> 1 & 1) != 0 ? w[1] : 1 - w[1]) *
             ((corner >> 2 & 1) != 0 ? w[2] : 1 - w[2]);
    }
    return sum;
  }

 private:
  const T* data_;
  Size3 n_;
  double outside_;
};

/// The corner between the cut planes and the viewer.
class CutCorner {
 public:
  CutCorner(const CastScene& scene, const CastAxes& axes) : on_(scene.cut), at_(scene.cut_mm) {
    for (std::size_t a = 0; a < 3; ++a) {
      for (std::size_t r = 0; r < 3; ++r) inwards_[a][r] = scene.turn[r][a];
      if (dot(inwards_[a], axes.into) > 0)
        for (double& part : inwards_[a]) part = -part;
    }
  }
  bool holds(const Vec3& world) const {
    if (!on_) return false;
    const Vec3 from{world[0] - at_[0], world[1] - at_[1], world[2] - at_[2]};
    for (const Vec3& normal : inwards_)
      if (dot(normal, from) < 0) return false;
    return true;
  }

 private:
  bool on_;
  Vec3 at_;
  std::array<Vec3, 3> inwards_{};  ///< normals of the planes, towards the viewer
};

template <class T>
class Caster {
 public:
  Caster(const CastScene& scene, const CastView& view)
      : scene_(scene),
        axes_(cast_axes(view)),
        corner_(scene, axes_),
        field_(*scene.volume, scene.window.low),
        voxel_from_world_(scene.volume->grid().voxel_from_world()) {
    const Grid& grid = scene.volume->grid();
    const Vec3 spacing = grid.spacing_mm();
    diagonal_mm_ = diagonal_mm(grid);
    finest_mm_ = std::min({spacing[0], spacing[1], spacing[2]});
    step_mm_ = std::max(finest_mm_ * 0.9, diagonal_mm_ / kMostSteps);
    centre_ = middle_mm_of(grid, view);
    pixel_mm_ = pixel_mm_of(grid, view);
  }

  QRgb colour(double column, double row) const {
    Vec3 start = centre_;
    for (int a = 0; a < 3; ++a)
      start[a] += column * pixel_mm_ * axes_.right[a] + row * pixel_mm_ * axes_.down[a] -
                  0.5 * diagonal_mm_ * axes_.into[a];
    bool was_cut = false;
    for (double t = 0; t <= diagonal_mm_; t += step_mm_) {
      const Vec3 world = along(start, axes_.into, t);
      if (corner_.holds(world)) {
        was_cut = true;
        continue;
      }
      const double value = field_.nearest(voxel_from_world_(world));
      if (was_cut) {  // just left the corner: this is a cut plane if there is tissue
        was_cut = false;
        if (value > scene_.threshold * 0.5) return cut_colour(start, t);
      }
      if (value > scene_.threshold) return surface_colour(start, t);
    }
    return kBackground;
  }

 private:
  QRgb cut_colour(const Vec3& start, double t) const {
    double outside = t - step_mm_, inside = t;
    for (int i = 0; i < kRefinements; ++i) {
      const double middle = 0.5 * (outside + inside);
      (corner_.holds(along(start, axes_.into, middle)) ? outside : inside) = middle;
    }
    const double value = field_.linear(voxel_from_world_(along(start, axes_.into, inside)));
    const int grey = static_cast<int>(std::lround(255 * scene_.window(value)));
    return qRgb(grey, grey, grey);
  }

  QRgb surface_colour(const Vec3& start, double t) const {
    double outside = t - step_mm_, inside = t;
    for (int i = 0; i < kRefinements; ++i) {
      const double middle = 0.5 * (outside + inside);
      const Vec3 world = along(start, axes_.into, middle);
      (field_.linear(voxel_from_world_(world)) > scene_.threshold ? inside : outside) = middle;
    }
    const Vec3 at = along(start, axes_.into, inside);
    Vec3 normal{};
    double length = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      Vec3 low = at, high = at;
      low[a] -= 1.5 * finest_mm_;
      high[a] += 1.5 * finest_mm_;
      normal[a] = field_.linear(voxel_from_world_(low)) - field_.linear(voxel_from_world_(high));
      length += normal[a] * normal[a];
    }
    length = std::sqrt(std::max(length, 1e-12));
    // Light from above and left of the viewer.
    Vec3 light{};
    for (int a = 0; a < 3; ++a)
      light[a] = (-0.35 * axes_.right[a] - 0.5 * axes_.down[a] - 0.8 * axes_.into[a]) / 1.006;
    // Lit from behind as well: specks at the rim of the cut would be black otherwise.
    const double lit = std::abs(dot(normal, light)) / length;
    const double shade = 0.18 + 0.82 * lit;
    return qRgb(static_cast<int>(232 * shade), static_cast<int>(208 * shade),
                static_cast<int>(184 * shade));
  }

  const CastScene& scene_;
  CastAxes axes_;
  CutCorner corner_;
  Field<T> field_;
  Affine voxel_from_world_;
  Vec3 centre_{};
  double diagonal_mm_ = 1, finest_mm_ = 1, step_mm_ = 1, pixel_mm_ = 1;
};

}  // namespace

CastAxes cast_axes(const CastView& view) {
  const double cy = std::cos(view.yaw), sy = std::sin(view.yaw);
  const double cp = std::cos(view.pitch), sp = std::sin(view.pitch);
  CastAxes axes;
  // Yaw 0 looks from the front: into the picture is posterior, to the right is the patient's left.
  axes.right = {cy, sy, 0};
  axes.into = {-sy * cp, cy * cp, -sp};
  axes.down = {-sy * sp, cy * sp, cp};
  for (int a = 0; a < 3; ++a) axes.down[a] = -axes.down[a];
  return axes;
}

double pixel_mm_of(const Grid& grid, const CastView& view) {
  const double fills = view.subject ? view.subject->diameter_mm : diagonal_mm(grid);
  return fills / (kFill * view.zoom * std::min(view.width, view.height));
}

Vec3 middle_mm_of(const Grid& grid, const CastView& view) {
  const CastAxes axes = cast_axes(view);
  Vec3 middle = view.subject ? view.subject->centre_mm : grid.centre_mm();
  for (std::size_t a = 0; a < 3; ++a)
    middle[a] += view.right_mm * axes.right[a] + view.down_mm * axes.down[a];
  return middle;
}

double surface_threshold(const Window& window) {
  return window.low + 0.22 * (window.high - window.low);
}

QImage cast_surface(const CastScene& scene, const CastView& view, const std::stop_token& stop) {
  QImage out(std::max(1, view.width), std::max(1, view.height), QImage::Format_RGB32);
  out.fill(kBackground);
  if (scene.volume == nullptr) return out;
  auto* bits = out.bits();
  const auto stride = out.bytesPerLine();
  const int width = out.width(), height = out.height();
  dispatch(scene.volume->type(), [&]<class T>() {
    const Caster<T> caster(scene, view);
    parallel_for(height, [&](std::int64_t row) {
      if (stop.stop_requested()) return;
      auto* line = reinterpret_cast<QRgb*>(bits + row * stride);
      for (int c = 0; c < width; ++c)
        line[c] =
            caster.colour(c + 0.5 - 0.5 * width, static_cast<double>(row) + 0.5 - 0.5 * height);
    });
  });
  return stop.stop_requested() ? QImage() : out;
}

}  // namespace gigawarp::render
