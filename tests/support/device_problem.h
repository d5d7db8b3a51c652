#pragma once
#include <cstring>
#include <vector>

#include "ops/backend.h"
#include "support/reference.h"

/// A reference problem in the form the back ends take: float images and fields in padded buffers.
namespace gigawarp::reference {

class OpsProblem {
 public:
  explicit OpsProblem(const Problem& p, bool with_field = true)
      : fixed_(p.fixed_size, p.fixed), moving_(p.moving_size, p.moving) {
    pair.fixed = fixed_.image();
    pair.moving = moving_.image();
    pair.moving_from_fixed = p.t;
    extent = ops::Extent::whole(p.fixed_size);
    const auto n = static_cast<std::size_t>(p.voxels());
    for (int a = 0; a < 3; ++a) {
      u_[a] = Buffer(n * sizeof(float));
      gradient_[a] = Buffer(n * sizeof(float));
      for (std::size_t i = 0; i < n; ++i) {
        floats(u_[a])[i] = p.u[a].empty() ? 0.0F : static_cast<float>(p.u[a][i]);
        floats(gradient_[a])[i] = std::nanf("");  // whatever is not written shows
      }
      if (with_field) pair.displacement.component[a] = {floats(u_[a]), extent};
      gradient.component[a] = {floats(gradient_[a]), extent};
    }
    warped_ = Buffer(n * sizeof(float));
    for (std::size_t i = 0; i < n; ++i) floats(warped_)[i] = 1e30F;
    warped = {floats(warped_), extent};
    if (!p.fixed_mask.empty()) pair.fixed_mask = mask(p.fixed_mask, p.fixed_size);
    if (!p.moving_mask.empty()) pair.moving_mask = mask(p.moving_mask, p.moving_size);
    sums.resize(static_cast<std::size_t>(p.fixed_size[2]));
    range = {0, p.fixed_size[2]};
  }

  double run_warp(ops::Backend& backend) {
    backend.warp({pair, warped, range}, sums);
    double count = 0;
    for (const ops::PlaneSums& s : sums) count += s.count;
    return count;
  }
  double value() const {
    double v = 0;
    for (const ops::PlaneSums& s : sums) v += s.value;
    return v;
  }

  ops::ImagePair pair;
  ops::Extent extent;
  ops::FieldView gradient;
  ops::SlabView<float> warped;
  std::vector<ops::PlaneSums> sums;
  ops::ZRange range;

 private:
  struct Image {
    Image(const Size3& n, const std::vector<double>& values)
        : extent(ops::Extent::whole(n)), data(values.size() * sizeof(float)) {
      for (std::size_t i = 0; i < values.size(); ++i)
        floats(data)[i] = static_cast<float>(values[i]);
    }
    ops::ImageView image() const {
      ops::ImageView v;
      v.data = data.data();
      v.extent = extent;
      return v;
    }
    ops::Extent extent;
    Buffer data;
  };
  ops::ImageView mask(const std::vector<std::uint8_t>& values, const Size3& n) {
    masks_.emplace_back(values.size());
    std::memcpy(masks_.back().data(), values.data(), values.size());
    ops::ImageView v;
    v.data = masks_.back().data();
    v.type = ScalarType::u8;
    v.extent = ops::Extent::whole(n);
    return v;
  }
  static float* floats(Buffer& b) { return reinterpret_cast<float*>(b.data()); }

  Image fixed_, moving_;
  Buffer u_[3], gradient_[3], warped_;
  std::vector<Buffer> masks_;
};

/// Central difference of `loss(problem)` with respect to one component of u at one voxel.
template <class Loss>
double finite_difference(Problem& p, int axis, std::size_t voxel, double h, const Loss& loss) {
  double& v = p.u[axis][voxel];
  const double keep = v;
  v = keep + h;
  const double up = loss(p);
  v = keep - h;
  const double down = loss(p);
  v = keep;
  return (up - down) / (2 * h);
}

/// True when moving `voxel` by ±h stays inside one cell of the moving grid (the interpolant has a
/// kink at its voxels) and inside the grid.
inline bool is_smooth_at(const Problem& p, std::size_t voxel, double h) {
  const Size3& n = p.fixed_size;
  const auto i = static_cast<std::int64_t>(voxel);
  const Vec3 q = moving_point(p, i % n[0], i / n[0] % n[1], i / n[0] / n[1]);
  for (int a = 0; a < 3; ++a) {
    const double reach = 2 * h;
    if (p.moving_size[a] == 1) continue;
    if (q[a] < reach || q[a] > static_cast<double>(p.moving_size[a] - 1) - reach) return false;
    if (std::floor(q[a] - reach) != std::floor(q[a] + reach)) return false;
  }
  return true;
}

}  // namespace gigawarp::reference
