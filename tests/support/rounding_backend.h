#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "cpu/cpu_ops.h"
#include "cuda/intensity_steps.h"
#include "math/adam.h"
#include "math/bfloat16.h"
#include "math/metric.h"
#include "math/packed.h"
#include "ops/taps.h"
#include "support/forwarding_backend.h"

/// What the GPU back end rounds to save memory, one thing at a time, on the CPU.
namespace gigawarp::test {

/// Which of it is rounded.
struct Compaction {
  bool displacement = false;    ///< u in steps of 1/2048 voxel (math::PackedVector)
  bool gradient = false;        ///< dL/du in 13 bits per component (math::PackedFloats)
  bool first_moment = false;    ///< Adam's m in bfloat16; the CPU back end does that too
  bool second_moment = false;   ///< Adam's √v in 16 bits without a sign
  bool intensities = false;     ///< of LNCC: in steps of a deviation (cuda/intensity_steps.h)
  bool coefficients = false;    ///< of LNCC's windows: p, q, r in 13 bits each
  bool image_gradient = false;  ///< of LNCC: ∇M in 13 bits per component

  bool of_lncc() const { return intensities || coefficients || image_gradient; }
};

struct NamedCompaction {
  std::string name;
  Compaction what;
};

/// Each alone, and the last one all of them.
inline std::vector<NamedCompaction> compactions(MetricKind metric) {
  std::vector<NamedCompaction> out{
      {"displacement, 3 x 21 bits", {.displacement = true}},
      {"gradient, 3 x 21 bits", {.gradient = true}},
      {"first moment, bfloat16", {.first_moment = true}},
      {"root of second moment, 16 bits", {.second_moment = true}},
  };
  const bool lncc = metric == MetricKind::lncc;
  if (lncc) {
    out.push_back({"LNCC intensities, 16 bits", {.intensities = true}});
    out.push_back({"LNCC coefficients, 3 x 21 bits", {.coefficients = true}});
    out.push_back({"LNCC image gradient, 3 x 21 bits", {.image_gradient = true}});
  }
  out.push_back({"all of these", {true, true, true, true, lncc, lncc, lncc}});
  return out;
}

/// `values`, planar and of whole volumes, filtered along x, y and z, without what lies outside;
/// `scratch` holds as many.
inline void filter_volume(const ops::Taps& taps, const ops::Extent& e, std::vector<float>& values,
                          std::vector<float>& scratch) {
  for (int axis = 0; axis < 3; ++axis) {
    parallel_for(e.nz, [&](std::int64_t z) {
      for (std::int64_t y = 0; y < e.ny; ++y) {
        float* const to = scratch.data() + (z * e.ny + y) * e.nx;
        std::fill_n(to, e.nx, 0.0F);
        for (int k = -taps.radius; k <= taps.radius; ++k) {
          const std::int64_t row = axis == 1 ? y + k : y, plane = axis == 2 ? z + k : z;
          if (row < 0 || row >= e.ny || plane < 0 || plane >= e.nz) continue;
          const std::int64_t shift = axis == 0 ? k : 0;
          const float* const from = values.data() + (plane * e.ny + row) * e.nx;
          const float weight = taps.weight[k + taps.radius];
          const std::int64_t end = std::min(e.nx, e.nx - shift);
          for (std::int64_t x = std::max<std::int64_t>(0, -shift); x < end; ++x)
            to[x] += weight * from[x + shift];
        }
      }
    });
    values.swap(scratch);
  }
}

/// The CPU back end with state and intermediate results rounded as a GPU keeps them; Adam's moments
/// are fp32 unless they are to be rounded. For greedy stages of one channel.
///
/// Not rounded: what a GPU writes between two sweeps of a fold repair. Sums over LNCC's windows are
/// exact integers there and fp32 here.
class RoundingBackend final : public ForwardingBackend {
 public:
  explicit RoundingBackend(const Compaction& rounded)
      : ForwardingBackend(ops::make_cpu_backend()), rounded_(rounded) {}

