#include <vector>

#include "base/parallel.h"
#include "cpu/cpu_ops.h"
#include "gigawarp/transform.h"
#include "ops/invert_field.h"

namespace gigawarp::cpu {

/// On a lattice of unit spacing, where the millimetres of the general inversion are voxels.
void invert(const ops::InvertArgs& args) {
  const ops::Extent& e = args.displacement.extent();
  Grid lattice;
  lattice.size = {e.nx, e.ny, e.nz};
  const auto copy = [&](const float* from, std::int64_t from_y, std::int64_t from_z, float* to,
                        std::int64_t to_y, std::int64_t to_z) {
    for (std::int64_t z = 0; z < e.nz; ++z)
      for (std::int64_t y = 0; y < e.ny; ++y)
        std::copy_n(from + z * from_z + y * from_y, e.nx, to + z * to_z + y * to_y);
  };
  DisplacementField forward(lattice);
  for (int c = 0; c < 3; ++c)
    copy(args.displacement.component[c].data, e.stride_y, e.stride_z, forward.component_mm(c), e.nx,
         e.nx * e.ny);
  const DisplacementField inverse =
      gigawarp::invert(forward, lattice, args.iterations, args.tolerance_voxels, {});
  const ops::Extent& out = args.out.extent();
  for (int c = 0; c < 3; ++c)
    copy(inverse.component_mm(c), e.nx, e.nx * e.ny, args.out.component[c].data, out.stride_y,
         out.stride_z);
}

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
