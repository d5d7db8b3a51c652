#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "gigawarp/job.h"
#include "job/json_object.h"
#include "job/names.h"

namespace gigawarp {

using job::JsonObject;

namespace {

template <class T>
void read_name(const JsonObject& object, const char* key, T& out) {
  if (!object.has(key)) return;
  std::string text;
  object.read(key, text);
  if (const auto value = job::value_of<T>(text)) {
    out = *value;
    return;
  }
  const std::vector<std::string> names = job::names_of<T>();
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  object.refuse(key, "one of " + list);
}

MetricSpec parse_metric(const nlohmann::json& json, const std::string& path) {
  const JsonObject object(
      json, path,
      {"kind", "radius", "window", "approximate_gradient", "symmetric_gradient", "bins"});
  MetricSpec metric;
  read_name(object, "kind", metric.kind);
  read_name(object, "window", metric.window);
  object.read("radius", metric.radius);
  object.read("approximate_gradient", metric.approximate_gradient);
  object.read("symmetric_gradient", metric.symmetric_gradient);
  object.read("bins", metric.bins);
  return metric;
}

std::vector<LevelSpec> parse_levels(const JsonObject& stage) {
  if (!stage.at("levels").is_array()) stage.refuse("levels", "an array of levels");
  std::vector<LevelSpec> levels;
  for (const nlohmann::json& json : stage.at("levels")) {
    const std::string path = stage.path_of("levels") + "[" + std::to_string(levels.size()) + "]";
    const JsonObject object(json, path, {"shrink", "iterations"});
    LevelSpec level;
    object.read("shrink", level.shrink);
    object.read("iterations", level.iterations);
    levels.push_back(level);
  }
  return levels;
}

StageSpec parse_stage(const nlohmann::json& json, const std::string& path) {
  const JsonObject object(
      json, path,
      {"kind", "metric", "levels", "learning_rate", "sigma_gradient_voxels", "sigma_warp_voxels",
       "convergence_slope", "convergence_window", "minimum_jacobian", "gradient_floor",
       "noise_floor", "noise_smoothing", "incoherence_damping"});
  StageSpec stage;
  read_name(object, "kind", stage.kind);
  if (object.has("metric"))
    stage.metric = parse_metric(object.at("metric"), object.path_of("metric"));
  if (object.has("levels")) stage.levels = parse_levels(object);
  object.read("learning_rate", stage.learning_rate);
  object.read("sigma_gradient_voxels", stage.sigma_gradient_voxels);
  object.read("sigma_warp_voxels", stage.sigma_warp_voxels);
  object.read("convergence_slope", stage.convergence_slope);
  object.read("convergence_window", stage.convergence_window);
  object.read("minimum_jacobian", stage.minimum_jacobian);
  object.read("gradient_floor", stage.gradient_floor);
  object.read("noise_floor", stage.noise_floor);
  object.read("noise_smoothing", stage.noise_smoothing);
  object.read("incoherence_damping", stage.incoherence_damping);
  return stage;
}

void check_version(const JsonObject& object) {
  int version = 0;
  object.read("version", version);
  if (version == JobSpec::kVersion) return;
  const std::string wanted = std::to_string(JobSpec::kVersion);
  if (!object.has("version"))
    throw Error(ErrorCode::usage,
                "The job has no \"version\"; this Gigawarp reads version " + wanted + ".",
                "version");
  throw Error(ErrorCode::usage,
              "The job has version " + std::to_string(version) +
                  ", but this Gigawarp reads version " + wanted +
                  "; use the Gigawarp it was made for.",
              "version");
}

nlohmann::ordered_json stage_json(const StageSpec& stage) {
  nlohmann::ordered_json levels = nlohmann::ordered_json::array();
  for (const LevelSpec& level : stage.levels)
    levels.push_back({{"shrink", level.shrink}, {"iterations", level.iterations}});
  return {{"kind", job::name_of(stage.kind)},
          {"metric",
           {{"kind", job::name_of(stage.metric.kind)},
            {"radius", stage.metric.radius},
            {"window", job::name_of(stage.metric.window)},
            {"approximate_gradient", stage.metric.approximate_gradient},
            {"symmetric_gradient", stage.metric.symmetric_gradient},
            {"bins", stage.metric.bins}}},
          {"levels", levels},
          {"learning_rate", stage.learning_rate},
          {"sigma_gradient_voxels", stage.sigma_gradient_voxels},
          {"sigma_warp_voxels", stage.sigma_warp_voxels},
          {"convergence_slope", stage.convergence_slope},
          {"convergence_window", stage.convergence_window},
          {"minimum_jacobian", stage.minimum_jacobian},
          {"gradient_floor", stage.gradient_floor},
          {"noise_floor", stage.noise_floor},
          {"noise_smoothing", stage.noise_smoothing},
          {"incoherence_damping", stage.incoherence_damping}};
}

void read_selection(const JsonObject& parent, const char* key, ImageSelection& out) {
  if (!parent.has(key)) return;
  const JsonObject object(parent.at(key), parent.path_of(key), {"level", "channel", "timepoint"});
  for (const auto& [name, index] :
       {std::pair{"level", &out.level}, std::pair{"channel", &out.channel},
        std::pair{"timepoint", &out.timepoint}}) {
    if (!object.has(name)) continue;
    int value = 0;
    object.read(name, value);
    *index = value;
  }
}

void write_selection(nlohmann::ordered_json& json, const char* key,
                     const ImageSelection& selection) {
  nlohmann::ordered_json object;
  if (selection.level) object["level"] = *selection.level;
  if (selection.channel) object["channel"] = *selection.channel;
  if (selection.timepoint) object["timepoint"] = *selection.timepoint;
  if (!object.is_null()) json[key] = object;
}

}  // namespace

JobSpec parse_job(const std::string& json_text) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(json_text);
  } catch (const nlohmann::json::parse_error& error) {
    const auto end =
        json_text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, json_text.size()));
    throw Error(ErrorCode::usage, "The job is not JSON: there is a mistake in line " +
                                      std::to_string(1 + std::count(json_text.begin(), end, '\n')) +
                                      ".");
  }
  const JsonObject object(
      json, "", {"version",         "preset",           "description",      "fixed",
                 "moving",          "channel_weights",  "fixed_mask",       "moving_mask",
                 "fixed_labels",    "moving_labels",    "fixed_spacing_mm", "moving_spacing_mm",
                 "fixed_selection", "moving_selection", "initialisation",   "initial_transform",
                 "fixed_landmarks", "moving_landmarks", "stages",           "device",
                 "threads",         "memory_bytes",     "output_directory", "write_inverse",
                 "write_warped",    "compress",         "warp_grid",        "image_format",
                 "pyramid"});
  check_version(object);
  JobSpec job;
  std::string description;  // for readers of the file
  object.read("description", description);
  object.read("preset", job.preset);
  object.read("fixed", job.fixed);
  object.read("moving", job.moving);
  object.read("channel_weights", job.channel_weights);
  object.read("fixed_mask", job.fixed_mask);
  object.read("moving_mask", job.moving_mask);
  object.read("fixed_labels", job.fixed_labels);
  object.read("moving_labels", job.moving_labels);
  object.read("fixed_spacing_mm", job.fixed_spacing_mm);
  object.read("moving_spacing_mm", job.moving_spacing_mm);
  read_selection(object, "fixed_selection", job.fixed_selection);
  read_selection(object, "moving_selection", job.moving_selection);
  read_name(object, "initialisation", job.initialisation);
  object.read("initial_transform", job.initial_transform);
  object.read("fixed_landmarks", job.fixed_landmarks);
  object.read("moving_landmarks", job.moving_landmarks);
  if (object.has("stages")) {
    if (!object.at("stages").is_array()) object.refuse("stages", "an array of stages");
    for (const nlohmann::json& stage : object.at("stages"))
      job.stages.push_back(parse_stage(stage, "stages[" + std::to_string(job.stages.size()) + "]"));
  }
  object.read("device", job.device);
  object.read("threads", job.threads);
  object.read("memory_bytes", job.memory_bytes);
  object.read("output_directory", job.output_directory);
  object.read("write_inverse", job.write_inverse);
  object.read("write_warped", job.write_warped);
  object.read("compress", job.compress);
  read_name(object, "warp_grid", job.warp_grid);
  read_name(object, "image_format", job.image_format);
  read_name(object, "pyramid", job.pyramid);
  return job;
}

