#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/rank_parts.h"
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

/// How thick the pieces of a slab are: they begin and end at multiples of a power of two, at least
/// `least`, that is one of `multiple`.
struct PieceSize {
  std::int64_t multiple = 1, least = 1;
};
/// A device's slab of `whole`, cut so that the border holds the `halo` planes on either side that
/// its neighbours want. At least half of it is left for the rest, or there would be nothing to hide
/// messages behind: in one piece where it is too thin for that, or nobody wants any of it. Pieces
/// are as thick as can be, up to what divides marches along z anyway, so that nothing is computed
/// twice. `border_is_asked_for` is the caller's.
ops::CutRange cut_slab(ops::ZRange slab, ops::ZRange whole, std::int64_t halo, PieceSize size);

/// The same as slab_borders() for `bytes` of memory, the last border at `bytes`.
std::vector<std::size_t> byte_borders(std::size_t bytes, const std::vector<double>& shares,
                                      std::size_t granularity);

}  // namespace gigawarp::shard
