#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "base/parallel.h"
#include "base/value_counts.h"
#include "gigawarp/volume_feed.h"

namespace gigawarp {
namespace {

/// Sums of one plane; planes are added in their order, so that neither threads nor slabs matter.
struct Partial {
  double sum = 0, squares = 0, minimum = std::numeric_limits<double>::infinity(),
         maximum = -std::numeric_limits<double>::infinity();
  std::int64_t finite = 0, not_zero = 0;
};

/// Values that can be counted one by one.
template <class T>
constexpr bool kCountable = std::is_integral_v<T> && sizeof(T) <= 2;

/// The sums of a plane of small whole numbers as whole numbers; nothing where a double would have
/// rounded on the way, so that the result is that of sums_of() to the last bit.
template <class T>
std::optional<Partial> whole_sums_of(const T* p, std::int64_t voxels) {
  constexpr std::int64_t kPiece = 4096;  // squares of so many fit 64 bits, sums 32
  std::int64_t sum = 0, not_zero = 0;
  std::uint64_t squares = 0;
  int minimum = std::numeric_limits<int>::max(), maximum = std::numeric_limits<int>::min();
  for (std::int64_t begin = 0; begin < voxels; begin += kPiece) {
    const std::int64_t end = std::min(voxels, begin + kPiece);
    int piece = 0, some = 0;
    std::uint64_t of_squares = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const int v = p[i];
      piece += v;
      of_squares += static_cast<std::uint32_t>(v) * static_cast<std::uint32_t>(v);
      minimum = std::min(minimum, v);
      maximum = std::max(maximum, v);
      some += v != 0 ? 1 : 0;
    }
    sum += piece;
    squares += of_squares;
    not_zero += some;
  }
  constexpr std::uint64_t kExact = std::uint64_t{1} << 53U;
  if (squares > kExact || voxels == 0) return std::nullopt;
  return Partial{static_cast<double>(sum),
                 static_cast<double>(squares),
                 static_cast<double>(minimum),
                 static_cast<double>(maximum),
                 voxels,
                 not_zero};
}

template <class T>
Partial sums_of(const T* p, std::int64_t voxels) {
  if constexpr (kCountable<T>)
    if (const auto whole = whole_sums_of(p, voxels)) return *whole;
  Partial part;
  for (std::int64_t i = 0; i < voxels; ++i) {
    const auto v = static_cast<double>(p[i]);
    if (!std::isfinite(v)) continue;
    part.sum += v;
    part.squares += v * v;
    part.minimum = v < part.minimum ? v : part.minimum;
    part.maximum = v > part.maximum ? v : part.maximum;
    part.not_zero += v != 0;
    ++part.finite;
  }
  return part;
}

IntensityStatistics summary_of(const std::vector<Partial>& partials, std::int64_t voxels) {
  IntensityStatistics out;
  double sum = 0, squares = 0;
  std::int64_t finite = 0;
  out.minimum = std::numeric_limits<double>::infinity();
  out.maximum = -out.minimum;
  for (const Partial& p : partials) {
    sum += p.sum;
    squares += p.squares;
    finite += p.finite;
    out.not_zero += p.not_zero;
    out.minimum = std::min(out.minimum, p.minimum);
    out.maximum = std::max(out.maximum, p.maximum);
  }
  out.not_finite = voxels - finite;
  if (finite == 0) {
    out.minimum = out.maximum = 0;
    return out;
  }
  out.mean = sum / static_cast<double>(finite);
  out.standard_deviation =
      std::sqrt(std::max(0.0, squares / static_cast<double>(finite) - out.mean * out.mean));
  return out;
}

}  // namespace

IntensityStatistics intensity_statistics(const Volume& volume, int c) {
  const Size3 n = volume.grid().size;
  const std::int64_t plane = n[0] * n[1];
  std::vector<Partial> partials(static_cast<std::size_t>(n[2]));
  dispatch(volume.type(), [&]<class T>() {
    parallel_for(n[2], [&](std::int64_t z) {
      partials[static_cast<std::size_t>(z)] = sums_of(volume.channel<T>(c) + z * plane, plane);
    });
  });
  return summary_of(partials, volume.grid().voxel_count());
}

namespace {
/// Counts of all values of T, in tables of which each belongs to one thread at a time.
template <class T>
class CountTables {
 public:
  void add(const T* p, std::int64_t voxels) {
    std::unique_ptr<Table> table = take();
    std::int64_t* number = table->data() + kZero;
    for (std::int64_t i = 0; i < voxels; ++i) ++number[p[i]];
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(table));
  }
  std::vector<std::int64_t> total() const {
    std::vector<std::int64_t> sum(kEntries, 0);
    for (const auto& table : free_)
      for (std::size_t i = 0; i < kEntries; ++i) sum[i] += (*table)[i];
    return sum;
  }
  static constexpr std::int64_t kZero = -static_cast<std::int64_t>(std::numeric_limits<T>::min());

 private:
  static constexpr std::size_t kEntries = std::size_t{1} << 8 * sizeof(T);
  using Table = std::vector<std::int64_t>;
  std::unique_ptr<Table> take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return std::make_unique<Table>(kEntries, 0);
    std::unique_ptr<Table> table = std::move(free_.back());
    free_.pop_back();
    return table;
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Table>> free_;
};

/// body(plane, voxels) beside the sums of each plane.
template <class T, class Body>
IntensityStatistics statistics_with(const VolumeFeed& feed, const Body& body) {
  const Size3 n = feed.grid().size;
  std::vector<Partial> partials(static_cast<std::size_t>(n[2]));
  PlaneWalk walk;
  walk.shared = true;
  for_each_plane(feed, walk, [&](std::int64_t z, const std::byte* plane) {
    const T* voxels = reinterpret_cast<const T*>(plane);
    partials[static_cast<std::size_t>(z)] = sums_of(voxels, n[0] * n[1]);
    body(voxels, n[0] * n[1]);
  });
  gather_planes(feed, partials);
  return summary_of(partials, feed.grid().voxel_count());
}
}  // namespace

IntensityStatistics intensity_statistics(const VolumeFeed& feed) {
  if (const IntensityStatistics* known = feed.known_statistics()) return *known;
  return dispatch(feed.type(), [&]<class T>() {
    return statistics_with<T>(feed, [](const T* /*voxels*/, std::int64_t /*n*/) {});
  });
}

CountedStatistics counted_statistics(const VolumeFeed& feed) {
  CountedStatistics out;
  dispatch(feed.type(), [&]<class T>() {
    if constexpr (kCountable<T>) {
      CountTables<T> tables;
      out.statistics =
          statistics_with<T>(feed, [&](const T* voxels, std::int64_t n) { tables.add(voxels, n); });
      out.counts = ValueCounts{-CountTables<T>::kZero, tables.total()};
      add_counts(feed, out.counts->number);
    } else {
      out.statistics = intensity_statistics(feed);
    }
  });
  return out;
}

const ValueCounts* known_counts(const VolumeFeed& feed) {
  const auto* counted = dynamic_cast<const CountedFeed*>(&feed);
  return counted != nullptr ? counted->known_counts() : nullptr;
}

}  // namespace gigawarp
