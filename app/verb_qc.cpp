#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>

#include "app/job_options.h"
#include "app/progress_display.h"
#include "app/qc_inputs.h"
#include "app/run_commands.h"
#include "app/transform_list.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "gigawarp/job.h"
#include "io/image_io.h"
#include "io/label_names.h"
#include "io/landmarks_io.h"
#include "io/volume_sink.h"
#include "ops/jacobian.h"
#include "phantom/phantom.h"
#include "qc/report.h"
#include "render/contact_sheet.h"
#include "render/offscreen.h"

namespace gigawarp::app {
namespace {

namespace fs = std::filesystem;

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
  const bool labels_given = !o.fixed_labels.empty() || !o.moving_labels.empty();
  take(o.fixed_labels, job.fixed_labels);
  take(o.moving_labels, job.moving_labels);
  if (!labels_given && o.fixed_labels.empty() != o.moving_labels.empty()) {
    std::cerr << "The run has labels of one image alone, so that their overlap is left out; "
              << (o.fixed_labels.empty() ? "--fixed-labels" : "--labels") << " gives the others.\n";
    o.fixed_labels.clear();
    o.moving_labels.clear();
  }
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
  if (!o.label_names.empty() && o.fixed_labels.empty())
    throw Error(ErrorCode::usage, "--label-names names labels: give --fixed-labels and --labels.",
                "--label-names");
}

/// Before the measuring, which may take an hour: each file can be written, and is none that is
/// read.
void check_outputs(const QcOptions& o) {
  std::vector<std::string> inputs{o.fixed,         o.moving,  o.mask,       o.fixed_labels,
                                  o.moving_labels, o.phantom, o.label_names};
  for (const auto* words : {&o.transforms, &o.inverse_transforms, &o.reference})
    for (const std::string& file : transform_files(*words)) inputs.push_back(file);
  inputs.insert(inputs.end(), o.landmarks.begin(), o.landmarks.end());
  if (!o.result.empty())  // what tells of the run, read here or not
    for (const char* name : {"job.json", "result.json", "events.jsonl", "log.txt"})
      inputs.push_back((o.result / name).string());
  for (const fs::path* out : {&o.json, &o.sheet, &o.thumbnail, &o.jacobian, &o.local_ncc}) {
    if (out->empty()) continue;
    keep_inputs(*out, inputs);
    std::error_code failure;
    if (!fs::is_directory(fs::absolute(*out).parent_path(), failure))
      throw Error(ErrorCode::output_not_written,
                  "\"" + out->string() + "\" cannot be written: its folder does not exist.",
                  out->string());
  }
  for (const fs::path* picture : {&o.sheet, &o.thumbnail})
    if (!picture->empty() && picture->extension() != ".png")
      throw Error(ErrorCode::usage,
                  "\"" + picture->string() + "\" would hold a PNG; give it a name in .png.",
                  picture->string());
}

/// From the file that was given; without, what lies beside the labels, where those of the fixed
/// image win. A file that only seems to belong to them does not end the check.
std::map<std::int64_t, std::string> label_names(const QcOptions& o) {
  std::map<std::int64_t, std::string> out;
  const auto add = [&](const io::LabelNames& names) {
    for (const auto& [label, entry] : names) out.try_emplace(label, entry.name);
  };
  if (!o.label_names.empty()) {
    add(io::read_label_names(o.label_names));
    return out;
  }
  for (const std::string* volume : {&o.fixed_labels, &o.moving_labels}) {
    if (volume->empty()) continue;
    const io::NamesBeside beside = io::read_label_names_beside(*volume);
    add(beside.names);
    if (!beside.problem.empty())
      std::cerr << "gigawarp: warning: no names were taken from beside \"" << *volume
                << "\": " << beside.problem << " --label-names gives some.\n";
  }
  return out;
}

std::vector<qc::NamedPoint> points(const std::string& file) {
  std::vector<qc::NamedPoint> out;
  for (const io::Landmark& l : io::read_named_landmarks(file))
    out.push_back({l.name, l.position_mm});
  return out;
}

void measure_known_map(const std::string& file, const PointMap& map, qc::QcReport& report) {
  const phantom::Phantom pair(phantom::parse_phantom(read_text(file)));
  const phantom::MapError error = phantom::known_map_error(map, pair);
  report.known_map = {error.points, error.undefined, error.mean_mm, error.p95_mm, error.max_mm};
}

qc::QcInput input_of(const QcOptions& o, const QcFiles& files) {
  const auto if_any = [](const Volume& v) { return v.empty() ? nullptr : &v; };
  qc::QcInput in;
  in.fixed = &files.fixed;
  in.moving = files.moving;
  in.transform = &files.transform;
  in.mask = if_any(files.mask);
  in.fixed_labels = if_any(files.fixed_labels);
  in.moving_labels = files.moving_labels;
  in.whole_mask = files.whole_mask;
  if (files.streamed.streams()) in.map = files.streamed.map();
  if (const auto deformation = files.streamed.deformation()) {
    in.deformation = deformation->displacement_mm;
    in.before_deformation = deformation->before;
  }
  const auto take = [](const Transform& held, const qc::StreamedTransform& streamed,
                       const Transform*& transform, PointMap& map) {
    if (streamed.streams())
      map = streamed.map();
    else if (!held.stages.empty())
      transform = &held;
  };
  take(files.inverse, files.streamed_inverse, in.inverse, in.inverse_map);
  take(files.reference, files.streamed_reference, in.reference, in.reference_map);
  if (o.landmarks.size() == 2) {
    in.fixed_landmarks = points(o.landmarks[0]);
    in.moving_landmarks = points(o.landmarks[1]);
  }
  in.with_hd95 = !o.no_hd95;
  return in;
}

/// What is written besides the table, made before anything is written.
struct Pictures {
  std::shared_ptr<const VolumeFeed> jacobian;  ///< null: none
  QImage sheet, thumbnail;
};

Pictures draw(const QcOptions& o, const QcFiles& files, const qc::Assessment& assessment) {
  Pictures out;
  if (!o.jacobian.empty()) {
    const auto deformation = files.streamed.deformation();
    out.jacobian = ops::jacobian_feed(
        deformation ? deformation->displacement_mm
                    : std::make_shared<WholeVolume>(&assessment.displacement.volume()));
  }
  if (!o.sheet.empty()) {
    const render::OffscreenPainting painting;
    out.sheet = render::contact_sheet(files.fixed, assessment);
  }
  if (!o.thumbnail.empty()) out.thumbnail = render::thumbnail(files.fixed, assessment);
  return out;
}

/// Slab by slab where the format allows it.
void write_map(const VolumeFeed& map, const fs::path& path, const std::stop_token& stop) {
  if (!io::can_stream_to(path)) {
    io::write_image(read_all(map), path);
    return tell_lost_geometry(map.grid(), path);
  }
  const auto sink = io::open_sink(path, {map.grid(), map.type(), 1, {}});
  for (std::int64_t z = 0; z < map.grid().size[2]; z += sink->planes_at_once()) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled,
                  "The quality check was cancelled; the map was not written.");
    const std::int64_t planes = std::min(sink->planes_at_once(), map.grid().size[2] - z);
    sink->write(0, z, planes, read_planes(map, z, planes).data());
  }
  sink->commit();
}

