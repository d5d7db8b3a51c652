#include "solve/deformable_level.h"

#include <chrono>

namespace gigawarp::solve {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The greedy iteration's share of Run's progress, per voxel.
constexpr double kWorkPerVoxel = 2.0;

}  // namespace

void run_level(Run& run, const LevelPlan& plan, const std::function<Iteration(int)>& iterate,
               const std::function<std::vector<ArrayRef>()>& arrays,
               const std::function<ShownField()>& shown) {
  const StageSpec& spec = run.job.stages[static_cast<std::size_t>(plan.stage)];
  const auto start = std::chrono::steady_clock::now();
  const auto voxels = static_cast<double>(plan.grid.grid.voxel_count());
  const double work = kWorkPerVoxel * voxels * plan.cost;
  Position position;
  position.stage = plan.stage;
  position.level = plan.level;
  position.numbers["affine"] = numbers_of(run.output.moving_from_fixed);
  LevelReport report;
  report.stage = stage_name(spec.kind);
  report.shrink = plan.spec.shrink;
  bool finished = false;
  if (plan.resume != nullptr) {
    position.iteration = plan.resume->iteration;
    report.losses = plan.resume->numbers.at("losses");
    finished = plan.resume->numbers.contains("finished");
  }
  ProgressEvent event;
  event.kind = EventKind::level_started;
  event.stage = report.stage;
  event.level = plan.level;
  event.levels = plan.levels;
  event.shrink = plan.spec.shrink;
  event.iterations = plan.spec.iterations;
  run.send(event);
  const int first = position.iteration;
  std::int64_t unrepaired = 0;
  for (int i = first + 1; !finished && i <= plan.spec.iterations; ++i) {
    const auto iteration_start = std::chrono::steady_clock::now();
    const Iteration step = iterate(i);
    report.losses.push_back(step.loss);
    unrepaired = step.folds.remaining;
    position.iteration = i;
    run.worked(work);
    event.kind = EventKind::iteration;
    event.iteration = i;
    event.loss = step.loss;
    event.step_voxels = step.step_voxels;
    event.ns_per_voxel = seconds_since(iteration_start) * 1e9 / voxels;
    run.send(event);
    const ShownField field = shown();
    run.show(run.output.moving_from_fixed, plan.grid.grid, field.plus, field.minus);
    report.converged = levelled_off(report.losses, spec.convergence_window, spec.convergence_slope);
    if (report.converged || i == plan.spec.iterations) break;
    position.numbers["losses"] = report.losses;
    run.check(position, arrays);
  }
  run.worked(work * (plan.spec.iterations - position.iteration));
  position.numbers["losses"] = report.losses;
  position.numbers["finished"] = {1};
  const bool last =
      plan.level + 1 == plan.levels && plan.stage + 1 == static_cast<int>(run.job.stages.size());
  if (!finished && !last) run.save(position, arrays);
  report.iterations = position.iteration;
  report.first_loss = report.losses.empty() ? 0 : report.losses.front();
  report.last_loss = report.losses.empty() ? 0 : report.losses.back();
  report.seconds = seconds_since(start);
  if (position.iteration > first)
    report.ns_per_voxel_iteration = report.seconds * 1e9 / (voxels * (position.iteration - first));
  event.kind = EventKind::level_finished;
  event.folds_percent = 100.0 * static_cast<double>(unrepaired) / voxels;
  event.ns_per_voxel = report.ns_per_voxel_iteration;
  run.send(event);
  run.output.levels.push_back(std::move(report));
}

}  // namespace gigawarp::solve
