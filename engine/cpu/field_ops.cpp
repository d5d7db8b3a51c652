#include <algorithm>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "cpu/cpu_ops.h"

namespace gigawarp::cpu {

double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                   ops::ZRange range) {
  const ops::Extent& e = a.extent;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(range.end - range.begin), 0);
  parallel_for(range.end - range.begin, [&](std::int64_t i) {
    const std::int64_t z = range.begin + i;
    for (std::int64_t y = 0; y < e.ny; ++y) {
      float* f = a.row(y, z);
      float* m = b.row(y, z);
      for (std::int64_t x = 0; x < e.nx; ++x) {
        if (f[x] != f[x]) m[x] = f[x];
        if (m[x] != m[x])
          f[x] = m[x];
        else
          ++counts[static_cast<std::size_t>(i)];
      }
    }
  });
  double total = 0;
  for (const std::int64_t n : counts) total += static_cast<double>(n);
  return total;
}

std::array<float, 6> displacement_range(const ops::FieldView& u, ops::ZRange range) {
  const ops::Extent& e = u.extent();
  constexpr float kMost = std::numeric_limits<float>::max();
  const std::array<float, 6> nothing{kMost, kMost, kMost, -kMost, -kMost, -kMost};
  std::vector<std::array<float, 6>> planes(
      static_cast<std::size_t>(std::max<std::int64_t>(0, range.end - range.begin)), nothing);
  parallel_for(range.end - range.begin, [&](std::int64_t i) {
    std::array<float, 6>& plane = planes[static_cast<std::size_t>(i)];
    for (std::size_t c = 0; c < 3; ++c)
      for (std::int64_t y = 0; y < e.ny; ++y) {
        const float* row = u.component[c].row(y, range.begin + i);
        float low = plane[c], high = plane[3 + c];
        for (std::int64_t x = 0; x < e.nx; ++x) {
          low = row[x] < low ? row[x] : low;
          high = row[x] > high ? row[x] : high;
        }
        plane[c] = low;
        plane[3 + c] = high;
      }
  });
  std::array<float, 6> all = nothing;
  for (const std::array<float, 6>& plane : planes)
    for (std::size_t c = 0; c < 3; ++c) {
      all[c] = std::min(all[c], plane[c]);
      all[3 + c] = std::max(all[3 + c], plane[3 + c]);
    }
  return all;
}

}  // namespace gigawarp::cpu
