#pragma once
#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/job.h"

namespace gigawarp::app {

/// The options that describe a registration job; `register` and `plan` share them.
struct JobOptions {
  std::string preset, job_file;
  std::vector<std::string> fixed, moving;
  std::vector<double> weights;
  std::string fixed_mask, moving_mask, fixed_labels, labels;
  std::vector<std::string> landmarks;  ///< fixed, moving
  std::optional<Vec3> fixed_spacing_mm, moving_spacing_mm;
  ImageSelection fixed_selection, moving_selection;
  std::string init, metric, levels;
  std::optional<std::string> stages;
  std::optional<int> radius, bins, threads;
  std::string device, memory, out, warp_grid, format, pyramid;
  bool no_inverse = false, no_warped = false, uncompressed = false;
};

void add_job_options(CLI::App* verb, JobOptions& options);

/// The job file or preset, changed by every option that was given. Without images and without --job
/// the job of an earlier run in --out is taken when `from_output` is set. Throws Error{usage}.
JobSpec make_job(const JobOptions& options, bool from_output);

/// "8G", "512M" or bytes. Throws Error{usage} naming `option`.
std::uint64_t parse_bytes(const std::string& text, const std::string& option);

}  // namespace gigawarp::app
