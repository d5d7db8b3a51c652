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

}  // namespace gigawarp::cpu
