#include "app/job_options.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "app/verbs.h"
#include "gigawarp/error.h"
#include "job/names.h"
#include "job/offers.h"

namespace gigawarp::app {

namespace {

std::string joined(const std::vector<std::string>& names, const char* between = ", ") {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : between) + name;
  return list;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

template <class T>
T value_of(const std::string& text, const std::string& option) {
  if (const auto value = job::value_of<T>(text)) return *value;
  throw Error(ErrorCode::usage,
              option + " takes one of " + joined(job::names_of<T>()) + ", not \"" + text + "\".",
              option);
}

/// "8x200,4x150": shrink factor times iterations.
std::vector<LevelSpec> parse_levels(const std::string& text) {
  std::vector<LevelSpec> levels;
  for (const std::string& part : split(text, ',')) {
    LevelSpec level;
    char x = 0, rest = 0;
    std::stringstream stream(part);
    stream >> level.shrink >> x >> level.iterations;
    if (!stream || x != 'x' || stream >> rest)
      throw Error(
          ErrorCode::usage,
          "--levels takes SHRINKxITERATIONS,… such as 8x200,4x150, but \"" + part + "\" was given.",
          "--levels");
    levels.push_back(level);
  }
  return levels;
}

}  // namespace

std::uint64_t parse_bytes(const std::string& text, const std::string& option) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  double factor = 0;
  if (unit.empty()) factor = 1;
  for (const auto& [name, bytes] : {std::pair{"K", 1024.0}, std::pair{"M", 1048576.0},
                                    std::pair{"G", 1073741824.0}, std::pair{"T", 1099511627776.0}})
    if (unit == name || unit == std::string(name) + "iB") factor = bytes;
  if (factor == 0 || !(number > 0) || !(number * factor < 9e18))
    throw Error(ErrorCode::usage,
                option + " takes bytes such as 8G or 500M, but \"" + text + "\" was given.",
                option);
  return static_cast<std::uint64_t>(number * factor);
}

namespace {

JobSpec read_job(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  if (!stream)
    throw Error(ErrorCode::bad_input,
                "The job \"" + path.string() + "\" could not be read; check the file name.",
                path.string());
  try {
    return parse_job(text.str());
  } catch (const Error& error) {
    throw Error(error.code(), "\"" + path.string() + "\": " + error.what(), error.subject());
  }
}

/// Stages by kind from what the preset has: a deformable model takes the settings of the preset's,
/// a linear one those of a linear one.
std::vector<StageSpec> choose_stages(const std::string& list,
                                     const std::vector<StageSpec>& preset) {
  std::vector<StageSpec> chosen;
  for (const std::string& name : split(list, ',')) {
    const auto kind = value_of<StageKind>(name, "--stages");
    const StageSpec* source = nullptr;
    for (const StageSpec& stage : preset)
      if (stage.kind == kind ||
          (source == nullptr && is_deformable(stage.kind) == is_deformable(kind)))
        source = &stage;
    if (source == nullptr)
      throw Error(ErrorCode::usage,
                  "The preset has no stage like \"" + name + "\" to take settings from; use --job.",
                  "--stages");
    chosen.push_back(*source);
    chosen.back().kind = kind;
  }
  if (chosen.empty())
    throw Error(ErrorCode::usage, "--stages names no stage; e.g. rigid,affine,greedy.", "--stages");
  return chosen;
}

void apply_stage_options(const JobOptions& options, JobSpec& job) {
  if (options.stages) job.stages = choose_stages(*options.stages, job.stages);
  if (job.stages.empty()) return;
  StageSpec& last = job.stages.back();
  if (!options.metric.empty()) last.metric.kind = value_of<MetricKind>(options.metric, "--metric");
  if (options.radius) last.metric.radius = *options.radius;
  if (options.bins) last.metric.bins = *options.bins;
  if (options.levels.empty()) return;
  last.levels = parse_levels(options.levels);
  job::coarsen_earlier_stages(job.stages);
}

void apply_initialisation(const JobOptions& options, JobSpec& job) {
  if (!options.landmarks.empty()) {
    job.fixed_landmarks = options.landmarks[0];
    job.moving_landmarks = options.landmarks[1];
  }
  if (options.init.empty()) return;
  job.initial_transform.clear();
  const auto known = job::value_of<Initialisation>(options.init);
  if (known && *known != Initialisation::transform) {
    job.initialisation = *known;
    return;
  }
  job.initialisation = Initialisation::transform;
  if (!known) job.initial_transform = options.init;
}

}  // namespace

