#pragma once
#include "cuda/reduce.cuh"
#include "cuda/sampler.cuh"

/// The last step of every metric: dL/dM of one voxel into the gradient field, or into the sums for
/// the affine parameters.
namespace gigawarp::cuda {

enum class TargetKind { none, field, symmetric_field, linear };

struct DeviceTarget {
  std::uint64_t* field = nullptr;  ///< math::PackedFloats
  std::int64_t stride_y = 0, stride_z = 0, z_begin = 0;
  float weight = 1;  ///< of the channel, over the field's unit
  bool accumulate = false;

  explicit DeviceTarget(const ops::GradientTarget& t)
      : weight(t.field ? static_cast<float>(static_cast<double>(t.weight) / t.unit) : t.weight),
        accumulate(t.accumulate) {
    if (!t.field) return;
    field = t.field.packed.data;
    stride_y = t.field.packed.extent.stride_y;
    stride_z = t.field.packed.extent.stride_z;
    z_begin = t.field.packed.extent.z_begin;
  }
};

inline TargetKind kind_of(const ops::GradientTarget& t) {
  if (!t.wanted) return TargetKind::none;
  if (!t.field) return TargetKind::linear;
  return t.symmetric ? TargetKind::symmetric_field : TargetKind::field;
}

/// `gradient`: ∇M along moving axes; `dl_dm` is zero where the voxel does not count.
template <TargetKind kKind>
__device__ inline void deliver(const DevicePair& pair, const DeviceTarget& target, int x, int y,
                               int z, const math::Float3& gradient, float dl_dm, ThreadSums& sums) {
  const float s = dl_dm * target.weight;
  if constexpr (kKind == TargetKind::linear) {
    sums.add_gradient(gradient.x * s, gradient.y * s, gradient.z * s, x, y, z);
  } else if constexpr (kKind != TargetKind::none) {
    math::Float3 g = along_fixed_axes(pair, gradient);
    if constexpr (kKind == TargetKind::symmetric_field) {
      const math::Float3 f = fixed_gradient(pair.fixed, x, y, z);
      g = {0.5F * (g.x + f.x), 0.5F * (g.y + f.y), 0.5F * (g.z + f.z)};
    }
    g = {g.x * s, g.y * s, g.z * s};
    std::uint64_t* out =
        target.field + (z - target.z_begin) * target.stride_z + y * target.stride_y + x;
    if (target.accumulate) {
      const math::Float3 before = math::unpack_floats(*out);
      g = {g.x + before.x, g.y + before.y, g.z + before.z};
    }
    *out = math::pack_floats(g.x, g.y, g.z);
  }
}

/// Calls f.template operator()<kind>().
template <class F>
void dispatch_target(TargetKind kind, F&& f) {
  switch (kind) {
    case TargetKind::none: f.template operator()<TargetKind::none>(); return;
    case TargetKind::field: f.template operator()<TargetKind::field>(); return;
    case TargetKind::symmetric_field: f.template operator()<TargetKind::symmetric_field>(); return;
    case TargetKind::linear: f.template operator()<TargetKind::linear>(); return;
  }
}

}  // namespace gigawarp::cuda
