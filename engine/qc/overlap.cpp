#include "qc/overlap.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "qc/distance.h"

namespace gigawarp::qc {
namespace {

struct Box {
  Size3 low{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::max(),
            std::numeric_limits<std::int64_t>::max()};
  Size3 high{-1, -1, -1};  ///< inclusive
  void add(std::int64_t x0, std::int64_t x1, std::int64_t y, std::int64_t z) {
    low = {std::min(low[0], x0), std::min(low[1], y), std::min(low[2], z)};
    high = {std::max(high[0], x1), std::max(high[1], y), std::max(high[2], z)};
  }
};

struct Count {
  std::int64_t fixed = 0, warped = 0, common = 0;
  Box box;  ///< of both
};

/// Calls run(value, x0, x1, y, z) for each run of equal values; x1 is inclusive.
template <class T, class Run>
void for_each_run(const Volume& volume, std::int64_t z, const Run& run) {
  const Size3& n = volume.grid().size;
  for (std::int64_t y = 0; y < n[1]; ++y) {
    const T* row = volume.channel<T>() + (z * n[1] + y) * n[0];
    for (std::int64_t x = 0; x < n[0];) {
      std::int64_t end = x + 1;
      while (end < n[0] && row[end] == row[x]) ++end;
      run(static_cast<std::int64_t>(row[x]), x, end - 1, y);
      x = end;
    }
  }
}

std::set<std::int64_t> labels_of(const VolumeFeed& volume) {
  std::vector<std::set<std::int64_t>> planes(static_cast<std::size_t>(volume.grid().size[2]));
  const std::int64_t voxels = volume.grid().size[0] * volume.grid().size[1];
  dispatch(volume.type(), [&]<class T>() {
    for_each_plane(volume, {}, [&](std::int64_t z, const std::byte* plane) {
      const T* p = reinterpret_cast<const T*>(plane);
      auto& found = planes[static_cast<std::size_t>(z)];
      for (std::int64_t i = 0; i < voxels; ++i)
        if (p[i] != T(0) && (i == 0 || p[i] != p[i - 1]))
          found.insert(static_cast<std::int64_t>(p[i]));
    });
  });
  std::set<std::int64_t> all;
  for (const auto& plane : planes) all.insert(plane.begin(), plane.end());
  return all;
}

using Counts = std::map<std::int64_t, Count>;

/// Voxels and boxes of one volume; `member` says which count.
void count_labels(const Volume& volume, std::int64_t Count::*member, Counts& counts) {
  dispatch(volume.type(), [&]<class T>() {
    for (std::int64_t z = 0; z < volume.grid().size[2]; ++z)
      for_each_run<T>(volume, z,
                      [&](std::int64_t label, std::int64_t x0, std::int64_t x1, std::int64_t y) {
                        if (label == 0) return;
                        const auto found = counts.find(label);
                        if (found == counts.end()) return;
                        found->second.*member += x1 - x0 + 1;
                        found->second.box.add(x0, x1, y, z);
                      });
  });
}

template <class T>
std::vector<std::int64_t> row_values(const Volume& volume, std::int64_t y, std::int64_t z) {
  const Size3& n = volume.grid().size;
  const T* row = volume.channel<T>() + (z * n[1] + y) * n[0];
  return {row, row + n[0]};
}

std::vector<std::int64_t> row_of(const Volume& volume, std::int64_t y, std::int64_t z) {
  return dispatch(volume.type(), [&]<class T>() { return row_values<T>(volume, y, z); });
}

void count_common(const Volume& a, const Volume& b, Counts& counts) {
  const Size3& n = a.grid().size;
  for (std::int64_t z = 0; z < n[2]; ++z)
    for (std::int64_t y = 0; y < n[1]; ++y) {
      const auto ra = row_of(a, y, z), rb = row_of(b, y, z);
      for (std::size_t x = 0; x < ra.size();) {
        std::size_t end = x + 1;
        while (end < ra.size() && ra[end] == ra[x] && rb[end] == rb[x]) ++end;
        if (ra[x] != 0 && ra[x] == rb[x]) {
          const auto found = counts.find(ra[x]);
          if (found != counts.end()) found->second.common += static_cast<std::int64_t>(end - x);
        }
        x = end;
      }
    }
}

/// Surface voxels of one label inside a box.
std::vector<std::uint8_t> surface_of(const Volume& volume, std::int64_t label, const Box& box,
                                     const Size3& size) {
  const std::int64_t nx = size[0], ny = size[1], plane = nx * ny;
  std::vector<std::uint8_t> inside(static_cast<std::size_t>(plane * size[2]));
  dispatch(volume.type(), [&]<class T>() {
    const Size3& n = volume.grid().size;
    std::size_t to = 0;
    for (std::int64_t z = box.low[2]; z <= box.high[2]; ++z)
      for (std::int64_t y = box.low[1]; y <= box.high[1]; ++y) {
        const T* row = volume.channel<T>() + (z * n[1] + y) * n[0];
        for (std::int64_t x = box.low[0]; x <= box.high[0]; ++x)
          inside[to++] = static_cast<std::int64_t>(row[x]) == label;
      }
  });
  // The box holds the whole label, so beyond it nothing is inside.
  std::vector<std::uint8_t> surface(inside.size());
  const auto at = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
    return x >= 0 && y >= 0 && z >= 0 && x < nx && y < ny && z < size[2] &&
           inside[static_cast<std::size_t>((z * ny + y) * nx + x)] != 0;
  };
  for (std::int64_t z = 0; z < size[2]; ++z)
    for (std::int64_t y = 0; y < ny; ++y)
      for (std::int64_t x = 0; x < nx; ++x)
        if (at(x, y, z))
          surface[static_cast<std::size_t>((z * ny + y) * nx + x)] =
              !(at(x - 1, y, z) && at(x + 1, y, z) && at(x, y - 1, z) && at(x, y + 1, z) &&
                at(x, y, z - 1) && at(x, y, z + 1));
  return surface;
}

double directed_p95(const std::vector<std::uint8_t>& from, const std::vector<std::uint8_t>& to,
                    const Size3& size, const Vec3& spacing_mm) {
  const std::vector<float> squared = squared_distance_mm2(to, size, spacing_mm);
  std::vector<double> distances;
  for (std::size_t i = 0; i < from.size(); ++i)
    if (from[i]) distances.push_back(std::sqrt(squared[i]));
  return percentile(std::move(distances), 95);
}

double hd95(const Volume& fixed, const Volume& warped, std::int64_t label, const Box& box) {
  Size3 size{};
  for (int a = 0; a < 3; ++a) size[a] = box.high[a] - box.low[a] + 1;
  const auto f = surface_of(fixed, label, box, size), w = surface_of(warped, label, box, size);
  const Vec3 spacing = fixed.grid().spacing_mm();
  return std::max(directed_p95(f, w, size, spacing), directed_p95(w, f, size, spacing));
}

void summarise(OverlapSummary& out) {
  std::vector<double> dice;
  double dice_sum = 0, distance_sum = 0;
  int distances = 0;
  for (const LabelOverlap& l : out.labels) {
    dice.push_back(l.dice);
    dice_sum += l.dice;
    if (l.hd95_mm < 0) continue;
    distance_sum += l.hd95_mm;
    ++distances;
  }
  if (!dice.empty()) {
    out.dice_mean = dice_sum / static_cast<double>(dice.size());
    out.dice_p30 = percentile(dice, 30);
  }
  if (distances > 0) out.hd95_mean_mm = distance_sum / distances;
}

}  // namespace

