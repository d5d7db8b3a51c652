#pragma once
#include <chrono>
#include <functional>
#include <memory>

#include "solve/deformable.h"
#include "solve/registration.h"

namespace gigawarp::solve {

/// What the stages of one run share: inputs, hooks, the clock and the work done so far.
class Run {
 public:
  Run(const Subject& subject, const JobSpec& job, const RunControl& control, ops::Backend& backend);

  const Subject& subject;
  const JobSpec& job;
  const RunControl& control;
  ops::Backend& backend;
  RegistrationOutput output;

  /// Sends an event with the run's clock, progress and memory filled in. Where several processes
  /// run one registration all call it at the same points, though one alone tells.
  void send(ProgressEvent event);
  void warn(const std::string& sentence);
  /// Counts work towards the run's fraction: `voxels` of one iteration, weighted by the stage's
  /// cost.
  void worked(double voxels) { done_ += voxels; }
  /// Shows the alignment reached so far when a preview is due; the displacement is `plus` minus
  /// `minus` (either may be empty), in voxels of `grid`.
  void show(const Affine& moving_from_fixed, const Grid& grid = {}, const ops::FieldView& plus = {},
            const ops::FieldView& minus = {}) const;
  /// Blocks while paused; saves and throws Error{cancelled} when asked to stop; saves when due.
  /// `arrays` is only called when there is something to save: it may have to fetch them. `due`: the
  /// store has said already that it is, which it says once.
  void check(const Position& position, const std::function<std::vector<ArrayRef>()>& arrays = {},
             bool due = false);
  void save(const Position& position, const std::function<std::vector<ArrayRef>()>& arrays = {});

 private:
  /// A level has allocated what it needs once it has iterated.
  void look_at_devices(EventKind kind);

  double planned_ = 0, done_ = 0;
  bool looked_ = false;  ///< at the devices, in this level
  std::vector<std::uint64_t> device_peak_bytes_;
  std::chrono::steady_clock::time_point start_;
};

/// The levels of a stage without those that would repeat the grid of the next one.
std::vector<LevelSpec> effective_levels(const Grid& fixed, const StageSpec& stage);

/// True when the mean loss of the last half window is not lower than that of the half before by
/// `slope` per iteration, relative to the loss.
bool levelled_off(const std::vector<double>& losses, int window, double slope);

/// Rigid, similarity and affine stages. `resume` points into this stage or is empty.
void run_linear_stage(Run& run, int stage, const Position* resume);

/// The greedy stage. `previous` holds the result of an earlier deformable stage or is empty; the
/// displacement returned lives on the finest level's grid.
struct DeformableResult {
  std::unique_ptr<GreedyState> state;
  LevelGrid level;
};
DeformableResult run_greedy_stage(Run& run, int stage, DeformableResult previous,
                                  const Position* resume);

/// What one iteration of a deformable stage did.
struct Iteration {
  double loss = 0;
  double step_voxels = 0;
  ops::FoldRepair folds;
};
/// An iteration that has begun, and may be done: called once, it waits for that and tells.
using BegunIteration = std::function<Iteration()>;

/// Queues an iteration (ops::Backend::begin_step(), of a back end that has it): `channels` by the
/// objective, and for each of `sides` a step with `share` of the learning rate. Empty, and nothing
/// is done, where the back end cannot.
BegunIteration queue_iteration(ops::Backend& backend, const StageSpec& spec,
                               const Objective& objective, std::vector<ops::ChannelArgs> channels,
                               const std::vector<GreedyState*>& sides, int iteration, double share);

/// One iteration of the greedy stage: loss, gradient and step. `state` is as after it, for whoever
/// asks the back end, from here on; so are the arguments until the iteration is waited for.
BegunIteration begin_iteration(ops::Backend& backend, const StageSpec& spec, Objective& objective,
                               GreedyState& state, const Affine& moving_from_fixed, int iteration);

/// From a gradient in state.gradient() to the next displacement: direction, composition with
/// `share` of the learning rate, smoothing, folds. `count` voxels make up the loss.
struct FieldStep {
  double step_voxels = 0;
  ops::FoldRepair folds;
};
/// Arguments of those passes, for callers that run them one by one.
ops::DirectionArgs direction_args(const StageSpec& spec, const Objective& objective,
                                  const GreedyState& state, int iteration);
/// Refers to `direction`. `largest` is what the back end's direction() returned.
ops::ComposeArgs compose_args(const StageSpec& spec, const GreedyState& state,
                              const ops::DirectionArgs& direction, float largest, double share);
ops::RepairArgs repair_args(const StageSpec& spec, const GreedyState& state);
FieldStep take_step(ops::Backend& backend, const StageSpec& spec, const Objective& objective,
                    GreedyState& state, int iteration, double share);

/// `state`'s displacement on another level of the same grid.
void transfer_displacement(const ops::FieldView& from, const LevelGrid& from_level,
                           const ops::FieldView& to, const LevelGrid& to_level,
                           ops::Backend& backend);

/// The moving volume's grid that goes with a level of the fixed one: voxels of about the same
/// width.
LevelGrid moving_level(const Run& run, int shrink);

std::string stage_name(StageKind kind);

/// Twelve numbers, row by row, for checkpoints.
std::vector<double> numbers_of(const Affine& t);
Affine affine_of(const std::vector<double>& numbers);

}  // namespace gigawarp::solve
