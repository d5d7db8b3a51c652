#include <algorithm>
#include <cmath>

#include "job/source_feed.h"

namespace gigawarp::job {
namespace {

/// How far the centres of a level may be off, in its voxels.
constexpr double kOffCentre = 0.02;
/// Voxels of a level that are compared at once, per axis, and places along the diagonal.
constexpr std::int64_t kCompared = 4;
constexpr int kPlaces = 9;

/// Whole voxels of `fine` per voxel of `coarse`; nothing when a block is no whole number of them or
/// lies elsewhere.
std::optional<std::array<int, 3>> factor_between(const Grid& fine, const Grid& coarse) {
  const Vec3 f = fine.spacing_mm(), c = coarse.spacing_mm();
  std::array<int, 3> factor{};
  Affine fine_from_level;
  Grid expected;
  bool coarser = false;
  for (std::size_t a = 0; a < 3; ++a) {
    const double ratio = c[a] / f[a];
    factor[a] = static_cast<int>(std::lround(ratio));
    if (factor[a] < 1 || std::abs(ratio - factor[a]) > 1e-3 * ratio) return std::nullopt;
    coarser = coarser || factor[a] > 1;
    expected.size[a] = (fine.size[a] + factor[a] - 1) / factor[a];
    fine_from_level.linear[a][a] = factor[a];
    fine_from_level.offset[a] = 0.5 * (factor[a] - 1);
  }
  expected.world_from_voxel = fine.world_from_voxel * fine_from_level;
  if (!coarser || !coarse.same_lattice(expected, kOffCentre)) return std::nullopt;
  return factor;
}

/// The largest difference of `coarse` from the means of `fine`, and the spread of the means.
struct Comparison {
  double difference = 0, low = 0, high = 0;
};

Comparison compare(const Volume& fine, const Volume& coarse, const std::array<int, 3>& factor) {
  const Size3& n = coarse.grid().size;
  const double share = 1.0 / (factor[0] * factor[1] * factor[2]);
  Comparison out;
  for (std::int64_t i = 0; i < coarse.grid().voxel_count(); ++i) {
    const Size3 at{i % n[0], i / n[0] % n[1], i / n[0] / n[1]};
    double mean = 0;
    for (int z = 0; z < factor[2]; ++z)
      for (int y = 0; y < factor[1]; ++y)
        for (int x = 0; x < factor[0]; ++x)
          mean += share *
                  fine.value(at[0] * factor[0] + x, at[1] * factor[1] + y, at[2] * factor[2] + z);
    out.difference = std::max(out.difference, std::abs(mean - coarse.value(at[0], at[1], at[2])));
    out.low = i == 0 ? mean : std::min(out.low, mean);
    out.high = i == 0 ? mean : std::max(out.high, mean);
  }
  return out;
}

/// Whether voxels of the level are means, as far as a few places tell, at one of which at least
/// they differ from one another.
bool holds_means(const VolumeFeed& fine, const VolumeFeed& coarse,
                 const std::array<int, 3>& factor) {
  const bool whole_numbers = fine.type() != ScalarType::f32 && fine.type() != ScalarType::f64;
  const int largest = std::max({factor[0], factor[1], factor[2]});
  // Each halving may round.
  const double rounding = whole_numbers ? 0.5 * std::ceil(std::log2(largest)) + 0.01 : 0;
  bool told = false;
  for (int place = 0; place < kPlaces; ++place) {
    Box of_coarse, of_fine;
    for (std::size_t a = 0; a < 3; ++a) {
      const std::int64_t blocks = fine.grid().size[a] / factor[a];  // whole ones
      of_coarse.size[a] = std::min(kCompared, blocks);
      of_coarse.begin[a] = (blocks - of_coarse.size[a]) * (place + 1) / (kPlaces + 1);
      of_fine.begin[a] = of_coarse.begin[a] * factor[a];
      of_fine.size[a] = of_coarse.size[a] * factor[a];
      if (of_coarse.size[a] == 0) return false;
    }
    Volume c(Grid{of_coarse.size, {}}, coarse.type()), f(Grid{of_fine.size, {}}, fine.type());
    coarse.read(of_coarse, c.data());
    fine.read(of_fine, f.data());
    const Comparison comparison = compare(f, c, factor);
    const double tolerance =
        rounding + 1e-5 * std::max(std::abs(comparison.low), std::abs(comparison.high));
    if (!(comparison.difference <= tolerance)) return false;
    told = told || comparison.high - comparison.low > 4 * tolerance;
  }
  return told;
}

}  // namespace

std::vector<CoarserFeed> proper_levels(const SourceFeed& feed, const std::filesystem::path& path) {
  std::vector<CoarserFeed> out;
  const auto levels = static_cast<int>(feed.source().info().levels.size());
  for (int level = 0; level < levels; ++level) {
    SourceFeed::Choice choice = feed.choice();
    choice.level = level;
    auto coarse = std::make_shared<SourceFeed>(feed.shared_source(), path, choice);
    const auto factor = factor_between(feed.grid(), coarse->grid());
    if (factor && holds_means(feed, *coarse, *factor)) out.push_back({*factor, std::move(coarse)});
  }
  return out;
}

}  // namespace gigawarp::job