double percentile(std::vector<double> values, double p) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double rank = p / 100 * static_cast<double>(values.size() - 1);
  const auto low = static_cast<std::ptrdiff_t>(rank);
  std::nth_element(values.begin(), values.begin() + low, values.end());
  const double below = values[static_cast<std::size_t>(low)];
  if (low + 1 >= static_cast<std::ptrdiff_t>(values.size())) return below;
  const double above = *std::min_element(values.begin() + low + 1, values.end());
  return below + (rank - static_cast<double>(low)) * (above - below);
}

std::vector<std::int64_t> common_labels(const VolumeFeed& a, const VolumeFeed& b) {
  const std::set<std::int64_t> in_a = labels_of(a), in_b = labels_of(b);
  std::vector<std::int64_t> out;
  std::set_intersection(in_a.begin(), in_a.end(), in_b.begin(), in_b.end(),
                        std::back_inserter(out));
  return out;
}

std::vector<std::int64_t> common_labels(const Volume& a, const Volume& b) {
  return common_labels(WholeVolume(&a), WholeVolume(&b));
}

struct OverlapCounter::State {
  Counts counts;
};

OverlapCounter::OverlapCounter(std::span<const std::int64_t> labels)
    : state_(std::make_unique<State>()) {
  for (const std::int64_t label : labels) state_->counts[label];
}

OverlapCounter::~OverlapCounter() = default;

void OverlapCounter::add(const Volume& fixed, const Volume& warped) {
  count_labels(fixed, &Count::fixed, state_->counts);
  count_labels(warped, &Count::warped, state_->counts);
  count_common(fixed, warped, state_->counts);
}

OverlapSummary OverlapCounter::summary() const {
  OverlapSummary out;
  for (const auto& [label, c] : state_->counts) {
    LabelOverlap one;
    one.label = label;
    one.fixed_voxels = c.fixed;
    one.warped_voxels = c.warped;
    one.common_voxels = c.common;
    if (c.fixed + c.warped > 0)
      one.dice = 2.0 * static_cast<double>(c.common) / static_cast<double>(c.fixed + c.warped);
    out.labels.push_back(one);
  }
  summarise(out);
  return out;
}

OverlapSummary label_overlap(const Volume& fixed, const Volume& warped,
                             std::span<const std::int64_t> labels, bool with_hd95,
                             const std::stop_token& stop) {
  if (!fixed.grid().same_lattice(warped.grid()))
    throw Error(ErrorCode::bad_input,
                "Two label volumes that are to be compared are not on the same grid.", "labels");
  Counts counts;
  for (const std::int64_t label : labels) counts[label];
  count_labels(fixed, &Count::fixed, counts);
  count_labels(warped, &Count::warped, counts);
  count_common(fixed, warped, counts);
  OverlapSummary out;
  for (const auto& [label, c] : counts) {
    LabelOverlap one;
    one.label = label;
    one.fixed_voxels = c.fixed;
    one.warped_voxels = c.warped;
    one.common_voxels = c.common;
    if (c.fixed + c.warped > 0)
      one.dice = 2.0 * static_cast<double>(c.common) / static_cast<double>(c.fixed + c.warped);
    out.labels.push_back(one);
  }
  if (with_hd95)
    parallel_for(static_cast<std::int64_t>(out.labels.size()), [&](std::int64_t i) {
      LabelOverlap& one = out.labels[static_cast<std::size_t>(i)];
      if (one.fixed_voxels > 0 && one.warped_voxels > 0 && !stop.stop_requested())
        one.hd95_mm = hd95(fixed, warped, one.label, counts.at(one.label).box);
    });
  summarise(out);
  return out;
}

}  // namespace gigawarp::qc