  void lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) override {
    if (rounded_.of_lncc() && args.target.field)
      rounded_lncc(args, sums);
    else
      ForwardingBackend::lncc(args, sums);
    round_gradient(args.target, args.range);
  }
  void mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                   std::vector<ops::PlaneSums>& sums) override {
    ForwardingBackend::mi_gradient(args, table, sums);
    round_gradient(args.target, args.range);
  }
  void mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) override {
    ForwardingBackend::mse(args, sums);
    round_gradient(args.target, args.range);
  }
  float direction(const ops::DirectionArgs& args) override;
  void compose(const ops::ComposeArgs& args) override {
    ForwardingBackend::compose(args);
    round_displacement(args.out, args.range);
  }
  ops::FoldRepair repair_folds(const ops::RepairArgs& args) override {
    const ops::FoldRepair repair = ForwardingBackend::repair_folds(args);
    round_displacement(args.displacement, args.range);
    return repair;
  }
  void upsample_field(const ops::UpsampleArgs& args) override {
    ForwardingBackend::upsample_field(args);
    round_displacement(args.out, args.range);
  }

 private:
  using Float3 = math::Float3;

  /// Float3 round(Float3) at every voxel of a field.
  template <class Round>
  static void round_field(const ops::FieldView& field, ops::ZRange range, const Round& round) {
    const ops::Extent& e = field.extent();
    parallel_for(range.end - range.begin, [&](std::int64_t plane) {
      for (std::int64_t y = 0; y < e.ny; ++y) {
        float* row[3];
        for (int c = 0; c < 3; ++c) row[c] = field.component[c].row(y, range.begin + plane);
        for (std::int64_t x = 0; x < e.nx; ++x) {
          const Float3 v = round(Float3{row[0][x], row[1][x], row[2][x]});
          row[0][x] = v.x;
          row[1][x] = v.y;
          row[2][x] = v.z;
        }
      }
    });
  }
  static Float3 to_packed_floats(const Float3& v) {
    return math::unpack_floats(math::pack_floats(v.x, v.y, v.z));
  }
  void round_displacement(const ops::FieldView& u, ops::ZRange range) const {
    if (!rounded_.displacement) return;
    round_field(u, range,
                [](const Float3& v) { return math::unpack_vector(math::pack_vector(v)); });
  }
  void round_gradient(const ops::GradientTarget& target, ops::ZRange range) const {
    if (rounded_.gradient && target.field && target.wanted)
      round_field(target.field, range, to_packed_floats);
  }

  void rounded_lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums);
  void take_intensities(const ops::LnccArgs& args);
  void sum_windows(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums);
  void emit(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) const;

  Compaction rounded_;
  std::vector<float> nothing_;                          ///< a component of a field of zeros
  std::map<const float*, std::vector<float>> moments_;  ///< m, planar, by where their v lies
  std::vector<float> fixed_, warped_, dl_dm_;           ///< of LNCC; whole volumes
};

