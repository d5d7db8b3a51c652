#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <sstream>

#include "app/job_options.h"
#include "app/progress_display.h"
#include "app/run_commands.h"
#include "app/transform_list.h"
#include "app/verbs.h"
#include "base/parallel.h"
#include "gigawarp/error.h"
#include "gigawarp/job.h"
#include "io/image_io.h"
#include "io/landmarks_io.h"
#include "job/source_feed.h"
#include "phantom/phantom.h"
#include "qc/report.h"
#include "render/contact_sheet.h"
#include "render/offscreen.h"

namespace gigawarp::app {
namespace {

namespace fs = std::filesystem;

struct QcOptions {
  std::string fixed, moving, mask, fixed_labels, moving_labels, phantom;
  std::vector<std::string> transforms, inverse_transforms, reference, landmarks;
  io::ReadOptions fixed_options, moving_options;
  fs::path result, json, sheet, thumbnail, local_ncc, jacobian;
  std::string progress = "auto";
  std::string memory;
  bool no_hd95 = false, summary_only = false;
};

std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  if (!stream)
    throw Error(ErrorCode::bad_input,
                "\"" + path.string() + "\" cannot be read; check that it exists.", path.string());
  return text.str();
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
  return out;
}

/// Fills what the options leave open from the folder of a run.
void use_result_folder(QcOptions& o) {
  if (o.result.empty()) return;
  const JobSpec job = parse_job(read_text(o.result / "job.json"));
  const auto take = [](std::string& to, const std::string& from) {
    if (to.empty()) to = from;
  };
  if (!job.fixed.empty()) take(o.fixed, job.fixed.front());
  if (!job.moving.empty()) take(o.moving, job.moving.front());
  take(o.fixed_labels, job.fixed_labels);
  take(o.moving_labels, job.moving_labels);
  if (o.landmarks.empty() && !job.fixed_landmarks.empty() && !job.moving_landmarks.empty())
    o.landmarks = {job.fixed_landmarks, job.moving_landmarks};
  for (const auto& [options, spacing_mm, selection] :
       {std::tuple{&o.fixed_options, &job.fixed_spacing_mm, job.fixed_selection},
        std::tuple{&o.moving_options, &job.moving_spacing_mm, job.moving_selection}}) {
    if (!options->spacing_mm) options->spacing_mm = *spacing_mm;
    ImageSelection merged = selection;
    override_selection(merged, options->selection);
    options->selection = merged;
  }
  const auto found = [&](const char* name) -> std::string {
    for (const char* ending : {".nii.gz", ".nii", ".mat"})
      if (fs::exists(o.result / (std::string(name) + ending)))
        return (o.result / (std::string(name) + ending)).string();
    return {};
  };
  const std::string affine = found("0GenericAffine"), warp = found("1Warp"),
                    inverse = found("1InverseWarp");
  if (o.transforms.empty()) {
    if (!warp.empty()) o.transforms.push_back(warp);
    if (!affine.empty()) o.transforms.push_back(affine);
  }
  if (o.inverse_transforms.empty() && !affine.empty() && (warp.empty() || !inverse.empty())) {
    o.inverse_transforms.push_back("[" + affine + ",1]");
    if (!inverse.empty()) o.inverse_transforms.push_back(inverse);
  }
}

void check(const QcOptions& o) {
  if (o.fixed.empty() || o.moving.empty() || o.transforms.empty())
    throw Error(
        ErrorCode::usage,
        "A quality check needs --fixed, --moving and --transform, or --result with the folder "
        "of a run.",
        "qc");
  if (!o.landmarks.empty() && o.landmarks.size() != 2)
    throw Error(ErrorCode::usage,
                "--landmarks takes two files: of the fixed and of the moving image.",
                "--landmarks");
  if (o.fixed_labels.empty() != o.moving_labels.empty())
    throw Error(ErrorCode::usage, "Labels are compared in pairs: give --fixed-labels and --labels.",
                "--labels");
}

std::vector<qc::NamedPoint> points(const std::string& file) {
  std::vector<qc::NamedPoint> out;
  for (const io::Landmark& l : io::read_landmarks(file)) out.push_back({l.name, l.position_mm});
  return out;
}

Volume read_or_none(const std::string& file, const io::ReadOptions& image_options) {
  if (file.empty()) return {};
  return io::read_image(file, io::companion_options(image_options, file));
}

void measure_known_map(const std::string& file, const Transform& transform, qc::QcReport& report) {
  const phantom::Phantom pair(phantom::parse_phantom(read_text(file)));
  const phantom::MapError error = phantom::known_map_error(transform, pair);
  report.known_map = {error.points, error.undefined, error.mean_mm, error.p95_mm, error.max_mm};
}

/// Everything that is read, so that the input can borrow it.
struct Files {
  std::int64_t every = 1;  ///< voxel of the fixed image along each axis
  Volume fixed, mask, fixed_labels;
  std::shared_ptr<const VolumeFeed> moving, moving_labels;  ///< null: none
  Transform transform, inverse, reference;
};

using Source = std::shared_ptr<const io::BrickSource>;

std::shared_ptr<const VolumeFeed> feed_of(const Source& source, const std::string& file,
                                          const io::ReadOptions& options) {
  job::SourceFeed::Choice choice;
  choice.level = options.selection.level.value_or(0);
  choice.labels = options.label_map;
  return std::make_shared<job::SourceFeed>(source, file, choice);
}

/// A volume of which boxes can be had: read whole only where its format leaves no choice.
std::shared_ptr<const VolumeFeed> open_feed(const std::string& file,
                                            const io::ReadOptions& options) {
  if (const Source source = io::open_source(file, options)) return feed_of(source, file, options);
  return std::make_shared<WholeVolume>(io::read_image(file, options));
}

/// What measuring takes for each voxel of the fixed image, pictures and surfaces of labels
/// included.
constexpr double kBytesPerVoxel = 40;
constexpr double kProgramBytes = 300e6;  ///< with slabs of the moving image

/// 1 when every voxel can be measured within the memory, else how many to step along each axis.
std::int64_t measured_every(const QcOptions& o) {
  const io::ImageHeader fixed = io::read_header(o.fixed, o.fixed_options),
                        moving = io::read_header(o.moving, o.moving_options);
  const double budget = static_cast<double>(o.memory.empty() ? available_memory_bytes()
                                                             : parse_bytes(o.memory, "--memory"));
  const auto bytes = [](const io::ImageHeader& h) {
    return static_cast<double>(h.grid.voxel_count()) * static_cast<double>(size_of(h.type));
  };
  const auto voxels = static_cast<double>(fixed.grid.voxel_count());
  if (kProgramBytes + bytes(moving) + voxels * kBytesPerVoxel <= budget) return 1;
  const double fitting = std::max(1e6, (budget - kProgramBytes) / kBytesPerVoxel);
  std::int64_t every = 2;
  while (voxels / static_cast<double>(every * every * every) > fitting) ++every;
  return every;
}

/// As many voxels as can be measured; the moving side is read where they lead.
void read_thinned_files(const QcOptions& o, Files& files) {
  const auto thinned = [&](const std::string& file, const io::ReadOptions& options) {
    return file.empty() ? Volume() : read_thinned(*open_feed(file, options), files.every);
  };
  files.fixed = thinned(o.fixed, o.fixed_options);
  files.mask = thinned(o.mask, io::companion_options(o.fixed_options, o.mask));
  files.fixed_labels =
      thinned(o.fixed_labels, io::companion_options(o.fixed_options, o.fixed_labels));
  files.moving = open_feed(o.moving, o.moving_options);
  if (!o.moving_labels.empty())
    files.moving_labels =
        open_feed(o.moving_labels, io::companion_options(o.moving_options, o.moving_labels));
}

void read_whole_files(const QcOptions& o, Files& files) {
  auto moving =
      std::async(std::launch::async, [&] { return io::read_image(o.moving, o.moving_options); });
  files.fixed = io::read_image(o.fixed, o.fixed_options);
  files.mask = read_or_none(o.mask, o.fixed_options);
  files.fixed_labels = read_or_none(o.fixed_labels, o.fixed_options);
  Volume labels = read_or_none(o.moving_labels, o.moving_options);
  if (!labels.empty()) files.moving_labels = std::make_shared<WholeVolume>(std::move(labels));
  files.moving = std::make_shared<WholeVolume>(moving.get());
}

Files read_files(const QcOptions& o) {
  Files files;
  files.every = measured_every(o);
  auto transform =
      std::async(std::launch::async, [&] { return read_transform_list(o.transforms, false); });
  if (files.every > 1)
    read_thinned_files(o, files);
  else
    read_whole_files(o, files);
  files.inverse = read_transform_list(o.inverse_transforms, false);
  files.reference = read_transform_list(o.reference, false);
  files.transform = transform.get();
  return files;
}

qc::QcInput input_of(const QcOptions& o, const Files& files) {
  const auto if_any = [](const Volume& v) { return v.empty() ? nullptr : &v; };
  qc::QcInput in;
  in.fixed = &files.fixed;
  in.moving = files.moving;
  in.transform = &files.transform;
  in.mask = if_any(files.mask);
  in.fixed_labels = if_any(files.fixed_labels);
  in.moving_labels = files.moving_labels;
  if (!o.inverse_transforms.empty()) in.inverse = &files.inverse;
  if (!o.reference.empty()) in.reference = &files.reference;
  if (o.landmarks.size() == 2) {
    in.fixed_landmarks = points(o.landmarks[0]);
    in.moving_landmarks = points(o.landmarks[1]);
  }
  in.with_hd95 = !o.no_hd95;
  return in;
}

/// What is written besides the table, made before anything is written.
struct Pictures {
  Volume jacobian;
  QImage sheet, thumbnail;
};

Pictures draw(const QcOptions& o, const Files& files, const qc::Assessment& assessment) {
  Pictures out;
  if (!o.jacobian.empty()) out.jacobian = ops::jacobian_determinant(assessment.displacement);
  if (!o.sheet.empty()) {
    const render::OffscreenPainting painting;
    out.sheet = render::contact_sheet(files.fixed, assessment);
  }
  if (!o.thumbnail.empty()) out.thumbnail = render::thumbnail(files.fixed, assessment);
  return out;
}

void write(const QcOptions& o, const qc::Assessment& assessment, const Pictures& pictures) {
  if (!o.json.empty()) write_text_file(o.json, qc::to_json(assessment.report));
  if (!o.local_ncc.empty()) io::write_image(assessment.local_ncc, o.local_ncc);
  if (!o.jacobian.empty()) io::write_image(pictures.jacobian, o.jacobian);
  if (!o.sheet.empty()) render::write_png(pictures.sheet, o.sheet);
  if (!o.thumbnail.empty()) render::write_png(pictures.thumbnail, o.thumbnail);
}

void check_quality(QcOptions o) {
  use_result_folder(o);
  check(o);
  StepProgress progress(o.progress);
  const Interruption interruption;
  progress.part(0, 0.2, "reading");
  const Files files = read_files(o);
  progress.part(0.2, 0.8, "measuring");
  qc::Assessment assessment = qc::assess(input_of(o, files), interruption.stop(), &progress);
  qc::QcReport& report = assessment.report;
  report.fixed = o.fixed;
  report.moving = o.moving;
  report.transform = joined(o.transforms);
  report.measured_every = files.every;
  progress.part(0.8, 1, "drawing");
  if (!o.phantom.empty()) measure_known_map(o.phantom, files.transform, report);
  const Pictures pictures = draw(o, files, assessment);
  interruption.look();
  progress.finish();
  const bool in_words = o.progress != "json";
  if (in_words) std::cout << qc::to_table(report, !o.summary_only) << std::flush;
  write(o, assessment, pictures);
  if (in_words && !o.sheet.empty()) std::cout << "\ncontact sheet  " << o.sheet.string() << "\n";
}

void add_inputs(CLI::App* verb, QcOptions& o) {
  verb->add_option("--fixed", o.fixed, "Image that the moving one was aligned to")
      ->type_name("FILE");
  verb->add_option("--moving", o.moving, "Image that was moved")->type_name("FILE");
  verb->add_option(
          "--transform", o.transforms,
          "Fixed to moving, in the order of antsApplyTransforms -t; [affine.mat,1] inverts")
      ->type_name("FILE");
  verb->add_option("--inverse-transform", o.inverse_transforms,
                   "Moving to fixed: adds inverse error and inverse Dice")
      ->type_name("FILE");
  verb->add_option("--result", o.result, "Folder of a run: everything from its job and transforms")
      ->type_name("DIR");
  verb->add_option("--fixed-labels", o.fixed_labels, "Label volume of the fixed image")
      ->type_name("FILE");
  verb->add_option("--labels,--moving-labels", o.moving_labels, "Label volume of the moving image")
      ->type_name("FILE");
  verb->add_option("--landmarks", o.landmarks, "Landmark files of the fixed and the moving image")
      ->expected(2)
      ->type_name("FILE");
  verb->add_option("--mask,--fixed-mask", o.mask,
                   "Measure similarity, det J and point errors only here (fixed grid)")
      ->type_name("FILE");
  verb->add_option("--reference-transform", o.reference,
                   "Another transform (true warp, other run) to measure the distance to")
      ->type_name("FILE");
  verb->add_option("--phantom", o.phantom, "phantom.json: error against its exact map")
      ->type_name("FILE");
  add_selection_options(verb, "fixed-", "the fixed image", o.fixed_options.selection);
  add_selection_options(verb, "moving-", "the moving image", o.moving_options.selection);
  add_spacing_option(verb, "--fixed-spacing", o.fixed_options.spacing_mm,
                     "Voxel size of the fixed image, mm");
  add_spacing_option(verb, "--moving-spacing", o.moving_options.spacing_mm,
                     "Voxel size of the moving image, mm");
}

}  // namespace

