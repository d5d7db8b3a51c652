#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/fir.h"
#include "cpu/tiles.h"

namespace gigawarp::cpu {
namespace {

GIGAWARP_MULTIVERSION void add_scaled(const float* __restrict in, float w, std::int64_t n,
                                      float* __restrict out) {
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) out[x] += w * in[x];
}

}  // namespace

void downsample(const ops::DownsampleArgs& args) {
  const ops::Extent& in = args.in.extent;
  const ops::Extent& out = args.out.extent;
  const ops::StridedTaps tx(args.shrink[0], args.sigma[0]), ty(args.shrink[1], args.sigma[1]),
      tz(args.shrink[2], args.sigma[2]);
  parallel_for(args.range.end - args.range.begin, [&](std::int64_t index) {
    const std::int64_t z = args.range.begin + index;
    const auto plane = static_cast<std::size_t>(in.nx * in.ny);
    thread_local std::vector<float> filtered, line, row;
    filtered.assign(plane, 0.0F);
    line.resize(static_cast<std::size_t>(in.nx));
    row.resize(static_cast<std::size_t>(in.nx));
    for (std::size_t k = 0; k < tz.weight.size(); ++k) {  // along z, whole input rows
      const std::int64_t zi = std::clamp<std::int64_t>(
          z * args.shrink[2] + tz.first + static_cast<std::int64_t>(k), 0, in.nz - 1);
      for (std::int64_t y = 0; y < in.ny; ++y) {
        load_row(args.in, y, zi, line.data());
        add_scaled(line.data(), tz.weight[k], in.nx, filtered.data() + y * in.nx);
      }
    }
    for (std::int64_t y = 0; y < out.ny; ++y) {
      std::fill(row.begin(), row.end(), 0.0F);
      for (std::size_t k = 0; k < ty.weight.size(); ++k) {
        const std::int64_t yi = std::clamp<std::int64_t>(
            y * args.shrink[1] + ty.first + static_cast<std::int64_t>(k), 0, in.ny - 1);
        add_scaled(filtered.data() + yi * in.nx, ty.weight[k], in.nx, row.data());
      }
      float* target = args.out.row(y, z);
      for (std::int64_t x = 0; x < out.nx; ++x) {
        float s = 0;
        for (std::size_t k = 0; k < tx.weight.size(); ++k)
          s += tx.weight[k] *
               row[static_cast<std::size_t>(std::clamp<std::int64_t>(
                   x * args.shrink[0] + tx.first + static_cast<std::int64_t>(k), 0, in.nx - 1))];
        target[x] = s;
      }
    }
  });
}

void upsample_field(const ops::UpsampleArgs& args) {
  const ops::Extent& in = args.in.extent();
  const ops::Extent& out = args.out.extent();
  struct Step {
    std::int64_t low, high;
    float fraction;
  };
  const auto steps = [&](int axis, std::int64_t fine, std::int64_t coarse) {
    std::vector<Step> s(static_cast<std::size_t>(fine));
    for (std::int64_t i = 0; i < fine; ++i) {
      const double p =
          std::clamp(static_cast<double>(i) * args.fine_to_coarse[axis] + args.shift[axis], 0.0,
                     static_cast<double>(coarse - 1));
      const auto low = static_cast<std::int64_t>(p);
      s[static_cast<std::size_t>(i)] = {low, std::min(low + 1, coarse - 1),
                                        static_cast<float>(p - static_cast<double>(low))};
    }
    return s;
  };
  const auto sx = steps(0, out.nx, in.nx), sy = steps(1, out.ny, in.ny),
             sz = steps(2, out.nz, in.nz);
  parallel_for(args.range.end - args.range.begin, [&](std::int64_t index) {
    const std::int64_t z = args.range.begin + index;
    const Step& k = sz[static_cast<std::size_t>(z)];
    std::vector<float> row(static_cast<std::size_t>(in.nx));
    for (int c = 0; c < 3; ++c) {
      const auto ratio = static_cast<float>(1.0 / args.fine_to_coarse[c]);
      const ops::SlabView<float>& source = args.in.component[c];
      for (std::int64_t y = 0; y < out.ny; ++y) {
        const Step& j = sy[static_cast<std::size_t>(y)];
        const float* a = source.row(j.low, k.low);
        const float* b = source.row(j.high, k.low);
        const float* d = source.row(j.low, k.high);
        const float* f = source.row(j.high, k.high);
        for (std::int64_t x = 0; x < in.nx; ++x) {
          const float low = a[x] + (b[x] - a[x]) * j.fraction;
          const float high = d[x] + (f[x] - d[x]) * j.fraction;
          row[static_cast<std::size_t>(x)] = (low + (high - low) * k.fraction) * ratio;
        }
        float* target = args.out.component[c].row(y, z);
        for (std::int64_t x = 0; x < out.nx; ++x) {
          const Step& i = sx[static_cast<std::size_t>(x)];
          const float low = row[static_cast<std::size_t>(i.low)];
          target[x] = low + (row[static_cast<std::size_t>(i.high)] - low) * i.fraction;
        }
      }
    }
  });
}

}  // namespace gigawarp::cpu
