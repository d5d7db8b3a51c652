#include "render/warped_slice.h"

#include <cmath>
#include <limits>

#include "base/parallel.h"

namespace gigawarp::render {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// A 3x4 map in single precision.
struct Map {
  explicit Map(const Affine& affine) {
    for (int r = 0; r < 3; ++r) {
      for (int c = 0; c < 3; ++c) m[r][c] = static_cast<float>(affine.linear[r][c]);
      m[r][3] = static_cast<float>(affine.offset[r]);
    }
  }
  float row(int r, float x, float y, float z) const {
    return m[r][0] * x + m[r][1] * y + m[r][2] * z + m[r][3];
  }
  float m[3][4]{};
};

/// World positions of one row of pixels, changed stage by stage.
struct RowPoints {
  explicit RowPoints(int width)
      : x(static_cast<std::size_t>(width)),
        y(static_cast<std::size_t>(width)),
        z(static_cast<std::size_t>(width)) {}
  void start(const SliceGeometry& g, std::int64_t row) {
    const Vec3 first = g.at(0, static_cast<double>(row));
    const auto dx = static_cast<float>(g.right_mm[0]), dy = static_cast<float>(g.right_mm[1]),
               dz = static_cast<float>(g.right_mm[2]);
    const auto fx = static_cast<float>(first[0]), fy = static_cast<float>(first[1]),
               fz = static_cast<float>(first[2]);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto t = static_cast<float>(i);
      x[i] = fx + t * dx;
      y[i] = fy + t * dy;
      z[i] = fz + t * dz;
    }
  }
  void map(const Map& m) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float px = x[i], py = y[i], pz = z[i];
      x[i] = m.row(0, px, py, pz);
      y[i] = m.row(1, px, py, pz);
      z[i] = m.row(2, px, py, pz);
    }
  }
  std::vector<float> x, y, z;
};

/// The eight neighbours of a position in a lattice, the outer half voxel repeating the outer value.
class Cell {
 public:
  explicit Cell(const Size3& n)
      : nx_(n[0]),
        ny_(n[1]),
        last_{static_cast<float>(n[0] - 1), static_cast<float>(n[1] - 1),
              static_cast<float>(n[2] - 1)},
        plane_(n[0] * n[1]) {}
  /// False outside the extent, half a voxel beyond the outer centres, and for NaN.
  bool locate(float px, float py, float pz) {
    constexpr float kHalf = 0.50001F;
    if (!(px >= -kHalf && px <= last_[0] + kHalf && py >= -kHalf && py <= last_[1] + kHalf &&
          pz >= -kHalf && pz <= last_[2] + kHalf))
      return false;
    const std::int64_t x = axis(px, last_[0], wx_, sx_), y = axis(py, last_[1], wy_, sy_),
                       z = axis(pz, last_[2], wz_, sz_);
    sy_ *= nx_;
    sz_ *= plane_;
    base_ = (z * ny_ + y) * nx_ + x;
    return true;
  }
  template <class T>
  float linear(const T* data) const {
    const T* p = data + base_;
    const auto at = [p](std::int64_t o) { return static_cast<float>(p[o]); };
    const float a = at(0) + wx_ * (at(sx_) - at(0));
    const float b = at(sy_) + wx_ * (at(sy_ + sx_) - at(sy_));
    const float c = at(sz_) + wx_ * (at(sz_ + sx_) - at(sz_));
    const float d = at(sz_ + sy_) + wx_ * (at(sz_ + sy_ + sx_) - at(sz_ + sy_));
    const float e = a + wy_ * (b - a), f = c + wy_ * (d - c);
    return e + wz_ * (f - e);
  }
  template <class T>
  float nearest(const T* data) const {
    return static_cast<float>(
        data[base_ + (wx_ >= 0.5F ? sx_ : 0) + (wy_ >= 0.5F ? sy_ : 0) + (wz_ >= 0.5F ? sz_ : 0)]);
  }

 private:
  static std::int64_t axis(float p, float last, float& weight, std::int64_t& step) {
    const float v = p < 0 ? 0 : p > last ? last : p;
    const auto low = static_cast<std::int64_t>(v);
    weight = v - static_cast<float>(low);
    step = v < last ? 1 : 0;
    return low;
  }
  std::int64_t nx_, ny_;
  float last_[3];
  std::int64_t plane_;
  std::int64_t base_ = 0, sx_ = 0, sy_ = 0, sz_ = 0;
  float wx_ = 0, wy_ = 0, wz_ = 0;
};

