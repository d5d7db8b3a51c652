#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "job/source_feed.h"

namespace gigawarp::job {
namespace {

/// What the voxels of a coarse level are.
enum class LevelKind {
  means,      ///< of the blocks of finest voxels that they stand for
  other,      ///< samples, or something else
  undecided,  ///< means or samples: the image differs too little from one voxel to the next
};

/// How far the centres of a level may be off, in its voxels.
constexpr double kOffCentre = 0.02;
/// Voxels of a level that are compared at once, per axis, and places along each of the four
/// diagonals of the volume.
constexpr std::int64_t kCompared = 4;
constexpr int kPlaces = 9, kDiagonals = 4;

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

/// How well voxels of a level agree with the means of the voxels they stand for, and with what else
/// they might be.
class Evidence {
 public:
  Evidence(const std::array<int, 3>& factor, double rounding)
      : factor_(factor), rounding_(rounding), from_samples_(block()) {}

  /// False when a voxel is no mean.
  bool add(const Volume& fine, const Volume& coarse) {
    const Size3& n = coarse.grid().size;
    double low = 0, high = 0, difference = 0;
    for (std::int64_t i = 0; i < coarse.grid().voxel_count(); ++i) {
      const double mean = add_voxel(fine, {i % n[0], i / n[0] % n[1], i / n[0] / n[1]},
                                    coarse.value(i % n[0], i / n[0] % n[1], i / n[0] / n[1]));
      difference = std::max(difference, last_difference_);
      low = i == 0 ? mean : std::min(low, mean);
      high = i == 0 ? mean : std::max(high, mean);
    }
    const double tolerance = rounding_ + 1e-5 * std::max(std::abs(low), std::abs(high));
    differs_ = differs_ || high - low > 4 * tolerance;
    largest_ = std::max({largest_, std::abs(low), std::abs(high)});
    return difference <= tolerance;  // false for NaN
  }

  /// Whether means explain what was seen clearly better than samples do.
  LevelKind verdict() const {
    if (!differs_) return LevelKind::undecided;
    double rival = *std::min_element(from_samples_.begin(), from_samples_.end());
    if (*std::max_element(factor_.begin(), factor_.end()) > 2)
      rival = std::min(rival, from_centre_);
    if (rival < from_means_) return LevelKind::other;
    // The square of half a grey level, or of what rounding leaves of a float.
    const double least = rounding_ > 0 ? 0.25 : 1e-10 * largest_ * largest_;
    const bool clearly = rival > 4 * from_means_ + least * static_cast<double>(voxels_);
    return clearly ? LevelKind::means : LevelKind::undecided;
  }

 private:
  std::size_t block() const {
    std::size_t voxels = 1;
    for (const int f : factor_) voxels *= static_cast<std::size_t>(f);
    return voxels;
  }

  /// The mean; adds the squares of what the voxel differs by from each thing it might be.
  double add_voxel(const Volume& fine, const Size3& at, double value) {
    double sum = 0, centre = 0;
    int in_centre = 0;
    std::size_t k = 0;
    const auto is_central = [&](int i, std::size_t a) {  // one or two voxels along an axis
      return 2 * i + 2 >= factor_[a] && 2 * i <= factor_[a];
    };
    for (int z = 0; z < factor_[2]; ++z)
      for (int y = 0; y < factor_[1]; ++y)
        for (int x = 0; x < factor_[0]; ++x) {
          const double v =
              fine.value(at[0] * factor_[0] + x, at[1] * factor_[1] + y, at[2] * factor_[2] + z);
          sum += v;
          from_samples_[k++] += (v - value) * (v - value);
          if (!is_central(x, 0) || !is_central(y, 1) || !is_central(z, 2)) continue;
          centre += v;
          ++in_centre;
        }
    const double mean = sum / static_cast<double>(block());
    last_difference_ = std::abs(mean - value);
    if (std::isnan(last_difference_)) last_difference_ = std::numeric_limits<double>::infinity();
    from_means_ += last_difference_ * last_difference_;
    const double off_centre = centre / in_centre - value;
    from_centre_ += off_centre * off_centre;
    ++voxels_;
    return mean;
  }

  std::array<int, 3> factor_;
  double rounding_;
  std::vector<double> from_samples_;  ///< by place in the block: squares, summed
  double from_means_ = 0, from_centre_ = 0, last_difference_ = 0, largest_ = 0;
  std::int64_t voxels_ = 0;
  bool differs_ = false;
};

/// Where place `i` of a diagonal begins along an axis of `room` voxels more than are compared.
std::int64_t begin_of(std::int64_t room, int i, bool backwards) {
  const std::int64_t begin = room * (i + 1) / (kPlaces + 1);
  return backwards ? room - begin : begin;
}

/// What voxels of the level are, as far as a few places tell.
LevelKind kind_of(const VolumeFeed& fine, const VolumeFeed& coarse,
                  const std::array<int, 3>& factor) {
  const bool whole_numbers = fine.type() != ScalarType::f32 && fine.type() != ScalarType::f64;
  const int largest = std::max({factor[0], factor[1], factor[2]});
  // Each halving may round.
  Evidence evidence(factor, whole_numbers ? 0.5 * std::ceil(std::log2(largest)) + 0.01 : 0);
  for (int place = 0; place < kDiagonals * kPlaces; ++place) {
    const auto diagonal = static_cast<unsigned>(place / kPlaces);
    Box of_coarse, of_fine;
    for (std::size_t a = 0; a < 3; ++a) {
      const std::int64_t blocks = fine.grid().size[a] / factor[a];  // whole ones
      of_coarse.size[a] = std::min(kCompared, blocks);
      const bool backwards = a > 0 && (diagonal >> (a - 1) & 1U) != 0;
      of_coarse.begin[a] = begin_of(blocks - of_coarse.size[a], place % kPlaces, backwards);
      of_fine.begin[a] = of_coarse.begin[a] * factor[a];
      of_fine.size[a] = of_coarse.size[a] * factor[a];
      if (of_coarse.size[a] == 0) return LevelKind::other;
    }
    Volume c(Grid{of_coarse.size, {}}, coarse.type()), f(Grid{of_fine.size, {}}, fine.type());
    coarse.read(of_coarse, c.data());
    fine.read(of_fine, f.data());
    if (!evidence.add(f, c)) return LevelKind::other;
  }
  return evidence.verdict();
}

}  // namespace

std::vector<CoarserFeed> proper_levels(const SourceFeed& feed, const std::filesystem::path& path,
                                       std::vector<std::string>& notes) {
  std::vector<CoarserFeed> out;
  bool undecided = false;
  const auto levels = static_cast<int>(feed.source().info().levels.size());
  for (int level = 0; level < levels; ++level) {
    SourceFeed::Choice choice = feed.choice();
    choice.level = level;
    auto coarse = std::make_shared<SourceFeed>(feed.shared_source(), path, choice);
    coarse->stop_with(feed.stop());
    const auto factor = factor_between(feed.grid(), coarse->grid());
    if (!factor) continue;
    const LevelKind kind = kind_of(feed, *coarse, *factor);
    undecided = undecided || kind == LevelKind::undecided;
    if (kind == LevelKind::means) out.push_back({*factor, std::move(coarse)});
  }
  if (undecided)
    notes.push_back(path.string() +
                    ": Its image is too smooth to tell whether its coarse levels are means or "
                    "samples of the finest, so that coarse levels are made of the finest.");
  return out;
}

}  // namespace gigawarp::job
