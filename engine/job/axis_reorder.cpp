#include "job/axis_reorder.h"

#include <cstring>

#include "base/parallel.h"

namespace gigawarp::job {

void reorder_in_place(Volume& volume, const AxisOrder& order) {
  if (order.is_identity()) return;
  const Grid target = reordered(volume.grid(), order);
  const Size3 n = target.size;
  const Size3 source{1, volume.grid().size[0], volume.grid().size[0] * volume.grid().size[1]};
  Size3 stride{};
  std::int64_t start = 0;
  for (int a = 0; a < 3; ++a) {
    stride[a] = source[order.axis[a]];
    if (!order.flipped[a]) continue;
    start += stride[a] * (n[a] - 1);
    stride[a] = -stride[a];
  }
  dispatch(volume.type(), [&]<class T>() {
    Buffer scratch(static_cast<std::size_t>(target.voxel_count()) * sizeof(T));
    for (int c = 0; c < volume.channels(); ++c) {
      T* to = volume.channel<T>(c);
      std::memcpy(scratch.data(), to, scratch.bytes());
      const T* from = reinterpret_cast<const T*>(scratch.data()) + start;
      parallel_for(n[2], [&](std::int64_t z) {
        for (std::int64_t y = 0; y < n[1]; ++y) {
          const T* row = from + y * stride[1] + z * stride[2];
          T* out = to + (z * n[1] + y) * n[0];
          for (std::int64_t x = 0; x < n[0]; ++x) out[x] = row[x * stride[0]];
        }
      });
    }
  });
  volume.set_grid(target);
}

}  // namespace gigawarp::job