std::string to_json(const JobSpec& job) {
  nlohmann::ordered_json json{{"version", JobSpec::kVersion}};
  const auto text = [&json](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  text("preset", job.preset);
  json["fixed"] = job.fixed;
  json["moving"] = job.moving;
  if (!job.channel_weights.empty()) json["channel_weights"] = job.channel_weights;
  text("fixed_mask", job.fixed_mask);
  text("moving_mask", job.moving_mask);
  text("fixed_labels", job.fixed_labels);
  text("moving_labels", job.moving_labels);
  if (job.fixed_spacing_mm) json["fixed_spacing_mm"] = *job.fixed_spacing_mm;
  if (job.moving_spacing_mm) json["moving_spacing_mm"] = *job.moving_spacing_mm;
  write_selection(json, "fixed_selection", job.fixed_selection);
  write_selection(json, "moving_selection", job.moving_selection);
  json["initialisation"] = job::name_of(job.initialisation);
  text("initial_transform", job.initial_transform);
  text("fixed_landmarks", job.fixed_landmarks);
  text("moving_landmarks", job.moving_landmarks);
  json["stages"] = nlohmann::ordered_json::array();
  for (const StageSpec& stage : job.stages) json["stages"].push_back(stage_json(stage));
  json["device"] = job.device;
  json["threads"] = job.threads;
  json["memory_bytes"] = job.memory_bytes;
  text("output_directory", job.output_directory);
  json["write_inverse"] = job.write_inverse;
  json["write_warped"] = job.write_warped;
  json["compress"] = job.compress;
  // Left out where they are the default, so that digests of older jobs stay.
  if (job.warp_grid != WarpGrid::full) json["warp_grid"] = job::name_of(job.warp_grid);
  if (job.image_format != ImageFormat::nifti) json["image_format"] = job::name_of(job.image_format);
  if (job.pyramid != PyramidUse::automatic) json["pyramid"] = job::name_of(job.pyramid);
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace gigawarp