void add_job_options(CLI::App* verb, JobOptions& o) {
  verb->add_option("--fixed", o.fixed, "Image to register to; several files are several channels")
      ->type_name("FILE");
  verb->add_option("--moving", o.moving, "Image to be moved; as many files as --fixed")
      ->type_name("FILE");
  verb->add_option("--out", o.out, "Folder for the results; made if needed")->type_name("DIR");
  verb->add_option("--preset", o.preset, "Settings for a kind of pair (default: brain-t1)")
      ->type_name(joined(preset_names(), "|"));
  verb->add_option("--job", o.job_file, "Job file (JSON), such as the job.json of an earlier run")
      ->type_name("FILE");
  verb->add_option("--fixed-mask", o.fixed_mask,
                   "Voxels of the fixed image that count (non-zero); \"nonzero\" takes its own, "
                   "\"none\" all (default: its own when only it is brain-extracted, else all)")
      ->type_name("FILE");
  verb->add_option("--moving-mask", o.moving_mask,
                   "Voxels of the moving image that count (non-zero); \"nonzero\" takes its own, "
                   "\"none\" all")
      ->type_name("FILE");
  verb->add_option("--labels,--moving-labels", o.labels,
                   "Labels of the moving image: written on the fixed grid after the run")
      ->type_name("FILE");
  verb->add_option("--fixed-labels", o.fixed_labels,
                   "Labels of the fixed image: written on the moving grid after the run, by the "
                   "inverse; with --labels the overlap is scored")
      ->type_name("FILE");
  verb->add_option("--landmarks", o.landmarks,
                   "Landmarks of fixed and moving: the error is scored; start from them with "
                   "--init landmarks")
      ->expected(2)
      ->type_name("FILE");
  verb->add_option("--init", o.init,
                   "Where to start (default: the preset's); a transform file may be [file,1] for "
                   "its inverse")
      ->type_name("automatic|identity|centres|moments|landmarks|FILE");
  verb->add_option("--stages", o.stages,
                   "Stages to run, e.g. rigid,affine,syn (default: the preset's)")
      ->type_name("LIST");
  verb->add_option("--metric", o.metric, "Similarity of the last stage")->type_name("lncc|mi|mse");
  verb->add_option("--radius", o.radius, "LNCC window radius of the last stage, voxels");
  verb->add_option("--bins", o.bins, "MI bins of the last stage, 16 to 128");
  verb->add_option("--levels", o.levels,
                   "Levels of the last stage, coarse to fine, e.g. 8x200,4x150,2x100; earlier "
                   "stages take no finer ones")
      ->type_name("LIST");
  verb->add_option("--weights", o.weights, "Weight of each channel (default: equal)")
      ->delimiter(',');
  add_spacing_option(verb, "--fixed-spacing", o.fixed_spacing_mm,
                     "Voxel size of the fixed image in mm, instead of the file's");
  add_spacing_option(verb, "--moving-spacing", o.moving_spacing_mm,
                     "Voxel size of the moving image in mm, instead of the file's");
  add_selection_options(verb, "fixed-", "the fixed image", o.fixed_selection);
  add_selection_options(verb, "moving-", "the moving image", o.moving_selection);
  verb->add_option(
          "--device", o.device,
          "auto: the GPU with most free memory if the run fits there, else the CPU; "
          "cpu; cuda:0; cuda:0,1 or cuda:all: one registration over several, with the same "
          "result; mpi (mpi:cuda, mpi:cpu): over the processes that mpirun started, a GPU each "
          "(default: auto)")
      ->type_name("auto|cpu|cuda:0|cuda:0,1|cuda:all|mpi");
  verb->add_option("--threads", o.threads,
                   "CPU threads (default: all); results do not depend on it");
  verb->add_option(
          "--memory", o.memory,
          "Memory the run may use, e.g. 8G: of each GPU on GPUs, of each rank with mpi:cpu, "
          "else the machine's (default: what is free)")
      ->type_name("BYTES");
  verb->add_flag("--no-inverse", o.no_inverse,
                 "Do not compute and write the inverse warp; fixed labels are then only scored "
                 "(with --labels)");
  verb->add_flag("--no-warped", o.no_warped, "Do not write the warped moving image");
  verb->add_flag("--uncompressed", o.uncompressed, "Write .nii rather than .nii.gz");
  verb->add_option("--warp-grid", o.warp_grid,
                   "Write the warp on every voxel of the fixed image (full, default) or on the "
                   "grid of the finest level registered (level): the same map, a smaller file")
      ->type_name("full|level");
  verb->add_option("--format", o.format,
                   "Write the warped image and labels as nifti (default) or ome.zarr, a pyramid")
      ->type_name("nifti|ome.zarr");
  verb->add_option("--pyramid", o.pyramid,
                   "auto (default): coarse levels of an image too large to be read whole come from "
                   "those in its file if they are averages of the finest; never: from the finest")
      ->type_name("auto|never");
}

