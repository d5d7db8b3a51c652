#include "solve/deformable_level.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <utility>

namespace gigawarp::solve {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The greedy iteration's share of Run's progress, per voxel.
constexpr double kWorkPerVoxel = 2.0;
/// How far a back end runs ahead of what has been told.
constexpr double kAheadSeconds = 0.1;

/// One level as it goes.
class Level {
 public:
  Level(Run& run, const LevelPlan& plan)
      : run_(run),
        plan_(plan),
        spec_(run.job.stages[static_cast<std::size_t>(plan.stage)]),
        voxels_(static_cast<double>(plan.grid.grid.voxel_count())) {
    position_.stage = plan.stage;
    position_.level = plan.level;
    position_.numbers["affine"] = numbers_of(run.output.moving_from_fixed);
    report_.stage = stage_name(spec_.kind);
    report_.shrink = plan.spec.shrink;
    if (plan.resume != nullptr) {
      position_.iteration = plan.resume->iteration;
      report_.losses = plan.resume->numbers.at("losses");
      finished_ = plan.resume->numbers.contains("finished");
    }
    first_ = position_.iteration;
    event_.kind = EventKind::level_started;
    event_.stage = report_.stage;
    event_.level = plan.level;
    event_.levels = plan.levels;
    event_.shrink = plan.spec.shrink;
    event_.iterations = plan.spec.iterations;
    run_.send(event_);
  }

  void iterate(const std::function<BegunIteration(int)>& begin,
               const std::function<std::vector<ArrayRef>()>& arrays,
               const std::function<ShownField()>& shown) {
    told_at_ = Clock::now();
    for (int i = first_ + 1; !finished_ && i <= plan_.spec.iterations; ++i) {
      begun_.push_back(begin(i));
      wait_until(ahead());
      const bool looks = i % kLossStride == 0 || i == plan_.spec.iterations;
      if (begun_.empty() && run_.control.pause_gate) run_.control.pause_gate();
      if (!somebody_waits() && !looks) continue;
      wait_until(0);
      const ShownField field = shown();
      run_.show(run_.output.moving_from_fixed, plan_.grid.grid, field.plus, field.minus);
      report_.converged =
          looks && levelled_off(report_.losses, spec_.convergence_window, spec_.convergence_slope);
      if (report_.converged || i == plan_.spec.iterations) break;
      position_.numbers["losses"] = report_.losses;
      run_.check(position_, arrays, std::exchange(save_due_, false));
    }
  }

  void finish(const std::function<std::vector<ArrayRef>()>& arrays) {
    run_.worked(work() * (plan_.spec.iterations - position_.iteration));
    position_.numbers["losses"] = report_.losses;
    position_.numbers["finished"] = {1};
    const bool last = plan_.level + 1 == plan_.levels &&
                      plan_.stage + 1 == static_cast<int>(run_.job.stages.size());
    if (!finished_ && !last) run_.save(position_, arrays);
    report_.iterations = position_.iteration;
    report_.first_loss = report_.losses.empty() ? 0 : report_.losses.front();
    report_.last_loss = report_.losses.empty() ? 0 : report_.losses.back();
    report_.seconds = seconds_since(start_);
    if (position_.iteration > first_)
      report_.ns_per_voxel_iteration =
          report_.seconds * 1e9 / (voxels_ * (position_.iteration - first_));
    event_.kind = EventKind::level_finished;
    event_.folds_percent = 100.0 * static_cast<double>(unrepaired_) / voxels_;
    event_.ns_per_voxel = report_.ns_per_voxel_iteration;
    run_.send(event_);
    run_.output.levels.push_back(std::move(report_));
  }

 private:
  using Clock = std::chrono::steady_clock;

  double work() const { return kWorkPerVoxel * voxels_ * plan_.cost; }

  /// Iterations that may be on their way while the next one is begun.
  std::size_t ahead() const {
    const int most = run_.backend.steps_ahead() - 1;
    if (most <= 0 || !(iteration_seconds_ > 0)) return 0;
    return static_cast<std::size_t>(std::min<double>(most, kAheadSeconds / iteration_seconds_));
  }

  /// Of several ranks, which ask together once for all, on any.
  bool somebody_waits() {
    const RunControl& control = run_.control;
    save_due_ = control.checkpoints != nullptr && control.checkpoints->due();
    return run_.backend.any(save_due_ || control.stop.stop_requested() ||
                            (control.preview != nullptr && control.preview->due()));
  }

  /// Waits until no more than `left` iterations are on their way, and tells of those done.
  void wait_until(std::size_t left) {
    while (begun_.size() > left) {
      const Iteration step = begun_.front()();
      begun_.pop_front();
      const Clock::time_point now = Clock::now();
      iteration_seconds_ = std::chrono::duration<double>(now - told_at_).count();
      told_at_ = now;
      report_.losses.push_back(step.loss);
      unrepaired_ = step.folds.remaining;
      ++position_.iteration;
      run_.worked(work());
      event_.kind = EventKind::iteration;
      event_.iteration = position_.iteration;
      event_.loss = step.loss;
      event_.step_voxels = step.step_voxels;
      event_.ns_per_voxel = iteration_seconds_ * 1e9 / voxels_;
      run_.send(event_);
    }
  }

  Run& run_;
  const LevelPlan& plan_;
  const StageSpec& spec_;
  const double voxels_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point told_at_;
  Position position_;  ///< its iteration: the last one told of
  LevelReport report_;
  ProgressEvent event_;
  std::deque<BegunIteration> begun_;
  double iteration_seconds_ = 0;  ///< the last one's
  int first_ = 0;
  bool finished_ = false;
  bool save_due_ = false;  ///< the store said so
  std::int64_t unrepaired_ = 0;
};

}  // namespace

void run_level(Run& run, const LevelPlan& plan, const std::function<BegunIteration(int)>& begin,
               const std::function<std::vector<ArrayRef>()>& arrays,
               const std::function<ShownField()>& shown) {
  Level level(run, plan);
  level.iterate(begin, arrays, shown);
  level.finish(arrays);
}

}  // namespace gigawarp::solve
