#include <algorithm>
#include <cmath>

#include "solve/deformable_level.h"

namespace gigawarp::solve {
namespace {

constexpr int kRepairSweeps = 40;
/// Where very noisy volumes stop adding to the smoothing of the gradient.
constexpr double kLargestSigma = 4.0;

/// Steps too long for ComposeArgs::short_step go in equal parts, smoothed once.
int parts_of(const StageSpec& spec, double share) {
  return spec.learning_rate * share > ops::ComposeArgs::kLongestShortStep ? 2 : 1;
}

/// The longest step of one of `parts`, by the learning rate.
float longest_step(const StageSpec& spec, double share) {
  return static_cast<float>(spec.learning_rate * share);
}

}  // namespace

BegunIteration queue_iteration(ops::Backend& backend, const StageSpec& spec,
                               const Objective& objective, std::vector<ops::ChannelArgs> channels,
                               const std::vector<GreedyState*>& sides, int iteration,
                               double share) {
  ops::StepArgs args;
  args.channels = std::move(channels);
  for (const GreedyState* side : sides)
    args.sides.push_back({direction_args(spec, objective, *side, iteration), side->displacement(),
                          side->gradient()});
  args.parts = parts_of(spec, share);
  args.step_voxels = longest_step(spec, share / args.parts);
  args.sigma_voxels = spec.sigma_warp_voxels;
  args.minimum = static_cast<float>(spec.minimum_jacobian);
  args.sweeps = kRepairSweeps;
  const int slot = iteration % backend.steps_ahead();
  if (!backend.begin_step(args, slot)) return {};
  for (GreedyState* side : sides)
    for (int part = 0; part < args.parts; ++part) side->accept();
  return [&backend, &objective, slot, parts = args.parts, step = args.step_voxels] {
    const ops::StepNumbers numbers = backend.finish_step(slot);
    Iteration out;
    out.loss = objective.loss_of(numbers);
    for (const ops::StepNumbers::Side& side : numbers.sides) {
      const float scale = step / std::max(1.0F, side.largest);
      out.step_voxels += parts * static_cast<double>(scale * side.largest);
      out.folds.found += side.folds.found;
      out.folds.remaining += side.folds.remaining;
    }
    return out;
  };
}

BegunIteration begin_iteration(ops::Backend& backend, const StageSpec& spec, Objective& objective,
                               GreedyState& state, const Affine& moving_from_fixed, int iteration) {
  if (backend.steps_ahead() > 0) {
    BegunIteration queued = queue_iteration(
        backend, spec, objective,
        objective.channel_args(moving_from_fixed, state.displacement(), state.gradient()), {&state},
        iteration, 1.0);
    if (queued) return queued;
  }
  Iteration out;
  out.loss = objective.deformable(moving_from_fixed, state.displacement(), state.gradient(),
                                  state.scratch());
  const FieldStep step = take_step(backend, spec, objective, state, iteration, 1.0);
  out.step_voxels = step.step_voxels;
  out.folds = step.folds;
  return [out] { return out; };
}

ops::DirectionArgs direction_args(const StageSpec& spec, const Objective& objective,
                                  const GreedyState& state, int iteration) {
  ops::DirectionArgs args;
  args.gradient = state.gradient();
  for (int c = 0; c < 3; ++c) args.first_moment[c] = state.first_moment(c);
  args.second_moment = state.second_moment();
  args.moments = state.moments();
  args.direction = state.direction();
  args.range = {0, state.size()[2]};
  const double noise = objective.noise_variance();
  args.sigma_voxels =
      std::min(kLargestSigma, std::sqrt(spec.sigma_gradient_voxels * spec.sigma_gradient_voxels +
                                        spec.noise_smoothing * noise));
  args.step = iteration;
  const double floor = spec.gradient_floor + spec.noise_floor * noise;
  args.epsilon =
      static_cast<float>(std::max(1e-12, floor / std::max(1.0, objective.reference_count())) /
                         objective.gradient_unit());
  args.incoherence_damping = static_cast<float>(spec.incoherence_damping);
  return args;
}

ops::ComposeArgs compose_args(const StageSpec& spec, const GreedyState& state,
                              const ops::DirectionArgs& direction, float largest, double share) {
  ops::ComposeArgs args;
  args.direction = state.direction();
  if (direction.moments) args.from_moments = &direction;
  args.displacement = state.displacement();
  args.out = state.gradient();
  args.range = direction.range;
  args.scale = -longest_step(spec, share) / std::max(1.0F, largest);
  args.sigma_voxels = spec.sigma_warp_voxels;
  args.short_step = true;
  return args;
}

ops::RepairArgs repair_args(const StageSpec& spec, const GreedyState& state) {
  return {state.displacement(),
          {0, state.size()[2]},
          static_cast<float>(spec.minimum_jacobian),
          kRepairSweeps,
          nullptr,
          state.gradient()};
}

FieldStep take_step(ops::Backend& backend, const StageSpec& spec, const Objective& objective,
                    GreedyState& state, int iteration, double share) {
  const ops::DirectionArgs direction = direction_args(spec, objective, state, iteration);
  const float largest = backend.direction(direction);
  const int parts = parts_of(spec, share);
  FieldStep out;
  for (int part = 1; part <= parts; ++part) {
    ops::ComposeArgs compose = compose_args(spec, state, direction, largest, share / parts);
    if (part < parts) compose.sigma_voxels = 0;
    backend.compose(compose);
    state.accept();
    out.step_voxels += static_cast<double>(-compose.scale * largest);
  }
  if (spec.minimum_jacobian > 0) out.folds = backend.repair_folds(repair_args(spec, state));
  return out;
}

void transfer_displacement(const ops::FieldView& from, const LevelGrid& from_level,
                           const ops::FieldView& to, const LevelGrid& to_level,
                           ops::Backend& backend) {
  ops::UpsampleArgs args;
  args.in = from;
  args.out = to;
  for (int a = 0; a < 3; ++a) {
    const double fine = to_level.shrink[a], coarse = from_level.shrink[a];
    args.fine_to_coarse[a] = fine / coarse;
    args.shift[a] = (0.5 * (fine - 1) - 0.5 * (coarse - 1)) / coarse;
  }
  args.range = {0, to_level.grid.size[2]};
  backend.upsample_field(args);
}

LevelGrid moving_level(const Run& run, int shrink) {
  const Vec3 s = run.subject.fixed_grid().spacing_mm();
  return level_grid(run.subject.moving_grid(), shrink * std::min({s[0], s[1], s[2]}));
}

DeformableResult run_greedy_stage(Run& run, int stage, DeformableResult previous,
                                  const Position* resume) {
  const StageSpec& spec = run.job.stages[static_cast<std::size_t>(stage)];
  const std::vector<LevelSpec> levels = effective_levels(run.subject.fixed_grid(), spec);
  DeformableResult current = std::move(previous);
  const int first = resume != nullptr ? resume->level : 0;
  for (int l = first; l < static_cast<int>(levels.size()); ++l) {
    const LevelSpec& level = levels[static_cast<std::size_t>(l)];
    LevelPlan plan{stage,
                   l,
                   static_cast<int>(levels.size()),
                   level,
                   level_grid(run.subject.fixed_grid(), level.shrink),
                   1.0,
                   resume != nullptr && l == first && resume->iteration > 0 ? resume : nullptr};
    if (current.state != nullptr) current.state->keep_displacement_only();
    auto state = std::make_unique<GreedyState>(plan.grid.grid.size, run.backend);
    if (plan.resume != nullptr)
      state->load(*run.control.checkpoints);
    else if (current.state != nullptr)
      transfer_displacement(current.state->displacement(), current.level, state->displacement(),
                            plan.grid, run.backend);
    current.state.reset();
    Objective objective(run.subject, spec.metric, plan.grid, moving_level(run, level.shrink),
                        run.backend);
    run_level(
        run, plan,
        [&](int i) {
          return begin_iteration(run.backend, spec, objective, *state, run.output.moving_from_fixed,
                                 i);
        },
        [&] { return state->arrays(); },
        [&] {
          return ShownField{state->displacement(), {}};
        });
    current.state = std::move(state);
    current.level = plan.grid;
  }
  return current;
}

}  // namespace gigawarp::solve
