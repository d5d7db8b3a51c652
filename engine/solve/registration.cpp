#include "solve/registration.h"

#include <algorithm>
#include <cmath>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "ops/invert_field.h"
#include "solve/device_choice.h"
#include "solve/found_fields.h"
#include "solve/initialise.h"
#include "solve/inverse_samples.h"
#include "solve/stages.h"
#include "solve/syn_stage.h"

namespace gigawarp::solve {
namespace {

constexpr int kInverseIterations = 60;
constexpr double kInverseToleranceVoxels = 1e-3;

void check_input(const RegistrationInput& input, const JobSpec& job) {
  if (input.fixed.empty() || input.fixed.size() != input.moving.size())
    throw Error(ErrorCode::usage,
                "A registration needs at least one fixed volume and as many moving ones.");
  bool deformable = false;
  for (const StageSpec& stage : job.stages) {
    if (!is_deformable(stage.kind) && deformable)
      throw Error(
          ErrorCode::usage,
          "A linear stage cannot follow a deformable one; put rigid and affine stages first.");
    deformable = deformable || is_deformable(stage.kind);
  }
  for (std::size_t c = 1; c < input.fixed.size(); ++c)
    if (!input.fixed[c]->grid().same_lattice(input.fixed[0]->grid()) ||
        !input.moving[c]->grid().same_lattice(input.moving[0]->grid()))
      throw Error(ErrorCode::bad_input,
                  "The channels of a volume must lie on one grid; resample them first.");
}

void send_stage(Run& run, EventKind kind, const std::string& name, const std::string& text = {}) {
  ProgressEvent event;
  event.kind = kind;
  event.stage = name;
  event.text = text;
  run.send(event);
}

/// What the deformable stages found, on the grid it is wanted on.
std::shared_ptr<FoundFields> found_fields(Run& run, DeformableResult deformable) {
  const Grid& fixed = run.subject.fixed_grid();
  deformable.state->keep_displacement_only();  // the peak of a run must not be here
  LevelGrid target = deformable.level;
  if (run.job.warp_grid == WarpGrid::full) {
    target = {};
    target.grid = fixed;
  }
  auto found = std::make_shared<FoundFields>(run.backend);
  found->grid = target.grid;
  found->transfer_time = run.output.transfer_time;
  found->level = std::move(deformable.state);
  found->forward = found->level->displacement();
  if (deformable.level.shrink == target.shrink) return found;
  found->full = std::make_unique<Displacement>(fixed.size, run.backend);
  transfer_displacement(found->forward, deformable.level, found->full->view(), target, run.backend);
  found->forward = found->full->view();
  found->level.reset();
  return found;
}

double inverse_tolerance_mm(const Grid& grid) {
  const Vec3 spacing = grid.spacing_mm();
  return kInverseToleranceVoxels * std::min({spacing[0], spacing[1], spacing[2]});
}

std::array<float, 3> farthest(Run& run, const FoundFields& found) {
  return ops::InvertArgs::within(
      run.backend.displacement_range(found.forward, {0, found.grid.size[2]}));
}

/// The inverse by the back end itself, or by processes that share the field, each its planes.
std::shared_ptr<const VolumeFeed> inverse_there(Run& run, std::shared_ptr<FoundFields> found) {
  if (!run.backend.inverts())
    return fitted_feed(inverse_by_planes(found, kInverseIterations,
                                         inverse_tolerance_mm(found->grid), run.control.stop));
  const Size3& n = found->grid.size;
  found->inverse = std::make_unique<Displacement>(n, run.backend);
  run.backend.invert({found->forward,
                      found->inverse->view(),
                      {0, n[2]},
                      kInverseIterations,
                      kInverseToleranceVoxels,
                      farthest(run, *found)});
  return fitted_feed(displacement_feed(found, found->inverse->view()));
}

/// Brings what lies in the memory of the back end into that of the process that collects.
void collect(Run& run, const VolumeFeed& forward, const VolumeFeed* inverse) {
  run.backend.serve_downloads();
  if (!run.backend.collects()) return;
  run.output.forward_mm = DisplacementField(read_all(forward));
  if (inverse != nullptr) run.output.inverse_mm = DisplacementField(read_all(*inverse));
  run.backend.end_service();
}

/// In the host's memory, where the displacement lies already.
void finish_on_host(Run& run, std::shared_ptr<FoundFields> found) {
  RegistrationOutput& out = run.output;
  const Grid target = found->grid;
  out.forward_mm = DisplacementField(read_all(*displacement_feed(found, found->forward)));
  const std::array<float, 3> longest =
      run.job.write_inverse ? farthest(run, *found) : std::array<float, 3>{};
  found.reset();
  if (run.job.write_inverse) {
    out.inverse_mm = invert_within(*out.forward_mm, longest, target, kInverseIterations,
                                   inverse_tolerance_mm(target), run.control.stop);
    fit_between_samples(*out.inverse_mm);
  }
  if (!run.control.leave_fields) return;
  for (auto [whole, feed] :
       {std::pair{&out.forward_mm, &out.forward}, std::pair{&out.inverse_mm, &out.inverse}}) {
    if (!*whole) continue;
    *feed = std::make_shared<WholeVolume>(std::move((*whole)->volume()));
    whole->reset();
  }
}

/// Brings the result of the deformable stages to the grid it is wanted on, in mm, and inverts it.
void finish_fields(Run& run, DeformableResult deformable) {
  std::shared_ptr<FoundFields> found = found_fields(run, std::move(deformable));
  const bool inverts = run.job.write_inverse;
  if (inverts) send_stage(run, EventKind::stage_started, "invert");
  if (run.backend.on_host()) {
    finish_on_host(run, std::move(found));
  } else {
    const auto forward = displacement_feed(found, found->forward);
    const auto inverse = inverts ? inverse_there(run, found) : nullptr;
    if (run.control.leave_fields) {
      run.output.forward = forward;
      run.output.inverse = inverse;
    } else {
      collect(run, *forward, inverse.get());
    }
  }
  if (inverts) send_stage(run, EventKind::stage_finished, "invert");
}

/// Windows without a fast kernel say so before they take their time.
void warn_of_slow_windows(Run& run) {
  for (const StageSpec& stage : run.job.stages)
    if (stage.metric.kind == MetricKind::lncc &&
        !run.backend.fast_window(stage.metric.window, stage.metric.radius)) {
      run.warn(
          "LNCC with a Gaussian window or a radius above 5 is summed voxel by voxel on the GPU, "
          "which can take longer than on the CPU.");
      return;
    }
}

void run_stages(Run& run) {
  warn_of_slow_windows(run);
  std::optional<Position> resume;
  if (run.control.checkpoints != nullptr) resume = run.control.checkpoints->position();
  int first = 0;
  if (resume) {
    const auto form = resume->numbers.find("compact");
    if (form != resume->numbers.end() && (form->second.at(0) != 0) != run.backend.compact())
      throw Error(ErrorCode::usage,
                  run.backend.compact()
                      ? "The checkpoint is of a run on the CPU; continue it with --device cpu."
                      : "The checkpoint is of a run on a GPU; continue it with --device cuda:0.",
                  "--device");
    run.output.moving_from_fixed = affine_of(resume->numbers.at("affine"));
    first = std::max(resume->stage, 0);
  } else {
    send_stage(run, EventKind::stage_started, "initialise");
    const InitialAlignment start =
        initial_alignment(run.subject, run.job.initialisation, run.backend);
    run.output.moving_from_fixed = start.moving_from_fixed;
    for (const std::string& warning : start.warnings) run.warn(warning);
    send_stage(run, EventKind::stage_finished, "initialise", "started from: " + start.chosen);
  }
  DeformableResult deformable;
  for (int i = first; i < static_cast<int>(run.job.stages.size()); ++i) {
    const StageSpec& stage = run.job.stages[static_cast<std::size_t>(i)];
    const Position* here = resume && resume->stage == i ? &*resume : nullptr;
    send_stage(run, EventKind::stage_started, stage_name(stage.kind));
    if (!is_deformable(stage.kind))
      run_linear_stage(run, i, here);
    else if (stage.kind == StageKind::greedy)
      deformable = run_greedy_stage(run, i, std::move(deformable), here);
    else
      deformable = run_syn_stage(run, i, std::move(deformable), here);
    if (run.output.moving_from_fixed.determinant() <= 0)
      throw Error(
          ErrorCode::bad_input,
          "The linear alignment collapsed or mirrored the volume, so the two volumes do not "
          "seem to show the same thing; check them, or give an initial alignment.");
    send_stage(run, EventKind::stage_finished, stage_name(stage.kind));
  }
  if (deformable.state != nullptr) finish_fields(run, std::move(deformable));
}

/// What images that are not in memory give to all stages, in one pass over each.
void prepare_levels(Subject& subject, const JobSpec& job, ops::Backend& backend) {
  std::vector<LevelGrid> fixed, moving;
  const auto add = [&](double spacing_mm) {
    fixed.push_back(level_grid(subject.fixed_grid(), spacing_mm));
    moving.push_back(level_grid(subject.moving_grid(), spacing_mm));
  };
  if (compares_candidates(*subject.input, job.initialisation))
    add(comparison_spacing_mm(subject.fixed_grid()));
  for (const StageSpec& stage : job.stages)
    for (const LevelSpec& level : effective_levels(subject.fixed_grid(), stage))
      add(level_spacing_mm(subject.fixed_grid(), level.shrink));
  for (ResidentImage& image : subject.fixed) image.prepare(fixed, backend);
  for (ResidentImage& image : subject.moving) image.prepare(moving, backend);
}
std::string times(const std::array<int, 3>& numbers) {
  const std::string x = std::to_string(numbers[0]);
  return numbers[0] == numbers[1] && numbers[1] == numbers[2]
             ? x
             : x + "x" + std::to_string(numbers[1]) + "x" + std::to_string(numbers[2]);
}

void note_levels_from_files(Run& run) {
  for (const auto& [images, side] :
       {std::pair{&run.subject.fixed, "fixed"}, std::pair{&run.subject.moving, "moving"}})
    for (const auto& [shrink, factor] : images->front().taken_from_file()) {
      run.output.notes.push_back("Level " + times(shrink) + " of the " + side +
                                 " image was made of its file's averages of " + times(factor) +
                                 " voxels.");
      ProgressEvent event;
      event.kind = EventKind::message;
      event.stage = "load";
      event.text = run.output.notes.back();
      run.send(event);
    }
}
}  // namespace

RegistrationOutput register_volumes(const RegistrationInput& input, const JobSpec& job,
                                    const RunControl& control) {
  const std::string device = chosen_device(job.device);
  const std::shared_ptr<ops::Backend> backend =
      make_backend(device, is_gpu(device) ? job.memory_bytes : 0);
  RegistrationOutput output = register_volumes(input, job, control, *backend);
  output.device = device;
  for (auto* feed : {&output.forward, &output.inverse})
    if (*feed != nullptr && (*feed)->whole() == nullptr) *feed = kept_with(backend, *feed);
  return output;
}

RegistrationOutput register_volumes(const RegistrationInput& input, const JobSpec& job,
                                    const RunControl& control, ops::Backend& backend) {
  check_input(input, job);
  RegistrationOutput output;
  with_threads(job.threads, [&] {
    Subject subject(input, job.channel_weights, backend);
    prepare_levels(subject, job, backend);
    Run run(subject, job, control, backend);
    note_levels_from_files(run);
    run_stages(run);
    output = std::move(run.output);
    for (const auto* images : {&subject.fixed, &subject.moving})
      for (const ResidentImage& image : *images) output.upload_seconds += image.upload_seconds();
  });
  output.device_peak_bytes = backend.peak_bytes();
  return output;
}

}  // namespace gigawarp::solve
