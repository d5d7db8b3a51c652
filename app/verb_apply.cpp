#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <functional>
#include <iostream>
#include <limits>
#include <memory>
#include <system_error>
#include <type_traits>

#include "app/apply_points.h"
#include "app/imported.h"
#include "app/progress_display.h"
#include "app/run_commands.h"
#include "app/transform_list.h"
#include "app/verbs.h"
#include "base/beside.h"
#include "base/parallel.h"
#include "gigawarp/error.h"
#include "io/image_io.h"
#include "io/stopping.h"
#include "io/transform_io.h"
#include "io/volume_sink.h"
#include "job/source_feed.h"
#include "ops/apply.h"

namespace gigawarp::app {
namespace {

struct ApplyOptions {
  std::vector<std::string> transforms;
  std::string input, reference, points, mesh, out, interpolation = "linear", progress = "auto";
  std::optional<io::SurfaceSpace> mesh_space;
  io::ReadOptions read, read_reference;
  io::WriteOptions write;
  double background = 0;
  bool inverse = false;
  ImportChoice import = ImportChoice::automatic;
};

Interpolation interpolation_of(const std::string& name) {
  if (name == "linear") return Interpolation::linear;
  if (name == "nearest") return Interpolation::nearest;
  if (name == "label") return Interpolation::label;
  throw Error(ErrorCode::usage,
              "--interpolation takes linear, nearest or label, not \"" + name + "\".",
              "--interpolation");
}

/// Whole numbers have no NaN, and unsigned ones nothing below zero: another value than the one
/// asked for would look like tissue.
void check_background(double value, ScalarType type) {
  dispatch(type, [&]<class T>() {
    if constexpr (std::is_integral_v<T>) {
      using Limits = std::numeric_limits<T>;
      if (value != std::nearbyint(value) || value < Limits::min() || value > Limits::max())
        throw Error(ErrorCode::usage,
                    "--background is no value of the image's type " + std::string(name_of(type)) +
                        "; give a whole number from " + std::to_string(Limits::min()) + " to " +
                        std::to_string(Limits::max()) + ", or convert --input to f32 first.",
                    "--background");
    }
  });
}

/// A transform of which a displacement that lies on the reference's lattice and goes first is read
/// as it is needed, where its file allows it.
struct Chain {
  std::shared_ptr<const VolumeFeed> first;  ///< null: none
  Transform rest;
};

Chain read_chain(const ApplyOptions& options, const Grid& reference) {
  std::vector<std::string> words = options.transforms;
  const bool inverted =
      options.inverse || (words.size() > 1 && (words[1] == "1" || words[1] == "0"));
  Chain chain;
  std::error_code code;  // the reader says what is wrong with the name
  if (!inverted && std::filesystem::is_regular_file(words.front(), code))
    chain.first = io::open_displacement(words.front());
  if (chain.first != nullptr && !chain.first->grid().same_lattice(reference, 1e-4))
    chain.first = nullptr;
  if (chain.first != nullptr) words.erase(words.begin());
  chain.rest = read_transform_list(words, options.inverse);
  return chain;
}

/// Planes that are computed at once: a displacement that is read with them takes 48 MiB for each
/// thread, 96 at least, and so do the positions of a tile of 256 x 256 voxels
/// (apply_transform_to_box()). Bricks of the image are expanded once for each such piece.
std::int64_t planes_computed(const Grid& grid) {
  constexpr std::int64_t kMost = 64, kEach = std::int64_t{48} << 20;
  const std::int64_t bytes = kEach * std::max(2, available_threads());
  const std::int64_t plane = grid.size[0] * grid.size[1] * 3 * sizeof(float);
  return std::clamp<std::int64_t>(bytes / plane, 1, kMost);
}

/// From disk to disk in bounded memory: the same voxels as in one piece. `feed(c)` is a channel of
/// the image.
void apply_by_slabs(const std::function<std::shared_ptr<const VolumeFeed>(int channel)>& feed,
                    io::VolumeSink& sink, const Chain& chain, const ApplyOptions& options,
                    StepProgress& progress, const std::stop_token& stop) {
  const Grid& grid = sink.spec().grid;
  const Size3& n = grid.size;
  const std::int64_t step = planes_computed(grid);
  const auto plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(sink.spec().type);
  ProgressEvent event;
  event.stage = "resampling and writing";
  // A slab is written when it is whole, which takes as long again.
  const auto tell = [&](int channel, std::int64_t computed, std::int64_t written) {
    event.fraction =
        (channel + static_cast<double>(computed + written) / (2.0 * n[2])) / sink.spec().channels;
    progress.on_event(event);
  };
  const BoxRule rule{interpolation_of(options.interpolation), options.background, stop};
  HeldField displacement;
  const std::int64_t at_once = std::min(sink.planes_at_once(), n[2]);
  Buffer slabs[2];  // one is computed while the other is written
  for (Buffer& slab : slabs) slab = Buffer(static_cast<std::size_t>(at_once) * plane);
  const auto end_of = [&](std::int64_t z) { return std::min(z + at_once, n[2]); };
  const auto slab_of = [&](std::int64_t z) { return slabs[z / at_once % 2].data(); };
  for (int c = 0; c < sink.spec().channels; ++c) {
    const std::shared_ptr<const VolumeFeed> moving = feed(c);
    const auto compute = [&](std::int64_t z) {
      for (std::int64_t first = z; first < end_of(z); first += step) {
        const std::int64_t planes = std::min(step, end_of(z) - first);
        apply_transform_to_box(*moving, chain.first.get(), chain.rest, grid,
                               {{0, 0, first}, {n[0], n[1], planes}}, rule, displacement,
                               slab_of(z) + static_cast<std::size_t>(first - z) * plane);
        tell(c, first + planes, std::max<std::int64_t>(0, z - at_once));
      }
      io::look_at_work(stop);
    };
    const auto write = [&](std::int64_t z) { sink.write(c, z, end_of(z) - z, slab_of(z)); };
    compute(0);
    std::int64_t z = 0;
    for (; end_of(z) < n[2]; z = end_of(z)) beside([&] { compute(end_of(z)); }, [&] { write(z); });
    write(z);
    tell(c, n[2], n[2]);
  }
  sink.commit();
  progress.finish();
}

void apply_to_source(const std::shared_ptr<const io::BrickSource>& source,
                     const ApplyOptions& options, const Grid& grid, StepProgress& progress,
                     const std::stop_token& stop) {
  job::SourceFeed::Choice choice;
  choice.level = options.read.selection.level.value_or(0);
  choice.labels = interpolation_of(options.interpolation) == Interpolation::label;
  const job::SourceFeed first(source, options.input, choice);
  check_background(options.background, first.type());
  for (const std::string& note : source->info().notes)
    std::cerr << options.input << ": " << note << '\n';
  io::SinkSpec spec{grid, first.type(), source->info().channels, options.write};
  spec.options.labels = spec.options.labels || choice.labels || source->info().labels;
  const auto feed = [&](int channel) {
    choice.channel = channel;
    auto moving = std::make_shared<job::SourceFeed>(source, options.input, choice);
    moving->stop_with(stop);
    return moving;
  };
  const Chain chain = read_chain(options, grid);
  progress.part(0.02, 1, "resampling and writing");
  apply_by_slabs(feed, *io::open_sink(options.out, spec), chain, options, progress, stop);
}

void apply_to_image(ApplyOptions options) {
  if (options.reference.empty())
    throw Error(ErrorCode::usage,
                "apply needs --reference, the image whose lattice the result gets.", "--reference");
  const Interpolation interpolation = interpolation_of(options.interpolation);
  StepProgress progress(options.progress);
  const Interruption interruption;
  const std::stop_token stop = interruption.stop();
  options.read.stop = options.read_reference.stop = stop;
  options.read_reference.option_prefix = "reference-";
  io::ReadOptions read = options.read;
  read.label_map = interpolation == Interpolation::label;
  const Grid grid = io::read_header(options.reference, options.read_reference).grid;
  const bool by_slabs = io::can_stream_to(options.out);
  if (by_slabs)
    if (const std::shared_ptr<const io::BrickSource> source =
            open_in_part(options.input, options.read, options.import, stop))
      return apply_to_source(source, options, grid, progress, stop);
  io::WriteOptions write = options.write;
  write.labels = write.labels || read.label_map;
  // What each part takes of the time of a pair in .nii.gz, roughly.
  progress.part(0, 0.2, "reading the image");
  Volume moving = io::read_image(options.input, read);
  check_background(options.background, moving.type());
  progress.part(0.2, 0.3, "reading the transforms");
  for (const std::string& note : moving.notes()) std::cerr << options.input << ": " << note << '\n';
  if (by_slabs && moving.channels() == 1) {
    const Chain chain = read_chain(options, grid);
    const auto sink = io::open_sink(options.out, {grid, moving.type(), 1, write});
    std::shared_ptr<const VolumeFeed> feed = std::make_shared<WholeVolume>(std::move(moving));
    progress.part(0.3, 1, "resampling and writing");
    return apply_by_slabs([&](int) { return feed; }, *sink, chain, options, progress, stop);
  }
  const Transform transform = read_transform_list(options.transforms, options.inverse);
  progress.part(0.3, 0.6, "resampling");
  const Volume resampled =
      apply_transform(moving, transform, grid, interpolation, options.background, stop);
  interruption.look();
  progress.part(0.6, 1, "writing");
  io::write_image(resampled, options.out, write);
  progress.finish();
  tell_lost_geometry(grid, options.out);
}

/// What is said of an image would be said in vain: who gives it takes the verb for another one.
void check_no_image_options(const CLI::App& verb) {
  for (const char* option :
       {"--reference", "--interpolation", "--background", "--spacing", "--reference-spacing",
        "--level", "--channel", "--timepoint", "--reference-level", "--reference-channel",
        "--reference-timepoint", "--labels", "--zarr", "--import"})
    if (verb.count(option) > 0)
      throw Error(ErrorCode::usage,
                  std::string(option) + " is for --input, an image; leave it out here.", option);
}

void apply(const ApplyOptions& options, const CLI::App& verb) {
  if (options.input.empty() + options.points.empty() + options.mesh.empty() != 2)
    throw Error(ErrorCode::usage,
                "apply needs one of --input (an image), --points and --mesh (a surface).",
                "--input");
  if (options.mesh_space && options.mesh.empty())
    throw Error(ErrorCode::usage, "--mesh-space says how --mesh is meant; give that.",
                "--mesh-space");
  if (options.input.empty()) check_no_image_options(verb);
  std::vector<std::string> inputs = transform_files(options.transforms);
  inputs.insert(inputs.end(), {options.input, options.reference, options.points, options.mesh});
  keep_inputs(options.out, inputs);
  if (!options.input.empty())
    apply_to_image(options);
  else if (!options.points.empty())
    apply_to_points(
        {options.transforms, options.inverse, options.points, options.out, options.progress, {}});
  else
    apply_to_mesh({options.transforms, options.inverse, options.mesh, options.out, options.progress,
                   options.mesh_space});
}

void add_mesh_options(CLI::App* verb, ApplyOptions& options) {
  verb->add_option("--mesh", options.mesh,
                   "Surface of the fixed space (.vtk, .vtp, .ply, .obj, .stl, .gii), coordinates "
                   "in mm; written in the moving space, as the same kind of file, in its axes. "
                   "Normals are made anew (.stl) or left out")
      ->type_name("FILE");
  verb->add_option_function<std::string>(
          "--mesh-space",
          [&options](const std::string& name) { options.mesh_space = mesh_space(name); },
          "Axes of a --mesh that does not say them (default: lps). GIFTI is RAS, 3D Slicer's files "
          "say theirs")
      ->type_name("lps|ras");
}

}  // namespace

void add_apply_verb(CLI::App& app) {
  CLI::App* verb = add_verb(
      app, "apply",
      "Resample an image, or map points or a surface, through transforms (first given, first "
      "applied to a point)",
      "gigawarp apply --transform out/1Warp.nii.gz out/0GenericAffine.mat --input moving.nii.gz "
      "--reference fixed.nii.gz --out warped.nii.gz");
  auto options = std::make_shared<ApplyOptions>();
  verb->add_option("--transform,-t", options->transforms,
                   "Transform files from fixed to moving; [file.mat,1] inverts an affine")
      ->required()
      ->type_name("FILE");
  verb->add_option("--input,-i", options->input, "Moving image to resample")->type_name("FILE");
  verb->add_option(
          "--points", options->points,
          "Points of the fixed space (.fcsv, .mrk.json, or .csv with columns name, x, y, z in LPS "
          "mm); written in the moving space")
      ->type_name("FILE");
  add_mesh_options(verb, *options);
  verb->add_option("--reference,-r", options->reference, "Image whose lattice the result gets")
      ->type_name("FILE");
  verb->add_option("--out,-o", options->out, "Image, point or surface file to write")
      ->required()
      ->type_name("FILE");
  verb->add_option("--interpolation,-n", options->interpolation,
                   "linear (default), nearest or label (label-linear, never mixes values)")
      ->type_name("linear|nearest|label");
  verb->add_option("--background", options->background,
                   "Value outside the moving image (default 0)");
  verb->add_flag("--inverse", options->inverse, "Use the inverse of the whole chain");
  add_spacing_option(verb, "--spacing", options->read.spacing_mm, "Voxel size of --input in mm");
  add_spacing_option(verb, "--reference-spacing", options->read_reference.spacing_mm,
                     "Voxel size of --reference in mm");
  add_selection_options(verb, "", "--input", options->read.selection);
  add_selection_options(verb, "reference-", "--reference", options->read_reference.selection);
  add_write_options(verb, options->write);
  add_import_option(verb, options->import);
  add_progress_option(verb, options->progress);
  verb->callback([options, verb] { apply(*options, *verb); });
}

}  // namespace gigawarp::app