void write(const QcOptions& o, const qc::Assessment& assessment, const Pictures& pictures,
           const std::stop_token& stop) {
  if (!o.json.empty()) write_text_file(o.json, qc::to_json(assessment.report));
  if (!o.local_ncc.empty()) {
    io::write_image(assessment.local_ncc, o.local_ncc);
    tell_lost_geometry(assessment.local_ncc.grid(), o.local_ncc);
  }
  if (!o.jacobian.empty()) write_map(*pictures.jacobian, o.jacobian, stop);
  if (!o.sheet.empty()) render::write_png(pictures.sheet, o.sheet);
  if (!o.thumbnail.empty()) render::write_png(pictures.thumbnail, o.thumbnail);
}

void check_quality(QcOptions o) {
  use_result_folder(o);
  check(o);
  check_outputs(o);
  std::map<std::int64_t, std::string> names = label_names(o);
  StepProgress progress(o.progress);
  const Interruption interruption;
  o.fixed_options.stop = o.moving_options.stop = interruption.stop();
  o.fixed_options.option_prefix = "fixed-";
  o.moving_options.option_prefix = "moving-";
  progress.part(0, 0.2, "reading");
  const QcFiles files = read_qc_files(o, interruption.stop());
  progress.part(0.2, 0.8, "measuring");
  qc::Assessment assessment = qc::assess(input_of(o, files), interruption.stop(), &progress);
  qc::QcReport& report = assessment.report;
  report.fixed = o.fixed;
  report.moving = o.moving;
  report.transform = joined(o.transforms);
  report.measured_every = files.every;
  report.label_names = std::move(names);
  progress.part(0.8, 1, "drawing");
  if (!o.phantom.empty()) measure_known_map(o.phantom, files.map(), report);
  const Pictures pictures = draw(o, files, assessment);
  interruption.look();
  progress.finish();
  const bool in_words = o.progress != "json";
  if (in_words) std::cout << qc::to_table(report, !o.summary_only) << std::flush;
  write(o, assessment, pictures, interruption.stop());
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
  verb->add_option("--label-names", o.label_names,
                   "Names for the tables: label description of ITK-SNAP, table of FreeSurfer, CSV "
                   "(index,name) or BIDS _dseg.tsv; without, a file of the labels' name beside "
                   "them is taken")
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
                   "measured at every 2nd, 3rd … voxel of the fixed image, warps beyond it read by "
                   "slabs")
      ->type_name("BYTES");
  add_import_option(verb, options->import);
  add_progress_option(verb, options->progress, "events on stdout, no table");
  verb->callback([options] { check_quality(*options); });
}

}  // namespace gigawarp::app
