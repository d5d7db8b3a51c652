#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <sstream>

#include "app/verbs.h"
#include "gigawarp/error.h"
#include "gigawarp/job.h"
#include "io/image_io.h"
#include "io/landmarks_io.h"
#include "io/transform_io.h"
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
  std::optional<Vec3> fixed_spacing_mm, moving_spacing_mm;
  fs::path result, json, sheet, local_ncc, jacobian;
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

/// The given transforms, applied to a point first to last; "[file,1]" is the inverse of an affine
/// file.
Transform read_chain(const std::vector<std::string>& names) {
  Transform out;
  for (const std::string& name : names) {
    const bool inverted = name.size() > 4 && name.front() == '[' && name.ends_with(",1]");
    const std::string file = inverted ? name.substr(1, name.size() - 4) : name;
    io::append(out, io::read_transform(file, inverted));
  }
  return out;
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
  if (!o.fixed_spacing_mm) o.fixed_spacing_mm = job.fixed_spacing_mm;
  if (!o.moving_spacing_mm) o.moving_spacing_mm = job.moving_spacing_mm;
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

Volume read_or_none(const std::string& file, const std::optional<Vec3>& spacing_mm, bool labels) {
  if (file.empty()) return {};
  return io::read_image(file, {spacing_mm, labels});
}

void measure_known_map(const std::string& file, const Transform& transform, qc::QcReport& report) {
  const phantom::Phantom pair(phantom::parse_phantom(read_text(file)));
  const phantom::MapError error = phantom::known_map_error(transform, pair);
  report.known_map = {error.points, error.undefined, error.mean_mm, error.p95_mm, error.max_mm};
}

/// Everything that is read, so that the input can borrow it.
struct Files {
  Volume fixed, moving, mask, fixed_labels, moving_labels;
  Transform transform, inverse, reference;
};

Files read_files(const QcOptions& o) {
  Files files;
  auto moving = std::async(std::launch::async,
                           [&] { return read_or_none(o.moving, o.moving_spacing_mm, false); });
  auto transform = std::async(std::launch::async, [&] { return read_chain(o.transforms); });
  files.fixed = read_or_none(o.fixed, o.fixed_spacing_mm, false);
  files.mask = read_or_none(o.mask, o.fixed_spacing_mm, true);
  files.fixed_labels = read_or_none(o.fixed_labels, o.fixed_spacing_mm, true);
  files.moving_labels = read_or_none(o.moving_labels, o.moving_spacing_mm, true);
  files.inverse = read_chain(o.inverse_transforms);
  files.reference = read_chain(o.reference);
  files.moving = moving.get();
  files.transform = transform.get();
  return files;
}

qc::QcInput input_of(const QcOptions& o, const Files& files) {
  const auto if_any = [](const Volume& v) { return v.empty() ? nullptr : &v; };
  qc::QcInput in;
  in.fixed = &files.fixed;
  in.moving = &files.moving;
  in.transform = &files.transform;
  in.mask = if_any(files.mask);
  in.fixed_labels = if_any(files.fixed_labels);
  in.moving_labels = if_any(files.moving_labels);
  if (!o.inverse_transforms.empty()) in.inverse = &files.inverse;
  if (!o.reference.empty()) in.reference = &files.reference;
  if (o.landmarks.size() == 2) {
    in.fixed_landmarks = points(o.landmarks[0]);
    in.moving_landmarks = points(o.landmarks[1]);
  }
  in.with_hd95 = !o.no_hd95;
  return in;
}

void check_quality(QcOptions o) {
  use_result_folder(o);
  check(o);
  const Files files = read_files(o);
  qc::Assessment assessment = qc::assess(input_of(o, files));
  qc::QcReport& report = assessment.report;
  report.fixed = o.fixed;
  report.moving = o.moving;
  report.transform = joined(o.transforms);
  if (!o.phantom.empty()) measure_known_map(o.phantom, files.transform, report);
  std::cout << qc::to_table(report, !o.summary_only);
  if (!o.json.empty()) write_text_file(o.json, qc::to_json(report));
  if (!o.local_ncc.empty()) io::write_image(assessment.local_ncc, o.local_ncc);
  if (!o.jacobian.empty())
    io::write_image(ops::jacobian_determinant(assessment.displacement), o.jacobian);
  if (!o.sheet.empty()) {
    const render::OffscreenPainting painting;
    render::write_png(render::contact_sheet(files.fixed, assessment), o.sheet);
    std::cout << "\ncontact sheet  " << o.sheet.string() << "\n";
  }
}

void add_inputs(CLI::App* verb, QcOptions& o) {
  verb->add_option("--fixed", o.fixed, "Image that the moving one was aligned to");
  verb->add_option("--moving", o.moving, "Image that was moved");
  verb->add_option(
      "--transform", o.transforms,
      "Fixed to moving, in the order of antsApplyTransforms -t; [affine.mat,1] inverts");
  verb->add_option("--inverse-transform", o.inverse_transforms,
                   "Moving to fixed: adds inverse error and inverse Dice");
  verb->add_option("--result", o.result, "Folder of a run: everything from its job and transforms");
  verb->add_option("--fixed-labels", o.fixed_labels, "Label volume of the fixed image");
  verb->add_option("--labels,--moving-labels", o.moving_labels, "Label volume of the moving image");
  verb->add_option("--landmarks", o.landmarks, "Landmark files of the fixed and the moving image")
      ->expected(2);
  verb->add_option("--mask,--fixed-mask", o.mask,
                   "Measure similarity, det J and point errors only here (fixed grid)");
  verb->add_option("--reference-transform", o.reference,
                   "Another transform (true warp, other run) to measure the distance to");
  verb->add_option("--phantom", o.phantom, "phantom.json: error against its exact map");
  add_spacing_option(verb, "--fixed-spacing", o.fixed_spacing_mm,
                     "Voxel size of the fixed image, mm");
  add_spacing_option(verb, "--moving-spacing", o.moving_spacing_mm,
                     "Voxel size of the moving image, mm");
}

}  // namespace

void add_qc_verb(CLI::App& app) {
  CLI::App* verb =
      add_verb(app, "qc", "Measure how good a registration is, and draw a contact sheet of it",
               "gigawarp qc --result out --json qc.json --sheet qc.png");
  auto options = std::make_shared<QcOptions>();
  add_inputs(verb, *options);
  verb->add_option("--json", options->json, "Write every figure as JSON");
  verb->add_option("--sheet", options->sheet, "Write the contact sheet as PNG");
  verb->add_option("--jacobian", options->jacobian, "Write det J as an image");
  verb->add_option("--local-ncc", options->local_ncc,
                   "Write the map of local correlation (radius 2)");
  verb->add_flag("--no-hd95", options->no_hd95, "Leave out surface distances of labels");
  verb->add_flag("--summary", options->summary_only, "Leave out the tables per label and landmark");
  verb->callback([options] { check_quality(*options); });
}

}  // namespace gigawarp::app
