#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/view.h"

/// How a volume is cut in slabs along its slowest axis, one per device.
namespace gigawarp::shard {

/// Where slabs begin and end: device i owns planes [borders[i], borders[i + 1]). Borders are
/// multiples of `multiple`, nearest to the shares, which add up to one; thin volumes leave some
/// slabs empty.
std::vector<std::int64_t> slab_borders(std::int64_t planes, const std::vector<double>& shares,
                                       std::int64_t multiple);
/// Device i's part of `range`; begin == end where it has none.
ops::ZRange slab_of(const std::vector<std::int64_t>& borders, std::size_t i, ops::ZRange range);

/// The same for `bytes` of memory, the last border at `bytes`.
std::vector<std::size_t> byte_borders(std::size_t bytes, const std::vector<double>& shares,
                                      std::size_t granularity);

}  // namespace gigawarp::shard
