#include "solve/syn_stage.h"

#include <algorithm>

#include "solve/deformable_level.h"

namespace gigawarp::solve {
namespace {

constexpr double kShareOfEachSide = 0.5;

/// The two half-way maps of one level.
struct Halves {
  GreedyState fixed, moving;
  Halves(const Size3& size, ops::Backend& backend) : fixed(size, backend), moving(size, backend) {}

  std::vector<ArrayRef> arrays() const {
    std::vector<ArrayRef> all = fixed.arrays("_fixed");
    for (const ArrayRef& a : moving.arrays("_moving")) all.push_back(a);
    return all;
  }
  void load(CheckpointStore& store) {
    fixed.load(store, "_fixed");
    moving.load(store, "_moving");
  }
};

BegunIteration begin(Run& run, const StageSpec& spec, Objective& objective, Halves& halves, int i) {
  const Affine& affine = run.output.moving_from_fixed;
  const Objective::Side fixed{halves.fixed.displacement(), halves.fixed.gradient(),
                              halves.fixed.symmetric_scratch()},
      moving{halves.moving.displacement(), halves.moving.gradient(),
             halves.moving.symmetric_scratch()};
  if (run.backend.steps_ahead() > 0) {
    BegunIteration queued = queue_iteration(run.backend, spec, objective,
                                            objective.symmetric_args(affine, fixed, moving),
                                            {&halves.fixed, &halves.moving}, i, kShareOfEachSide);
    if (queued) return queued;
  }
  Iteration out;
  out.loss = objective.symmetric(affine, fixed, moving);
  for (GreedyState* side : {&halves.fixed, &halves.moving}) {
    const FieldStep step = take_step(run.backend, spec, objective, *side, i, kShareOfEachSide);
    out.step_voxels += step.step_voxels;
    out.folds.found += step.folds.found;
    out.folds.remaining += step.folds.remaining;
  }
  return [out] { return out; };
}

/// phi = (id + u_m) o (id + u_f)^-1 as one displacement, in the moving half's buffers.
void join(Run& run, Halves& halves) {
  const Size3 size = halves.fixed.size();
  // The fixed half's gradient is done with: the inverse goes there.
  const ops::FieldView& forward = halves.fixed.displacement();
  run.backend.invert(
      {forward,
       halves.fixed.gradient(),
       {0, size[2]},
       60,
       1e-3,
       ops::InvertArgs::within(run.backend.displacement_range(forward, {0, size[2]}))});
  ops::ComposeArgs compose;
  compose.direction = halves.fixed.gradient();
  compose.displacement = halves.moving.displacement();
  compose.out = halves.moving.gradient();
  compose.range = {0, size[2]};
  compose.sigma_voxels = 0;
  run.backend.compose(compose);
  halves.moving.accept();
  run.backend.repair_folds(
      {halves.moving.displacement(), compose.range, 0.05F, 40, nullptr, halves.moving.gradient()});
}

}  // namespace

DeformableResult run_syn_stage(Run& run, int stage, DeformableResult previous,
                               const Position* resume) {
  const StageSpec& spec = run.job.stages[static_cast<std::size_t>(stage)];
  const std::vector<LevelSpec> levels = effective_levels(run.subject.fixed_grid(), spec);
  std::unique_ptr<Halves> current;
  LevelGrid current_grid;
  const int first = resume != nullptr ? resume->level : 0;
  for (int l = first; l < static_cast<int>(levels.size()); ++l) {
    const LevelSpec& level = levels[static_cast<std::size_t>(l)];
    LevelPlan plan{stage,
                   l,
                   static_cast<int>(levels.size()),
                   level,
                   level_grid(run.subject.fixed_grid(), level.shrink),
                   2.0,
                   resume != nullptr && l == first && resume->iteration > 0 ? resume : nullptr};
    auto next = std::make_unique<Halves>(plan.grid.grid.size, run.backend);
    if (plan.resume != nullptr) {
      next->load(*run.control.checkpoints);
    } else if (current != nullptr) {
      transfer_displacement(current->fixed.displacement(), current_grid, next->fixed.displacement(),
                            plan.grid, run.backend);
      transfer_displacement(current->moving.displacement(), current_grid,
                            next->moving.displacement(), plan.grid, run.backend);
    } else if (previous.state != nullptr) {
      // An earlier greedy stage: its whole displacement starts on the moving side.
      transfer_displacement(previous.state->displacement(), previous.level,
                            next->moving.displacement(), plan.grid, run.backend);
      previous.state.reset();
    }
    current.reset();
    Objective objective(run.subject, spec.metric, plan.grid, moving_level(run, level.shrink),
                        run.backend);
    run_level(
        run, plan, [&](int i) { return begin(run, spec, objective, *next, i); },
        [&] { return next->arrays(); },
        [&] {
          return ShownField{next->moving.displacement(), next->fixed.displacement()};
        });
    current = std::move(next);
    current_grid = plan.grid;
  }
  DeformableResult result;
  if (current == nullptr) return previous;
  join(run, *current);
  result.state = std::make_unique<GreedyState>(std::move(current->moving));
  result.level = current_grid;
  return result;
}

}  // namespace gigawarp::solve
