#include <chrono>
#include <cmath>

#include "solve/linear.h"
#include "solve/stages.h"

namespace gigawarp::solve {

std::vector<double> numbers_of(const Affine& t) {
  std::vector<double> out;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) out.push_back(t.linear[r][c]);
    out.push_back(t.offset[r]);
  }
  return out;
}

Affine affine_of(const std::vector<double>& numbers) {
  Affine t;
  for (std::size_t r = 0; r < 3; ++r) {
    for (std::size_t c = 0; c < 3; ++c) t.linear[r][c] = numbers.at(4 * r + c);
    t.offset[r] = numbers.at(4 * r + 3);
  }
  return t;
}

namespace {

/// True when the result hardly differs from leaving the volume where its header puts it, and is no
/// better. Then nothing moves at all: the deformable stage would make something of the last
/// thousandth of a voxel.
bool is_as_good_unmoved(Objective& objective, const LinearResult& result) {
  constexpr double kHardlyVoxels = 0.05, kNoBetter = 1e-4;
  const Grid& grid = objective.fixed_level().grid;
  const Affine voxel_from_world = grid.voxel_from_world();
  for (int corner = 0; corner < 8; ++corner) {
    Vec3 voxel{};
    for (int a = 0; a < 3; ++a)
      voxel[a] = (corner >> a & 1) != 0 ? static_cast<double>(grid.size[a] - 1) : 0.0;
    const Vec3 moved = voxel_from_world(result.moving_from_fixed(grid.world_from_voxel(voxel)));
    for (int a = 0; a < 3; ++a)
      if (std::abs(moved[a] - voxel[a]) > kHardlyVoxels) return false;
  }
  return objective.linear(Affine{}, true).loss <= result.loss + kNoBetter * std::abs(result.loss);
}

}  // namespace

void run_linear_stage(Run& run, int stage, const Position* resume) {
  const StageSpec& spec = run.job.stages[static_cast<std::size_t>(stage)];
  const Grid& fixed = run.subject.fixed_grid();
  const std::vector<LevelSpec> levels = effective_levels(fixed, spec);
  LinearOptions options;
  options.model = spec.kind == StageKind::rigid        ? LinearModel::rigid
                  : spec.kind == StageKind::similarity ? LinearModel::similarity
                                                       : LinearModel::affine;
  // A level of a linear stage takes a second: a resumed run repeats it from its start, which gives
  // the same bits.
  for (std::size_t l = resume != nullptr ? static_cast<std::size_t>(resume->level) : 0;
       l < levels.size(); ++l) {
    const auto start = std::chrono::steady_clock::now();
    const LevelGrid grid = level_grid(fixed, levels[l].shrink);
    const Vec3 spacing = fixed.spacing_mm();
    const double wanted = levels[l].shrink * std::min({spacing[0], spacing[1], spacing[2]});
    Position position;
    position.stage = stage;
    position.level = static_cast<int>(l);
    position.numbers["affine"] = numbers_of(run.output.moving_from_fixed);
    run.check(position);
    Objective objective(run.subject, spec.metric, grid,
                        level_grid(run.subject.moving_grid(), wanted), run.backend);
    options.iterations = levels[l].iterations;
    ProgressEvent event;
    event.kind = EventKind::level_started;
    event.stage = stage_name(spec.kind);
    event.level = static_cast<int>(l);
    event.levels = static_cast<int>(levels.size());
    event.shrink = levels[l].shrink;
    event.iterations = levels[l].iterations;
    run.send(event);
    const auto voxels = static_cast<double>(grid.grid.voxel_count());
    const LinearResult result =
        solve_linear(objective, run.output.moving_from_fixed, options,
                     [&](int iteration, double loss, double step, const Affine& moving_from_fixed) {
                       run.show(moving_from_fixed);
                       run.check(position);
                       run.worked(voxels);
                       event.kind = EventKind::iteration;
                       event.iteration = iteration;
                       event.loss = loss;
                       event.step_voxels = step;
                       run.send(event);
                     });
    run.worked(voxels * std::max(0, std::min(20, levels[l].iterations) - result.iterations));
    run.output.moving_from_fixed = result.moving_from_fixed;
    if (is_as_good_unmoved(objective, result)) run.output.moving_from_fixed = Affine{};
    LevelReport report;
    report.stage = event.stage;
    report.shrink = levels[l].shrink;
    report.iterations = result.iterations;
    report.converged = result.converged;
    report.losses = result.losses;
    report.first_loss = result.losses.empty() ? result.loss : result.losses.front();
    report.last_loss = result.loss;
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (result.iterations > 0)
      report.ns_per_voxel_iteration = report.seconds * 1e9 / (voxels * result.iterations);
    run.output.levels.push_back(report);
    event.kind = EventKind::level_finished;
    event.ns_per_voxel = report.ns_per_voxel_iteration;
    run.send(event);
  }
}

}  // namespace gigawarp::solve