void add_qc_verb(CLI::App& app) {
  CLI::App* verb =
      add_verb(app, "qc", "Measure how good a registration is, and draw a contact sheet of it",
               "gigawarp qc --result out --json qc.json --sheet qc.png");
  auto options = std::make_shared<QcOptions>();
  add_inputs(verb, *options);
  verb->add_option("--json", options->json, "Write every figure as JSON")->type_name("FILE");
  verb->add_option("--sheet", options->sheet, "Write the contact sheet as PNG")->type_name("FILE");
  verb->add_option("--thumbnail", options->thumbnail,
                   "Write a small picture: edges of fixed over warped in three planes, PNG")
      ->type_name("FILE");
  verb->add_option("--jacobian", options->jacobian, "Write det J as an image")->type_name("FILE");
  verb->add_option("--local-ncc", options->local_ncc,
                   "Write the map of local correlation (radius 2)")
      ->type_name("FILE");
  verb->add_flag("--no-hd95", options->no_hd95, "Leave out surface distances of labels");
  verb->add_flag("--summary", options->summary_only, "Leave out the tables per label and landmark");
  verb->add_option("--memory", options->memory,
                   "Memory to keep within, e.g. 2G (default: what is free): volumes beyond it are "
                   "measured at every 2nd, 3rd … voxel of the fixed image")
      ->type_name("BYTES");
  verb->add_option("--progress", options->progress,
                   "bar, lines, json (events on stdout, no table), none or auto (default)")
      ->type_name("bar|lines|json|none|auto");
  verb->callback([options] { check_quality(*options); });
}

}  // namespace gigawarp::app
