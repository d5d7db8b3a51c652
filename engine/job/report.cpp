#include "job/report.h"

#include <array>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "gigawarp/device.h"
#include "job/inputs.h"
#include "job/version.h"

namespace gigawarp::job {

namespace {

using Json = nlohmann::ordered_json;

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

Json measures_json(const Measures& measures) {
  Json json = Json::object();
  const auto add = [&json](const char* key, const std::optional<double>& value) {
    if (value) json[key] = *value;
  };
  add("global_ncc", measures.global_ncc);
  if (measures.ncc_plane_step) json["global_ncc_on_every_nth_plane"] = *measures.ncc_plane_step;
  if (measures.inverse_plane_step)
    json["inverse_error_on_every_nth_plane"] = *measures.inverse_plane_step;
  add("folds_percent", measures.folds_percent);
  add("minimum_jacobian", measures.minimum_jacobian);
  add("sd_log_jacobian", measures.sd_log_jacobian);
  add("inverse_error_mean_mm", measures.inverse_mean_mm);
  add("inverse_error_p95_mm", measures.inverse_p95_mm);
  add("inverse_error_max_mm", measures.inverse_maximum_mm);
  if (measures.landmarks > 0) json["landmarks"] = measures.landmarks;
  add("landmark_error_before_mm", measures.landmarks_before_mm);
  add("landmark_error_mean_mm", measures.landmarks_mean_mm);
  add("landmark_error_p95_mm", measures.landmarks_p95_mm);
  add("landmark_error_max_mm", measures.landmarks_maximum_mm);
  if (measures.landmarks_held_out > 0) json["landmarks_held_out"] = measures.landmarks_held_out;
  add("landmark_error_used_mean_mm", measures.landmarks_used_mean_mm);
  add("landmark_error_held_out_mean_mm", measures.landmarks_held_out_mean_mm);
  add("dice_mean", measures.dice_mean);
  add("dice_p30", measures.dice_p30);
  for (const auto& [label, dice] : measures.dice) json["dice"][std::to_string(label)] = dice;
  for (const auto& [label, name] : measures.label_names)
    json["label_names"][std::to_string(label)] = name;
  return json;
}

Json levels_json(const std::vector<solve::LevelReport>& levels) {
  Json json = Json::array();
  for (const solve::LevelReport& level : levels)
    json.push_back({{"stage", level.stage},
                    {"shrink", level.shrink},
                    {"iterations", level.iterations},
                    {"converged", level.converged},
                    {"first_loss", level.first_loss},
                    {"last_loss", level.last_loss},
                    {"seconds", level.seconds},
                    {"ns_per_voxel_iteration", level.ns_per_voxel_iteration},
                    {"losses", level.losses}});
  return json;
}

Json provenance_json(const JobSpec& job, const Plan& plan, const RunResult& result,
                     const std::map<std::string, std::string>& checksums,
                     const std::string& command_line) {
  Json inputs = Json::array();
  for (const InputFile& file : input_files(job)) {
    Json input{{"role", file.role}, {"path", file.path}};
    if (const auto sum = checksums.find(file.role); sum != checksums.end())
      input["sha256"] = sum->second;
    inputs.push_back(input);
  }
  const DeviceInfo cpu = cpu_device();
  const std::string mask =
      result.fixed_mask_chosen ? std::string(kNonZeroMask) + " (chosen)" : job.fixed_mask;
  return {{"program", "gigawarp"},
          {"version", version()},
          {"finished", utc_now()},
          {"command_line", command_line},
          {"inputs", inputs},
          {"fixed_mask", mask.empty() ? kNoMask : mask},
          {"moving_mask", job.moving_mask.empty() ? kNoMask : job.moving_mask},
          {"device", plan.device},
          {"device_note", plan.note},
          {"cpu", cpu.name},
          {"instruction_set", cpu.instruction_set},
          {"threads", plan.threads},
          {"seconds", result.seconds},
          {"predicted_seconds", plan.forecast.seconds},
          {"peak_memory_bytes", result.peak_memory_bytes},
          {"peak_memory_bytes_per_fixed_voxel", static_cast<double>(result.peak_memory_bytes) /
                                                    static_cast<double>(plan.fixed.voxel_count())},
          {"predicted_memory_bytes", plan.memory_needed}};
}

template <class... Numbers>
std::string line(const char* name, const char* format, Numbers... numbers) {
  std::array<char, 256> value{};
  std::snprintf(value.data(), value.size(), format, numbers...);
  std::string text = "  " + std::string(name);
  text.resize(30, ' ');
  return text + value.data() + "\n";
}

}  // namespace

std::string report_json(const JobSpec& job, const Plan& plan, const RunResult& result,
                        const std::map<std::string, std::string>& checksums,
                        const std::string& command_line) {
  const Json json{{"version", 1},
                  {"transform",
                   {{"direction", "fixed points to moving points, world LPS millimetres"},
                    {"order", "1Warp is applied to a fixed point first, then 0GenericAffine"}}},
                  {"files", result.files},
                  {"measures", measures_json(result.measures)},
                  {"levels", levels_json(result.levels)},
                  {"warnings", result.warnings},
                  {"notes", result.notes},
                  {"provenance", provenance_json(job, plan, result, checksums, command_line)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string report_text(const RunResult& result) {
  const Measures& m = result.measures;
  std::string text;
  if (m.global_ncc) text += line("similarity (global NCC)", "%.4f", *m.global_ncc);
  if (m.dice_mean)
    text += line("label overlap (Dice)", "mean %.3f, 30th percentile %.3f, %zu labels",
                 *m.dice_mean, m.dice_p30.value_or(0), m.dice.size());
  if (m.landmarks_mean_mm)
    text += line("landmark error", "mean %.2f mm (%.2f before), p95 %.2f, max %.2f, %zu pairs",
                 *m.landmarks_mean_mm, m.landmarks_before_mm.value_or(0),
                 m.landmarks_p95_mm.value_or(0), m.landmarks_maximum_mm.value_or(0), m.landmarks);
  if (m.landmarks_held_out_mean_mm)
    text += line("held-out landmark error", "mean %.2f mm, %zu pairs",
                 *m.landmarks_held_out_mean_mm, m.landmarks_held_out);
  if (m.folds_percent)
    text += line("folded voxels", "%.4f %% (smallest det J %.3f, SD log det J %.3f)",
                 *m.folds_percent, m.minimum_jacobian.value_or(0), m.sd_log_jacobian.value_or(0));
  if (m.inverse_mean_mm)
    text += line("inverse error", "mean %.4f mm, p95 %.4f, max %.3f", *m.inverse_mean_mm,
                 m.inverse_p95_mm.value_or(0), m.inverse_maximum_mm.value_or(0));
  const auto seconds = [&result](const char* phase) {
    const auto found = result.seconds.find(phase);
    return found == result.seconds.end() ? 0.0 : found->second;
  };
  text += line("time", "%.1f s (read %.1f, register %.1f, measure and write %.1f)",
               seconds("total"), seconds("load"), seconds("register"), seconds("write"));
  text +=
      line("peak memory", "%.0f MiB", static_cast<double>(result.peak_memory_bytes) / (1 << 20));
  text += line("results", "%s", result.folder.c_str());
  for (const std::string& file : result.files) text += "    " + file + "\n";
  return text;
}

}  // namespace gigawarp::job