inline float RoundingBackend::direction(const ops::DirectionArgs& args) {
  const ops::Extent& e = args.gradient.extent();
  const auto voxels = static_cast<std::size_t>(e.nx * e.ny * e.nz);
  // A step of the gradient's length from no displacement at all, smoothed, is the smooth gradient.
  nothing_.assign(voxels, 0.0F);
  ops::ComposeArgs smooth;
  smooth.direction = args.gradient;
  for (auto& component : smooth.displacement.component) component = {nothing_.data(), e};
  smooth.out = args.direction;
  smooth.range = args.range;
  smooth.sigma_voxels = args.sigma_voxels;
  smooth.short_step = true;
  ForwardingBackend::compose(smooth);

  std::vector<float>& m = moments_[args.second_moment.data];
  if (args.step == 1) m.assign(3 * voxels, 0.0F);
  const auto correction = [&](double beta) {
    return static_cast<float>(1.0 / (1.0 - std::pow(beta, args.step)));
  };
  const float c1 = correction(args.beta1), c2 = correction(args.beta2);
  std::vector<float> largest(static_cast<std::size_t>(e.nz), 0.0F);
  parallel_for(args.range.end - args.range.begin, [&](std::int64_t plane) {
    const std::int64_t z = args.range.begin + plane;
    for (std::int64_t y = 0; y < e.ny; ++y) {
      float* const v = args.second_moment.row(y, z);
      for (std::int64_t x = 0; x < e.nx; ++x) {
        const auto i = static_cast<std::size_t>((z * e.ny + y) * e.nx + x);
        float squares = 0, length = 0;
        for (std::size_t c = 0; c < 3; ++c) {
          const float g = args.direction.component[c].row(y, z)[x];
          float& own = m[c * voxels + i];
          own = own * args.beta1 + (1.0F - args.beta1) * g;
          if (rounded_.first_moment) own = math::from_bfloat16(math::to_bfloat16(own));
          squares += g * g;
          length += own * own;
        }
        v[x] = v[x] * args.beta2 + (1.0F - args.beta2) * (squares * (1.0F / 3.0F));
        if (rounded_.second_moment) {
          const float root = math::from_unsigned16(math::to_unsigned16(std::sqrt(v[x])));
          v[x] = root * root;
        }
        const float hat = v[x] * c2;
        const float s = c1 / (std::sqrt(hat) + args.epsilon) *
                        math::agreement(length * (c1 * c1), hat, args.incoherence_damping);
        for (std::size_t c = 0; c < 3; ++c)
          args.direction.component[c].row(y, z)[x] = s * m[c * voxels + i];
        float& top = largest[static_cast<std::size_t>(z)];
        top = std::max(top, length * (s * s));
      }
    }
  });
  return std::sqrt(*std::max_element(largest.begin(), largest.end()));
}

/// F and M of the whole volume, M not a number where a voxel does not count.
inline void RoundingBackend::take_intensities(const ops::LnccArgs& args) {
  const ops::Extent& e = args.pair.fixed.extent;
  const auto voxels = static_cast<std::size_t>(e.nx * e.ny * e.nz);
  fixed_.resize(voxels);
  warped_.resize(voxels);
  dl_dm_.resize(voxels);
  const auto unit = cuda::IntensitySteps::marching(args.radius);  // box windows
  parallel_for(e.nz, [&](std::int64_t z) {
    for (std::int64_t y = 0; y < e.ny; ++y) {
      const std::int64_t at = (z * e.ny + y) * e.nx;
      cpu::load_row(args.pair.fixed, y, z, fixed_.data() + at);
      std::copy_n(args.warped.row(y, z), e.nx, warped_.data() + at);
      if (!rounded_.intensities) continue;
      for (float* const row : {fixed_.data() + at, warped_.data() + at})
        for (std::int64_t x = 0; x < e.nx; ++x)
          row[x] =
              std::clamp(std::nearbyint(row[x] * unit.steps), -unit.reach, unit.reach) / unit.steps;
    }
  });
}

