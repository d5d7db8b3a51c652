#pragma once
#include <algorithm>
#include <cstdint>
#include <functional>

#include "base/parallel.h"
#include "ops/view.h"

namespace gigawarp::cpu {

/// A brick of full rows: y in [y0, y1), z in [z0, z1).
struct Tile {
  std::int64_t y0, y1, z0, z1;
};

/// Cuts `range` into bricks and runs them on the pool. The cut depends on global positions alone,
/// never on the number of threads.
inline void for_each_tile(const ops::Extent& e, ops::ZRange range, std::int64_t rows,
                          std::int64_t planes, const std::function<void(const Tile&)>& body) {
  const std::int64_t first = range.begin / planes, last = (range.end + planes - 1) / planes;
  const std::int64_t strips = (e.ny + rows - 1) / rows;
  parallel_for(std::max<std::int64_t>(0, last - first) * strips, [&](std::int64_t i) {
    const std::int64_t chunk = first + i / strips, strip = i % strips;
    body({strip * rows, std::min(e.ny, (strip + 1) * rows), std::max(range.begin, chunk * planes),
          std::min(range.end, (chunk + 1) * planes)});
  });
}

}  // namespace gigawarp::cpu