void displace(RowPoints& p, const DisplacementField& field, const Map& voxel_from_world) {
  Cell cell(field.grid().size);
  const float *ux = field.component_mm(0), *uy = field.component_mm(1), *uz = field.component_mm(2);
  for (std::size_t i = 0; i < p.x.size(); ++i) {
    const float x = p.x[i], y = p.y[i], z = p.z[i];
    if (!cell.locate(voxel_from_world.row(0, x, y, z), voxel_from_world.row(1, x, y, z),
                     voxel_from_world.row(2, x, y, z)))
      continue;
    p.x[i] = x + cell.linear(ux);
    p.y[i] = y + cell.linear(uy);
    p.z[i] = z + cell.linear(uz);
  }
}

void displace(RowPoints& p, const BSplineField& field) {
  for (std::size_t i = 0; i < p.x.size(); ++i) {
    const Vec3 d = field.at_world({p.x[i], p.y[i], p.z[i]});
    p.x[i] += static_cast<float>(d[0]);
    p.y[i] += static_cast<float>(d[1]);
    p.z[i] += static_cast<float>(d[2]);
  }
}

/// The stages of a transform, ready to be applied to rows.
class Stages {
 public:
  Stages(const Transform* warp, bool deformable_only) {
    if (warp == nullptr) return;
    for (const TransformStage& stage : warp->stages) {
      if (const auto* affine = std::get_if<Affine>(&stage)) {
        if (!deformable_only) steps_.push_back({Map(*affine), nullptr, nullptr});
      } else if (const auto* field = std::get_if<DisplacementField>(&stage)) {
        steps_.push_back({Map(field->grid().voxel_from_world()), field, nullptr});
      } else {
        steps_.push_back({Map(Affine{}), nullptr, &std::get<BSplineField>(stage)});
      }
    }
  }
  void apply(RowPoints& points) const {
    for (const Step& step : steps_) {
      if (step.field != nullptr)
        displace(points, *step.field, step.map);
      else if (step.spline != nullptr)
        displace(points, *step.spline);
      else
        points.map(step.map);
    }
  }

 private:
  struct Step {
    Map map;
    const DisplacementField* field;
    const BSplineField* spline;
  };
  std::vector<Step> steps_;
};

SliceImage blank(const SliceGeometry& g) {
  SliceImage out;
  out.width = g.width;
  out.height = g.height;
  out.values.assign(static_cast<std::size_t>(g.width) * static_cast<std::size_t>(g.height), kNan);
  return out;
}

}  // namespace

SliceImage sample_warped(const Volume& volume, const Transform* warp, const SliceGeometry& geometry,
                         SliceInterpolation interpolation, const std::stop_token& stop) {
  SliceImage out = blank(geometry);
  const Map voxel_from_world(volume.grid().voxel_from_world());
  const Stages stages(warp, false);
  dispatch(volume.type(), [&]<class T>() {
    const T* data = volume.channel<T>();
    parallel_for(out.height, [&](std::int64_t row) {
      if (stop.stop_requested()) return;
      RowPoints points(out.width);
      points.start(geometry, row);
      stages.apply(points);
      points.map(voxel_from_world);
      Cell cell(volume.grid().size);
      float* to = out.values.data() + row * out.width;
      for (std::size_t i = 0; i < points.x.size(); ++i)
        if (cell.locate(points.x[i], points.y[i], points.z[i]))
          to[i] =
              interpolation == SliceInterpolation::linear ? cell.linear(data) : cell.nearest(data);
    });
  });
  return out;
}

SliceImage sample_displacement_component(const Transform& warp, const SliceGeometry& geometry,
                                         const Vec3& along, bool deformable_only,
                                         const std::stop_token& stop) {
  SliceImage out = blank(geometry);
  const Stages stages(&warp, deformable_only);
  const auto ax = static_cast<float>(along[0]), ay = static_cast<float>(along[1]),
             az = static_cast<float>(along[2]);
  parallel_for(out.height, [&](std::int64_t row) {
    if (stop.stop_requested()) return;
    RowPoints points(out.width), start(out.width);
    points.start(geometry, row);
    start.start(geometry, row);
    stages.apply(points);
    float* to = out.values.data() + row * out.width;
    for (std::size_t i = 0; i < points.x.size(); ++i)
      to[i] = ax * (points.x[i] - start.x[i]) + ay * (points.y[i] - start.y[i]) +
              az * (points.z[i] - start.z[i]);
  });
  return out;
}

}  // namespace gigawarp::render