JobSpec make_job(const JobOptions& o, bool from_output) {
  if (!o.job_file.empty() && !o.preset.empty())
    throw Error(ErrorCode::usage, "Give --preset or --job, not both.", "--preset");
  JobSpec job;
  const std::filesystem::path earlier = std::filesystem::path(o.out) / "job.json";
  const bool images_given = !o.fixed.empty() || !o.moving.empty();
  if (!o.job_file.empty()) {
    job = read_job(o.job_file);
  } else if (from_output && !images_given && !o.out.empty()) {
    if (!std::filesystem::exists(earlier))
      throw Error(ErrorCode::usage,
                  "\"" + o.out + "\" holds no run that could be resumed; check --out.", "--out");
    job = read_job(earlier);
  } else {
    job = job_from_preset(o.preset.empty() ? preset_names().front() : o.preset);
  }
  if (!o.fixed.empty()) job.fixed = o.fixed;
  if (!o.moving.empty()) job.moving = o.moving;
  if (!o.weights.empty()) job.channel_weights = o.weights;
  for (const auto& [given, target] :
       {std::pair{&o.fixed_mask, &job.fixed_mask}, std::pair{&o.moving_mask, &job.moving_mask},
        std::pair{&o.fixed_labels, &job.fixed_labels}, std::pair{&o.labels, &job.moving_labels},
        std::pair{&o.device, &job.device}, std::pair{&o.out, &job.output_directory}})
    if (!given->empty()) *target = *given;
  if (o.fixed_spacing_mm) job.fixed_spacing_mm = o.fixed_spacing_mm;
  if (o.moving_spacing_mm) job.moving_spacing_mm = o.moving_spacing_mm;
  override_selection(job.fixed_selection, o.fixed_selection);
  override_selection(job.moving_selection, o.moving_selection);
  if (o.threads) job.threads = *o.threads;
  if (!o.memory.empty()) job.memory_bytes = parse_bytes(o.memory, "--memory");
  if (o.no_inverse) job.write_inverse = false;
  if (o.no_warped) job.write_warped = false;
  if (o.uncompressed) job.compress = false;
  if (!o.warp_grid.empty()) job.warp_grid = value_of<WarpGrid>(o.warp_grid, "--warp-grid");
  if (!o.format.empty()) job.image_format = value_of<ImageFormat>(o.format, "--format");
  if (!o.pyramid.empty()) job.pyramid = value_of<PyramidUse>(o.pyramid, "--pyramid");
  apply_initialisation(o, job);
  apply_stage_options(o, job);
  return job;
}

}  // namespace gigawarp::app
