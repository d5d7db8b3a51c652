#include "shard/partition.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::shard {
namespace {

template <class Count>
std::vector<Count> borders_of(Count all, const std::vector<double>& shares, Count multiple) {
  std::vector<Count> borders{0};
  double before = 0;
  for (const double share : shares) {
    before += share;
    const double units =
        std::round(static_cast<double>(all) * before / static_cast<double>(multiple));
    borders.push_back(std::clamp(static_cast<Count>(units) * multiple, borders.back(), all));
  }
  borders.back() = all;
  return borders;
}

}  // namespace

std::vector<std::int64_t> slab_borders(std::int64_t planes, const std::vector<double>& shares,
                                       std::int64_t multiple) {
  return borders_of(planes, shares, multiple);
}

ops::ZRange slab_of(const std::vector<std::int64_t>& borders, std::size_t i, ops::ZRange range) {
  const std::int64_t begin = std::clamp(borders[i], range.begin, range.end);
  return {begin, std::clamp(borders[i + 1], begin, range.end)};
}

ops::CutRange cut_slab(ops::ZRange slab, ops::ZRange whole, std::int64_t halo, PieceSize size) {
  constexpr std::int64_t kThickest = 64;  // what a block of a GPU's march takes (LnccChunks too)
  const std::int64_t least = std::max(size.least, size.multiple);
  for (std::int64_t n = kThickest; halo > 0 && n >= least; n /= 2) {
    if (n % size.multiple != 0) continue;
    const std::int64_t below = slab.begin > whole.begin ? (slab.begin + halo + n - 1) / n * n
                                                        : slab.begin,
                       above = slab.end < whole.end ? (slab.end - halo) / n * n : slab.end;
    if (below > above || 2 * (above - below) < slab.end - slab.begin) continue;
    ops::CutRange cut{{}, {below, above}, {}};
    if (slab.begin < below) cut.border.push_back({slab.begin, below});
    if (above < slab.end) cut.border.push_back({above, slab.end});
    return cut;
  }
  return {{slab}, {}, {}};
}

std::vector<std::size_t> byte_borders(std::size_t bytes, const std::vector<double>& shares,
                                      std::size_t granularity) {
  return borders_of(bytes, shares, granularity);
}

}  // namespace gigawarp::shard
