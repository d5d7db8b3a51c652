#include <algorithm>
#include <vector>

#include "base/parallel.h"
#include "cpu/cpu_ops.h"

namespace gigawarp::cpu {
namespace {

GIGAWARP_MULTIVERSION double difference_row(const float* __restrict f, const float* __restrict m,
                                            std::int64_t n, float scale, float* __restrict dl_dm) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t x = 0; x < n; ++x) {
    const bool counts = m[x] == m[x];
    const float d = counts ? m[x] - f[x] : 0.0F;
    sum += d * d;
    dl_dm[x] = scale * d;
  }
  return sum;
}

}  // namespace

void mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) {
  const ops::Extent& e = args.pair.fixed.extent;
  const MovingGeometry geometry(args.pair.moving, args.pair.moving_from_fixed);
  const auto scale = static_cast<float>(2.0 / std::max(1.0, args.count));
  parallel_for(args.range.end - args.range.begin, [&](std::int64_t i) {
    const std::int64_t z = args.range.begin + i;
    std::vector<float> fixed(static_cast<std::size_t>(e.nx)), dl_dm(fixed.size());
    ops::PlaneSums plane;
    for (std::int64_t y = 0; y < e.ny; ++y) {
      load_row(args.pair.fixed, y, z, fixed.data());
      plane.value += difference_row(fixed.data(), args.warped.row(y, z), e.nx, scale, dl_dm.data());
      emit_gradient(args.pair, geometry, args.target, y, z, dl_dm.data(), plane);
    }
    sums[static_cast<std::size_t>(z)] = plane;
  });
}

}  // namespace gigawarp::cpu
