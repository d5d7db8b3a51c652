#pragma once
#include "cuda/reduce.cuh"
#include "cuda/sampler.cuh"

/// The last step of every metric: dL/dM of one voxel into the gradient field, into the sums for the
/// affine parameters, or as it is.
namespace gigawarp::cuda {

enum class TargetKind { none, field, symmetric_field, linear, intensity };

struct DeviceTarget {
  Plane<std::uint64_t> field;  ///< math::PackedFloats
  Plane<float> intensity;
  float weight = 1;  ///< of the channel, over the field's unit
  bool accumulate = false;

  explicit DeviceTarget(const ops::GradientTarget& t)
      : weight(t.field ? static_cast<float>(static_cast<double>(t.weight) / t.unit) : t.weight),
        accumulate(t.accumulate) {
    if (t.field) field = Plane<std::uint64_t>(t.field.packed);
    if (t.intensity) intensity = Plane<float>(t.intensity);
  }
};

inline TargetKind kind_of(const ops::GradientTarget& t) {
  if (!t.wanted) return TargetKind::none;
  if (t.intensity) return TargetKind::intensity;
  if (!t.field) return TargetKind::linear;
  return t.symmetric ? TargetKind::symmetric_field : TargetKind::field;
}

/// What dL/dM is multiplied with: ∇M along moving axes for the linear sums, along fixed axes for a
/// field, halfway to ∇F for the symmetric one; scaled. `gradient`: Sampled::gradient.
template <TargetKind kKind>
__device__ inline math::Float3 target_gradient(const DevicePair& pair, int x, int y, int z,
                                               const math::Float3& gradient) {
  if constexpr (kKind == TargetKind::linear || kKind == TargetKind::none) {
    const float s = pair.moving.scale;
    return {gradient.x * s, gradient.y * s, gradient.z * s};
  }
  math::Float3 g = along_fixed_axes(pair, gradient);
  if constexpr (kKind == TargetKind::symmetric_field) {
    const math::Float3 f = fixed_gradient(pair.fixed, x, y, z);
    g = {0.5F * (g.x + f.x), 0.5F * (g.y + f.y), 0.5F * (g.z + f.z)};
  }
  return g;
}

/// What becomes of the gradient field's word `before`. `g` from target_gradient().
__device__ inline std::uint64_t product_word(const DeviceTarget& target, const math::Float3& g,
                                             float dl_dm, std::uint64_t before) {
  const float s = dl_dm * target.weight;
  math::Float3 sum{g.x * s, g.y * s, g.z * s};
  if (target.accumulate) {
    const math::Float3 b = math::unpack_floats(before);
    sum = {sum.x + b.x, sum.y + b.y, sum.z + b.z};
  }
  return math::pack_floats(sum.x, sum.y, sum.z);
}

/// `g` from target_gradient(); `dl_dm` is zero where the voxel does not count.
template <TargetKind kKind>
__device__ inline void deliver_product(const DeviceTarget& target, int x, int y, int z,
                                       math::Float3 g, float dl_dm, ThreadSums& sums) {
  static_assert(kKind != TargetKind::intensity, "nothing is multiplied there");
  if constexpr (kKind == TargetKind::linear) {
    const float s = dl_dm * target.weight;
    sums.add_gradient(g.x * s, g.y * s, g.z * s, x, y, z);
  } else if constexpr (kKind != TargetKind::none) {
    std::uint64_t* out = target.field.at(x, y, z);
    *out = product_word(target, g, dl_dm, target.accumulate ? *out : 0);
  }
}

/// Both at once. `gradient`: Sampled::gradient.
template <TargetKind kKind>
__device__ inline void deliver(const DevicePair& pair, const DeviceTarget& target, int x, int y,
                               int z, const math::Float3& gradient, float dl_dm, ThreadSums& sums) {
  deliver_product<kKind>(target, x, y, z, target_gradient<kKind>(pair, x, y, z, gradient), dl_dm,
                         sums);
}

/// Calls f.template operator()<kind>(), of the kinds for which M is sampled.
template <class F>
void dispatch_target(TargetKind kind, F&& f) {
  switch (kind) {
    case TargetKind::intensity:
    case TargetKind::none: f.template operator()<TargetKind::none>(); return;
    case TargetKind::field: f.template operator()<TargetKind::field>(); return;
    case TargetKind::symmetric_field: f.template operator()<TargetKind::symmetric_field>(); return;
    case TargetKind::linear: f.template operator()<TargetKind::linear>(); return;
  }
}

}  // namespace gigawarp::cuda
