#include <array>
#include <cmath>
#include <cstdio>
#include <regex>
#include <set>
#include <string>

#include "gigawarp/error.h"
#include "gigawarp/job.h"
#include "job/names.h"

namespace gigawarp {

namespace {

[[noreturn]] void refuse(const std::string& sentence, const std::string& key) {
  throw Error(ErrorCode::usage, sentence, key);
}

/// Refuses a value outside [low, high]; NaN too.
void require_range(double value, double low, double high, const std::string& key) {
  if (value >= low && value <= high) return;
  const auto text = [](double number) {
    std::array<char, 32> digits{};
    std::snprintf(digits.data(), digits.size(), "%.7g", number);
    return std::string(digits.data());
  };
  refuse("\"" + key + "\" must lie between " + text(low) + " and " + text(high) + ", but it is " +
             text(value) + ".",
         key);
}

void validate_inputs(const JobSpec& job) {
  if (job.fixed.empty()) refuse("No fixed image is given; name one with --fixed.", "fixed");
  if (job.moving.empty()) refuse("No moving image is given; name one with --moving.", "moving");
  for (const std::string& file : job.fixed)
    if (file.empty()) refuse("A fixed image has an empty file name.", "fixed");
  for (const std::string& file : job.moving)
    if (file.empty()) refuse("A moving image has an empty file name.", "moving");
  if (job.fixed.size() != job.moving.size())
    refuse("There are " + std::to_string(job.fixed.size()) + " fixed images but " +
               std::to_string(job.moving.size()) +
               " moving ones; give one moving image for each fixed one, in the same order.",
           "moving");
  if (!job.channel_weights.empty() && job.channel_weights.size() != job.fixed.size())
    refuse("There are " + std::to_string(job.channel_weights.size()) + " channel weights for " +
               std::to_string(job.fixed.size()) + " channels.",
           "channel_weights");
  double sum = 0;
  for (const double weight : job.channel_weights) {
    require_range(weight, 0, 1e6, "channel_weights");
    sum += weight;
  }
  if (!job.channel_weights.empty() && sum <= 0)
    refuse("All channel weights are zero.", "channel_weights");
  if (!job.fixed_labels.empty() && job.moving_labels.empty() && !job.write_inverse)
    refuse(
        "Labels of the fixed image come onto the moving one's grid by the inverse, which this run "
        "leaves out; let it write the inverse (no --no-inverse, \"write_inverse\": true), or add "
        "--labels of the moving image to score them.",
        "fixed_labels");
  for (const auto& [spacing, key] : {std::pair{&job.fixed_spacing_mm, "fixed_spacing_mm"},
                                     std::pair{&job.moving_spacing_mm, "moving_spacing_mm"}})
    if (*spacing)
      for (const double mm : **spacing) require_range(mm, 1e-7, 1e6, key);
  for (const ImageSelection* selection : {&job.fixed_selection, &job.moving_selection})
    for (const auto& index : {selection->level, selection->channel, selection->timepoint})
      if (index) require_range(*index, 0, 1e6, "selection");
}

void validate_initialisation(const JobSpec& job) {
  const bool has_transform = !job.initial_transform.empty();
  if (job.initialisation == Initialisation::transform && !has_transform)
    refuse("The initialisation is a transform, but no \"initial_transform\" is given.",
           "initial_transform");
  if (job.initialisation != Initialisation::transform && has_transform)
    refuse("An initial transform is given, but the initialisation is \"" +
               job::name_of(job.initialisation) + "\"; set it to \"transform\".",
           "initialisation");
  if (job.fixed_landmarks.empty() != job.moving_landmarks.empty())
    refuse("Landmarks must be given for both images or for none.",
           job.fixed_landmarks.empty() ? "fixed_landmarks" : "moving_landmarks");
  if (job.initialisation == Initialisation::landmarks && job.fixed_landmarks.empty())
    refuse("The initialisation is by landmarks, but no landmark files are given.",
           "fixed_landmarks");
}

void validate_metric(const MetricSpec& metric, const std::string& key) {
  require_range(metric.radius, 1, 16, key + ".radius");
  require_range(metric.bins, 16, 128, key + ".bins");
}

void validate_stage(const StageSpec& stage, const std::string& key) {
  validate_metric(stage.metric, key + ".metric");
  if (stage.levels.empty()) refuse("\"" + key + "\" has no levels.", key + ".levels");
  int previous = 1 << 20;
  std::size_t i = 0;
  for (const LevelSpec& level : stage.levels) {
    const std::string path = key + ".levels[" + std::to_string(i++) + "]";
    require_range(level.shrink, 1, 256, path + ".shrink");
    require_range(level.iterations, 0, 100000, path + ".iterations");
    if (level.shrink >= previous)
      refuse("The levels of \"" + key + "\" must go from coarse to fine, but shrink " +
                 std::to_string(level.shrink) + " follows " + std::to_string(previous) + ".",
             path + ".shrink");
    previous = level.shrink;
  }
  require_range(stage.learning_rate, 1e-6, 1, key + ".learning_rate");
  require_range(stage.sigma_gradient_voxels, 0, 16, key + ".sigma_gradient_voxels");
  require_range(stage.sigma_warp_voxels, 0, 16, key + ".sigma_warp_voxels");
  require_range(stage.convergence_slope, 0, 1, key + ".convergence_slope");
  require_range(stage.convergence_window, 2, 1000, key + ".convergence_window");
  require_range(stage.minimum_jacobian, 0, 0.99, key + ".minimum_jacobian");
  require_range(stage.gradient_floor, 0, 1000, key + ".gradient_floor");
  require_range(stage.noise_floor, 0, 1000, key + ".noise_floor");
  require_range(stage.noise_smoothing, 0, 1000, key + ".noise_smoothing");
  require_range(stage.incoherence_damping, 0, 100, key + ".incoherence_damping");
}

void validate_device(const std::string& device) {
  static const std::regex form(
      "auto|cpu(:[0-9]{1,4})?|cuda:(all|[0-9]{1,4}(,[0-9]{1,4})*)|mpi(:(cpu|cuda))?");
  if (!std::regex_match(device, form))
    refuse("\"" + device + "\" is not a device; use auto, cpu, cuda:0, cuda:0,1, cuda:all or mpi.",
           "device");
}

}  // namespace

void validate(const JobSpec& job) {
  validate_inputs(job);
  validate_initialisation(job);
  if (job.stages.empty()) refuse("The job has no stages; choose a preset with --preset.", "stages");
  bool deformable = false;
  for (std::size_t i = 0; i < job.stages.size(); ++i) {
    const std::string key = "stages[" + std::to_string(i) + "]";
    validate_stage(job.stages[i], key);
    if (deformable)
      refuse("\"" + key + "\" follows a deformable stage; only the last stage may be deformable.",
             key + ".kind");
    deformable = is_deformable(job.stages[i].kind);
  }
  validate_device(job.device);
  require_range(job.threads, 0, 4096, "threads");
}

}  // namespace gigawarp
