#include "qc/worst.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/parallel.h"

namespace gigawarp::qc {
namespace {

struct Candidate {
  double badness = 0;
  WorstPlace place;
};

template <class... Numbers>
std::string text(const char* format, Numbers... numbers) {
  std::array<char, 96> line{};
  std::snprintf(line.data(), line.size(), format, numbers...);
  return line.data();
}

std::vector<WorstPlace> worst_of(std::vector<Candidate> candidates, std::size_t count) {
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.badness != b.badness ? a.badness > b.badness
                                  : a.place.position_mm < b.place.position_mm;
  });
  std::vector<WorstPlace> out;
  for (std::size_t i = 0; i < std::min(count, candidates.size()); ++i)
    out.push_back(candidates[i].place);
  return out;
}

/// The cubes a grid is divided into.
class Cubes {
 public:
  explicit Cubes(const Grid& grid) : size_(grid.size) {
    const std::int64_t longest = std::max({size_[0], size_[1], size_[2]});
    side_ = std::max<std::int64_t>(2, longest / 20);
    for (int a = 0; a < 3; ++a) count_[a] = (size_[a] + side_ - 1) / side_;
  }
  std::int64_t count() const { return count_[0] * count_[1] * count_[2]; }
  /// Calls visit(x, y, z) for every voxel of a cube.
  template <class Visit>
  void each(std::int64_t cube, const Visit& visit) const {
    const Size3 at{cube % count_[0], cube / count_[0] % count_[1], cube / count_[0] / count_[1]};
    const auto end = [&](int a) { return std::min(size_[a], (at[a] + 1) * side_); };
    for (std::int64_t z = at[2] * side_; z < end(2); ++z)
      for (std::int64_t y = at[1] * side_; y < end(1); ++y)
        for (std::int64_t x = at[0] * side_; x < end(0); ++x) visit(x, y, z);
  }

 private:
  Size3 size_, count_{};
  std::int64_t side_ = 2;
};

Vec3 world(const Grid& grid, const Size3& voxel) {
  return grid.world_from_voxel({static_cast<double>(voxel[0]), static_cast<double>(voxel[1]),
                                static_cast<double>(voxel[2])});
}

/// Cubes whose foreground agrees least.
std::vector<Candidate> disagreement(const Volume& fixed, const Volume& local_ncc) {
  std::vector<Candidate> out;
  if (local_ncc.empty()) return out;
  const double threshold = intensity_statistics(fixed).mean;
  const Cubes cubes(fixed.grid());
  std::vector<Candidate> all(static_cast<std::size_t>(cubes.count()));
  parallel_for(cubes.count(), [&](std::int64_t cube) {
    double sum = 0, lowest = 2;
    std::int64_t inside = 0, counted = 0;
    Size3 where{};
    cubes.each(cube, [&](std::int64_t x, std::int64_t y, std::int64_t z) {
      ++inside;
      const double ncc = local_ncc.value(x, y, z);
      if (!(fixed.value(x, y, z) > threshold) || !std::isfinite(ncc)) return;
      sum += ncc;
      ++counted;
      if (ncc < lowest) {
        lowest = ncc;
        where = {x, y, z};
      }
    });
    if (2 * counted < inside) return;  // mostly background: says nothing
    const double mean = sum / static_cast<double>(counted);
    all[static_cast<std::size_t>(cube)] = {
        1 - mean, {world(fixed.grid(), where), text("local correlation %.2f", mean)}};
  });
  for (Candidate& c : all)
    if (c.badness > 0) out.push_back(std::move(c));
  return out;
}

struct Extremes {
  std::vector<Candidate> folds, changes;
};

/// The smallest and the largest det J of every cube.
Extremes extremes(const Volume& jacobian) {
  const Cubes cubes(jacobian.grid());
  std::vector<std::array<Candidate, 2>> all(static_cast<std::size_t>(cubes.count()));
  const Size3& n = jacobian.grid().size;
  parallel_for(cubes.count(), [&](std::int64_t cube) {
    double low = 1, high = 1;
    Size3 at_low{}, at_high{};
    cubes.each(cube, [&](std::int64_t x, std::int64_t y, std::int64_t z) {
      // One-sided differences at the faces say little.
      if (x < 2 || y < 2 || z < 2 || x >= n[0] - 2 || y >= n[1] - 2 || z >= n[2] - 2) return;
      const double j = jacobian.value(x, y, z);
      if (j < low) {
        low = j;
        at_low = {x, y, z};
      }
      if (j > high) {
        high = j;
        at_high = {x, y, z};
      }
    });
    auto& [small, large] = all[static_cast<std::size_t>(cube)];
    if (low < 1)
      small = {low > 0 ? -std::log2(low) : 100 - low,
               {world(jacobian.grid(), at_low),
                low > 0 ? text("compressed, det J %.2f", low) : text("fold, det J %.2f", low)}};
    if (high > 1)
      large = {std::log2(high), {world(jacobian.grid(), at_high), text("grown, det J %.2f", high)}};
  });
  Extremes out;
  for (auto& pair : all)
    for (Candidate& c : pair) {
      if (c.badness >= 100)
        out.folds.push_back(std::move(c));
      else if (c.badness > 0)
        out.changes.push_back(std::move(c));
    }
  return out;
}

std::vector<Candidate> residuals(const QcReport& report, const std::vector<NamedPoint>& fixed) {
  std::vector<Candidate> out;
  if (!report.landmarks) return out;
  for (const LandmarkError& error : report.landmarks->landmarks)
    for (const NamedPoint& point : fixed)
      if (point.name == error.name)
        out.push_back(
            {std::isnan(error.after_mm) ? std::numeric_limits<double>::infinity() : error.after_mm,
             {point.position_mm,
              "landmark " + error.name + text(", %.2f mm off", error.after_mm)}});
  return out;
}

}  // namespace

std::vector<WorstPlace> worst_places(const Volume& fixed, const Assessment& assessment,
                                     const Volume& jacobian,
                                     const std::vector<NamedPoint>& fixed_landmarks,
                                     std::size_t count) {
  Extremes jacobians = extremes(jacobian);
  const std::array<std::vector<WorstPlace>, 4> kinds{
      worst_of(std::move(jacobians.folds), count),
      worst_of(residuals(assessment.report, fixed_landmarks), count),
      worst_of(disagreement(fixed, assessment.local_ncc), count),
      worst_of(std::move(jacobians.changes), count)};
  std::vector<WorstPlace> out = kinds[0];
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t kind = 1; kind < kinds.size(); ++kind)
      if (i < kinds[kind].size()) out.push_back(kinds[kind][i]);
  return out;
}

}  // namespace gigawarp::qc