/// LNCC of fixed_ and warped_ into dl_dm_ as cpu/lncc.cpp does it, but volume by volume, so that
/// the coefficients lie somewhere where they can be rounded.
inline void RoundingBackend::sum_windows(const ops::LnccArgs& args,
                                         std::vector<ops::PlaneSums>& sums) {
  const ops::Extent& e = args.pair.fixed.extent;
  const std::size_t voxels = fixed_.size();
  const ops::Taps taps = ops::Taps::box(args.radius);
  std::vector<float> scratch(voxels), window[6];
  for (std::size_t q = 0; q < 6; ++q) {
    window[q].resize(voxels);
    for (std::size_t i = 0; i < voxels; ++i) {
      const bool counts = warped_[i] == warped_[i];
      const float f = counts ? fixed_[i] : 0.0F, m = counts ? warped_[i] : 0.0F;
      const float product[6] = {counts ? 1.0F : 0.0F, f, m, f * f, m * m, f * m};
      window[q][i] = product[q];
    }
    filter_volume(taps, e, window[q], scratch);
  }
  const auto plane = static_cast<std::size_t>(e.nx * e.ny);
  for (std::size_t i = 0; i < voxels; ++i) {
    ops::PlaneSums& own = sums[i / plane];
    if (i % plane == 0) own = {};
    Float3 pqr;
    if (warped_[i] == warped_[i]) {
      const float in = 1.0F / std::max(window[0][i], 1.0F);
      const auto c =
          math::lncc_coefficients<float>(window[1][i] * in, window[2][i] * in, window[3][i] * in,
                                         window[4][i] * in, window[5][i] * in, args.epsilon);
      own.value -= static_cast<double>(c.cc);
      pqr = {c.p * in, c.q * in, c.r * in};
      if (rounded_.coefficients) pqr = to_packed_floats(pqr);
    }
    window[0][i] = pqr.x;
    window[1][i] = pqr.y;
    window[2][i] = pqr.z;
  }
  for (std::size_t q = 0; q < 3; ++q) filter_volume(taps, e, window[q], scratch);
  const auto scale = static_cast<float>(-1.0 / std::max(1.0, args.count));
  for (std::size_t i = 0; i < voxels; ++i)
    dl_dm_[i] = warped_[i] == warped_[i]
                    ? scale * (fixed_[i] * window[0][i] - warped_[i] * window[1][i] + window[2][i])
                    : 0.0F;
}

/// dl_dm_ times ∇M into the field.
inline void RoundingBackend::emit(const ops::LnccArgs& args,
                                  std::vector<ops::PlaneSums>& sums) const {
  const ops::Extent& e = args.pair.fixed.extent;
  const cpu::MovingGeometry geometry(args.pair.moving, args.pair.moving_from_fixed);
  const std::vector<float> ones(static_cast<std::size_t>(e.nx), 1.0F);
  ops::GradientTarget image = args.target;  // ∇M alone goes where dL/du comes
  image.weight = 1;
  image.accumulate = false;
  parallel_for(e.nz, [&](std::int64_t z) {
    for (std::int64_t y = 0; y < e.ny; ++y) {
      ops::PlaneSums& plane = sums[static_cast<std::size_t>(z)];
      const float* const dl_dm = dl_dm_.data() + (z * e.ny + y) * e.nx;
      cpu::emit_gradient(args.pair, geometry, rounded_.image_gradient ? image : args.target, y, z,
                         rounded_.image_gradient ? ones.data() : dl_dm, plane);
      if (!rounded_.image_gradient) continue;
      float* row[3];
      for (int c = 0; c < 3; ++c) row[c] = args.target.field.component[c].row(y, z);
      for (std::int64_t x = 0; x < e.nx; ++x) {
        const Float3 g = to_packed_floats({row[0][x], row[1][x], row[2][x]});
        const float s = args.target.weight * dl_dm[x];
        row[0][x] = s * g.x;
        row[1][x] = s * g.y;
        row[2][x] = s * g.z;
      }
    }
  });
}

inline void RoundingBackend::rounded_lncc(const ops::LnccArgs& args,
                                          std::vector<ops::PlaneSums>& sums) {
  take_intensities(args);
  if (rounded_.coefficients) {
    sum_windows(args, sums);
  } else {
    const ops::Extent whole = ops::Extent::whole(
        {args.pair.fixed.extent.nx, args.pair.fixed.extent.ny, args.pair.fixed.extent.nz});
    ops::LnccArgs own = args;
    own.pair.fixed = {};
    own.pair.fixed.data = fixed_.data();
    own.pair.fixed.extent = whole;
    own.warped = {warped_.data(), whole};
    own.target = {};
    own.target.intensity = {dl_dm_.data(), whole};
    ForwardingBackend::lncc(own, sums);
  }
  emit(args, sums);
}

}  // namespace gigawarp::test
