#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "solve/stages.h"

namespace gigawarp::solve {

namespace {
/// A deformable iteration costs about this many linear ones per voxel.
constexpr double kDeformableCost = 2.0;

double stage_work(const Grid& fixed, const StageSpec& stage) {
  double work = 0;
  for (const LevelSpec& level : effective_levels(fixed, stage)) {
    const bool deformable = is_deformable(stage.kind);
    // Linear levels stop by themselves long before their limit.
    const double iterations = deformable ? level.iterations : std::min(level.iterations, 20);
    work += static_cast<double>(level_grid(fixed, level.shrink).grid.voxel_count()) * iterations *
            (deformable ? kDeformableCost : 1.0) * (stage.kind == StageKind::syn ? 2.0 : 1.0);
  }
  return work;
}
}  // namespace

std::string stage_name(StageKind kind) {
  switch (kind) {
    case StageKind::rigid: return "rigid";
    case StageKind::similarity: return "similarity";
    case StageKind::affine: return "affine";
    case StageKind::greedy: return "greedy";
    case StageKind::syn: break;
  }
  return "syn";
}

std::vector<LevelSpec> effective_levels(const Grid& fixed, const StageSpec& stage) {
  std::vector<LevelSpec> out;
  for (const LevelSpec& level : stage.levels) {
    if (level.iterations <= 0) continue;
    if (!out.empty() &&
        level_grid(fixed, out.back().shrink).shrink == level_grid(fixed, level.shrink).shrink)
      out.back() = level;
    else
      out.push_back(level);
  }
  return out;
}

bool levelled_off(const std::vector<double>& losses, int window, double slope) {
  const auto n = static_cast<std::size_t>(std::max(window, 2));
  if (!(slope > 0) || losses.size() < n) return false;
  const std::size_t half = n / 2;
  double late = 0, early = 0;
  for (std::size_t i = 0; i < half; ++i) {
    late += losses[losses.size() - 1 - i];
    early += losses[losses.size() - 1 - half - i];
  }
  const double per_iteration = (early - late) / static_cast<double>(half * half);
  return per_iteration < slope * std::abs(late / static_cast<double>(half));
}

Run::Run(const Subject& s, const JobSpec& j, const RunControl& c, ops::Backend& b)
    : subject(s), job(j), control(c), backend(b), start_(std::chrono::steady_clock::now()) {
  for (const StageSpec& stage : job.stages) planned_ += stage_work(subject.fixed_grid(), stage);
}

void Run::look_at_devices(EventKind kind) {
  if (kind == EventKind::level_started) looked_ = false;
  const bool iterated = kind == EventKind::iteration && !looked_;
  if (!iterated && kind != EventKind::level_finished) return;
  looked_ = true;
  // Where a level's images are made is where its arrays lie, of ranks too, which are never "on the
  // host".
  if (!backend.takes_levels_of_files()) device_peak_bytes_ = backend.peak_bytes_of_each();
}

void Run::send(ProgressEvent event) {
  look_at_devices(event.kind);
  if (control.progress == nullptr) return;
  event.elapsed_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  event.fraction = planned_ > 0 ? std::clamp(done_ / planned_, 0.0, 1.0) : 0;
  if (event.fraction > 0.02) event.eta_s = event.elapsed_s * (1 - event.fraction) / event.fraction;
  event.memory_bytes = resident_bytes();
  event.device_peak_bytes = device_peak_bytes_;
  control.progress->on_event(event);
}

void Run::warn(const std::string& sentence) {
  output.warnings.push_back(sentence);
  ProgressEvent event;
  event.kind = EventKind::warning;
  event.text = sentence;
  send(event);
}

void Run::save(const Position& position, const std::function<std::vector<ArrayRef>()>& arrays) {
  if (control.checkpoints == nullptr) return;
  Position marked = position;
  marked.numbers["compact"] = {backend.compact() ? 1.0 : 0.0};
  control.checkpoints->save(marked, arrays ? arrays() : std::vector<ArrayRef>{});
  ProgressEvent event;
  event.kind = EventKind::checkpoint_written;
  event.level = position.level;
  event.iteration = position.iteration;
  send(event);
}

void Run::check(const Position& position, const std::function<std::vector<ArrayRef>()>& arrays,
                bool due) {
  if (control.pause_gate) control.pause_gate();
  if (backend.any(control.stop.stop_requested())) {
    save(position, arrays);
    (void)backend.any(false);  // rank 0 may write for long: the others wait here, not in unwinding
    throw Error(ErrorCode::cancelled,
                control.checkpoints != nullptr
                    ? "The run was stopped; continue it with --resume from its checkpoint."
                    : "The run was stopped.");
  }
  if (control.checkpoints != nullptr && backend.any(due || control.checkpoints->due()))
    save(position, arrays);
}

}  // namespace gigawarp::solve
