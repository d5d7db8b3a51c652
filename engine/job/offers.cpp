#include "job/offers.h"

#include <algorithm>
#include <utility>

#include "solve/forecast.h"

namespace gigawarp::job {
namespace {

constexpr int kSmallRadius = 2;

std::string text_of(const std::vector<LevelSpec>& levels) {
  std::string text;
  for (const LevelSpec& level : levels)
    text += (text.empty() ? "" : ",") + std::to_string(level.shrink) + "x" +
            std::to_string(level.iterations);
  return text;
}

Offer with_levels(const JobSpec& job, const std::vector<LevelSpec>& levels) {
  Offer offer{" --levels " + text_of(levels), job};
  offer.job.stages.back().levels = levels;
  coarsen_earlier_stages(offer.job.stages);
  return offer;
}

/// The job itself and with coarser schedules.
std::vector<Offer> schedules(const JobSpec& job, const Grid& fixed) {
  std::vector<Offer> all{{"", job}};
  std::vector<LevelSpec> levels = job.stages.back().levels;
  while (levels.size() > 1) {
    levels.pop_back();
    all.push_back(with_levels(job, levels));
  }
  if (levels.empty()) return all;
  for (LevelSpec& only = levels.front(); only.shrink < 16;) {
    const std::int64_t before = solve::level_voxels(fixed, only.shrink);
    only.shrink *= 2;
    if (solve::level_voxels(fixed, only.shrink) == before) break;
    all.push_back(with_levels(job, levels));
  }
  return all;
}

/// With and without what a finished displacement can do without.
void add_results(const Offer& offer, const Grid& fixed, std::vector<Offer>& forms) {
  if (!offer.options.empty()) forms.push_back(offer);
  const JobSpec& job = offer.job;
  if (!is_deformable(job.stages.back().kind) || job.stages.back().levels.empty()) return;
  const auto add = [&](Offer form, bool inverse, WarpGrid grid) {
    if (inverse != job.write_inverse) form.options += " --no-inverse";
    if (grid != job.warp_grid) form.options += " --warp-grid level";
    form.job.write_inverse = inverse;
    form.job.warp_grid = grid;
    forms.push_back(std::move(form));
  };
  // Fixed labels alone are there for the inverse.
  const bool can_drop_inverse =
      job.write_inverse && (job.fixed_labels.empty() || !job.moving_labels.empty());
  if (can_drop_inverse) add(offer, false, job.warp_grid);
  const int finest = job.stages.back().levels.back().shrink;
  if (job.warp_grid == WarpGrid::level || solve::level_voxels(fixed, finest) == fixed.voxel_count())
    return;
  add(offer, job.write_inverse, WarpGrid::level);
  if (can_drop_inverse) add(offer, false, WarpGrid::level);
}

}  // namespace

std::vector<Offer> lighter_forms(const JobSpec& job, const Grid& fixed) {
  std::vector<Offer> forms;
  if (job.stages.empty()) return forms;
  if (const MetricSpec& metric = job.stages.back().metric;
      metric.kind == MetricKind::lncc && metric.radius > kSmallRadius) {
    forms.push_back({" --radius " + std::to_string(kSmallRadius), job});
    forms.back().job.stages.back().metric.radius = kSmallRadius;
  }
  for (const Offer& schedule : schedules(job, fixed)) add_results(schedule, fixed, forms);
  return forms;
}

void coarsen_earlier_stages(std::vector<StageSpec>& stages) {
  const auto by_shrink = [](const LevelSpec& a, const LevelSpec& b) { return a.shrink < b.shrink; };
  const std::vector<LevelSpec>& last = stages.back().levels;
  const int finest = std::min_element(last.begin(), last.end(), by_shrink)->shrink;
  for (std::size_t i = 0; i + 1 < stages.size(); ++i) {
    std::vector<LevelSpec>& levels = stages[i].levels;
    if (levels.empty()) continue;
    LevelSpec coarsest = levels.front();
    std::erase_if(levels, [&](const LevelSpec& level) { return level.shrink < finest; });
    coarsest.shrink = finest;
    if (levels.empty()) levels.push_back(coarsest);
  }
}

}  // namespace gigawarp::job
