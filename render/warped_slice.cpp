#include "render/warped_slice.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "render/row_stages.h"

namespace gigawarp::render {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// What `value_of` makes of the voxel nearest to a position; NaN more than half a voxel outside.
template <class T, class ValueOf>
float nearest(const T* data, const Size3& n, float x, float y, float z, const ValueOf& value_of) {
  constexpr float kHalf = 0.50001F;
  const float place[3] = {x, y, z};
  std::int64_t index[3];
  for (int a = 0; a < 3; ++a) {
    const auto last = static_cast<float>(n[a] - 1);
    if (!(place[a] >= -kHalf && place[a] <= last + kHalf)) return kNan;
    index[a] = std::lround(std::clamp(place[a], 0.0F, last));
  }
  return value_of(data[(index[2] * n[1] + index[1]) * n[0] + index[0]]);
}

constexpr std::uint32_t kBelowZero = 0x80000000U;

/// The whole number, by its sign and its size, in place of a float's bits: so those that are no
/// float's begin at a size that no label has, and -1 is not among them.
template <class T>
float packed_label(T value) {
  constexpr double kLimit = 2139095040;  // the bits of infinity
  const auto number = static_cast<double>(value);
  if (!(number >= -kLimit && number <= kLimit)) return kNan;
  const auto label = static_cast<std::int32_t>(number);
  const auto size = static_cast<std::uint32_t>(std::abs(label));
  return std::bit_cast<float>(label < 0 ? kBelowZero | size : size);
}

void displace(const RowPoints& p, const BSplineField& field) {
  for (std::int64_t i = 0; i < p.n; ++i) {
    const Vec3 d = field.at_world({p.x[i], p.y[i], p.z[i]});
    p.x[i] += static_cast<float>(d[0]);
    p.y[i] += static_cast<float>(d[1]);
    p.z[i] += static_cast<float>(d[2]);
  }
}

SliceImage blank(const SliceGeometry& g) {
  SliceImage out;
  out.width = g.width;
  out.height = g.height;
  out.values.assign(static_cast<std::size_t>(g.width) * static_cast<std::size_t>(g.height), kNan);
  return out;
}

}  // namespace

RowStages::RowStages(const Transform* warp, bool deformable_only) {
  if (warp == nullptr) return;
  for (const TransformStage& stage : warp->stages) {
    if (const auto* affine = std::get_if<Affine>(&stage)) {
      if (!deformable_only) steps_.push_back({RowMap(*affine), RowLattice({1, 1, 1})});
    } else if (const auto* field = std::get_if<DisplacementField>(&stage)) {
      steps_.push_back(
          {RowMap(field->grid().voxel_from_world()), RowLattice(field->grid().size), field});
    } else {
      steps_.push_back(
          {RowMap(Affine{}), RowLattice({1, 1, 1}), nullptr, &std::get<BSplineField>(stage)});
    }
  }
}

void RowStages::apply(const RowPoints& points) const {
  for (const Step& step : steps_) {
    if (step.field != nullptr) {
      const float* const planes[3] = {step.field->component_mm(0), step.field->component_mm(1),
                                      step.field->component_mm(2)};
      displace_row(points, step.map, step.lattice, planes);
    } else if (step.spline != nullptr) {
      displace(points, *step.spline);
    } else {
      map_row(points, step.map);
    }
  }
}

void nearest_row(ScalarType type, const Size3& size, const void* data, const RowPoints& p,
                 float* out) {
  dispatch(type, [&]<class T>() {
    for (std::int64_t i = 0; i < p.n; ++i)
      out[i] = nearest(static_cast<const T*>(data), size, p.x[i], p.y[i], p.z[i],
                       [](T value) { return static_cast<float>(value); });
  });
}

void label_row(ScalarType type, const Size3& size, const void* data, const RowPoints& p,
               float* out) {
  dispatch(type, [&]<class T>() {
    for (std::int64_t i = 0; i < p.n; ++i)
      out[i] = nearest(static_cast<const T*>(data), size, p.x[i], p.y[i], p.z[i],
                       [](T value) { return packed_label(value); });
  });
}

std::int32_t label_of(float pixel) {
  if (std::isnan(pixel)) return 0;
  const auto bits = std::bit_cast<std::uint32_t>(pixel);
  const auto size = static_cast<std::int32_t>(bits & ~kBelowZero);
  return (bits & kBelowZero) != 0 ? -size : size;
}

SliceImage sample_warped(const Volume& volume, const Transform* warp, const SliceGeometry& geometry,
                         SliceInterpolation interpolation, const std::stop_token& stop) {
  SliceImage out = blank(geometry);
  const RowMap voxel_from_world(volume.grid().voxel_from_world());
  const RowLattice lattice(volume.grid().size);
  const RowStages stages(warp, false);
  parallel_for(out.height, [&](std::int64_t row) {
    if (stop.stop_requested()) return;
    RowPositions positions(out.width);
    positions.start(geometry, row);
    const RowPoints points = positions.points();
    stages.apply(points);
    map_row(points, voxel_from_world);
    float* to = out.values.data() + row * out.width;
    if (interpolation == SliceInterpolation::linear)
      return linear_row(volume.type(), lattice, volume.data(), points, to);
    const auto& sample = interpolation == SliceInterpolation::label ? label_row : nearest_row;
    sample(volume.type(), volume.grid().size, volume.data(), points, to);
  });
  return out;
}

SliceImage sample_displacement_component(const Transform& warp, const SliceGeometry& geometry,
                                         const Vec3& along, bool deformable_only,
                                         const std::stop_token& stop) {
  SliceImage out = blank(geometry);
  const RowStages stages(&warp, deformable_only);
  const auto ax = static_cast<float>(along[0]), ay = static_cast<float>(along[1]),
             az = static_cast<float>(along[2]);
  parallel_for(out.height, [&](std::int64_t row) {
    if (stop.stop_requested()) return;
    RowPositions moved(out.width), still(out.width);
    moved.start(geometry, row);
    still.start(geometry, row);
    const RowPoints to = moved.points(), from = still.points();
    stages.apply(to);
    float* values = out.values.data() + row * out.width;
    for (std::int64_t i = 0; i < to.n; ++i)
      values[i] =
          ax * (to.x[i] - from.x[i]) + ay * (to.y[i] - from.y[i]) + az * (to.z[i] - from.z[i]);
  });
  return out;
}

}  // namespace gigawarp::render
