#include <cstring>
#include <iostream>
#include <memory>

#include "app/imported.h"
#include "app/run_commands.h"
#include "app/transform_list.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/convert.h"
#include "io/image_io.h"
#include "io/landmarks_io.h"
#include "io/volume_sink.h"
#include "ops/apply.h"

namespace gigawarp::app {
namespace {

struct ApplyOptions {
  std::vector<std::string> transforms;
  std::string input, reference, points, out, interpolation = "linear";
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

void apply_to_points(const ApplyOptions& options) {
  const Transform transform = read_transform_list(options.transforms, options.inverse);
  std::vector<io::Landmark> mapped;
  for (const io::Landmark& landmark : io::read_landmarks(options.points)) {
    if (const auto position = transform(landmark.position_mm))
      mapped.push_back({landmark.name, *position});
    else
      std::cerr << "The point \"" << landmark.name
                << "\" lies where the transform is undefined and was left out.\n";
  }
  io::write_landmarks(mapped, options.out);
}

constexpr std::int64_t kTile = 256;  // voxels along x and y of what is resampled at once

/// One level and channel of a source, for apply_transform_to_box().
BoxedVolume boxed(const io::BrickSource& source, int level, int channel, bool labels) {
  BoxedVolume out;
  out.grid = source.info().levels[static_cast<std::size_t>(level)].grid;
  const ScalarType type = source.info().type;
  const bool is_float = type == ScalarType::f32 || type == ScalarType::f64;
  out.type = labels && is_float ? ScalarType::i32 : type;
  out.read = [&source, level, channel, labels, type](const Box& box) {
    Volume part(Grid{box.size, {}}, type);
    source.read(level, channel, box, part.data());
    return labels ? io::as_label_map(std::move(part), source.info().format) : std::move(part);
  };
  return out;
}

/// A tile of a slab, into its place there.
void put_tile(const Volume& tile, const Box& box, Volume& slab) {
  const std::size_t width = size_of(slab.type());
  const Size3& n = slab.grid().size;
  const auto row = static_cast<std::size_t>(box.size[0]) * width;
  for (std::int64_t z = 0; z < box.size[2]; ++z)
    for (std::int64_t y = 0; y < box.size[1]; ++y)
      std::memcpy(
          slab.data() +
              static_cast<std::size_t>((z * n[1] + box.begin[1] + y) * n[0] + box.begin[0]) * width,
          tile.data() + static_cast<std::size_t>(z * box.size[1] + y) * row, row);
}

/// From disk to disk in bounded memory: the same voxels as in one piece.
void apply_by_tiles(const io::BrickSource& source, const ApplyOptions& options, const Grid& grid,
                    const Transform& transform, Interpolation interpolation,
                    const std::stop_token& stop) {
  const int level = options.read.selection.level.value_or(0);
  io::header_of(source, level, options.input);  // refuses a level that there is not
  for (const std::string& note : source.info().notes)
    std::cerr << options.input << ": " << note << '\n';
  const bool labels = interpolation == Interpolation::label;
  io::SinkSpec spec{grid, boxed(source, level, 0, labels).type, source.info().channels,
                    options.write};
  spec.options.labels = spec.options.labels || labels || source.info().labels;
  const auto sink = io::open_sink(options.out, spec);
  const Size3& n = grid.size;
  for (int c = 0; c < spec.channels; ++c) {
    const BoxedVolume moving = boxed(source, level, c, labels);
    for (std::int64_t z = 0; z < n[2]; z += sink->planes_at_once()) {
      const std::int64_t planes = std::min(sink->planes_at_once(), n[2] - z);
      Volume slab(Grid{{n[0], n[1], planes}, {}}, moving.type);
      for (std::int64_t y = 0; y < n[1]; y += kTile)
        for (std::int64_t x = 0; x < n[0]; x += kTile) {
          const Box box{{x, y, z}, {std::min(kTile, n[0] - x), std::min(kTile, n[1] - y), planes}};
          put_tile(apply_transform_to_box(moving, transform, grid, box, interpolation,
                                          options.background, stop),
                   box, slab);
        }
      sink->write(c, z, planes, slab.data());
    }
  }
  sink->commit();
}

void apply_to_image(const ApplyOptions& options) {
  if (options.reference.empty())
    throw Error(ErrorCode::usage,
                "apply needs --reference, the image whose lattice the result gets.", "--reference");
  const Interpolation interpolation = interpolation_of(options.interpolation);
  const Interruption interruption;
  io::ReadOptions read = options.read;
  read.label_map = interpolation == Interpolation::label;
  const Grid grid = io::read_header(options.reference, options.read_reference).grid;
  const Transform transform = read_transform_list(options.transforms, options.inverse);
  if (io::can_stream_to(options.out))
    if (const auto source =
            open_in_part(options.input, options.read, options.import, interruption.stop()))
      return apply_by_tiles(*source, options, grid, transform, interpolation, interruption.stop());
  const Volume moving = io::read_image(options.input, read);
  for (const std::string& note : moving.notes()) std::cerr << options.input << ": " << note << '\n';
  const Volume resampled = apply_transform(moving, transform, grid, interpolation,
                                           options.background, interruption.stop());
  interruption.look();
  io::WriteOptions write = options.write;
  write.labels = write.labels || read.label_map;
  io::write_image(resampled, options.out, write);
}

void apply(const ApplyOptions& options) {
  if (options.input.empty() == options.points.empty())
    throw Error(ErrorCode::usage, "apply needs either --input (an image) or --points.", "--input");
  if (options.points.empty())
    apply_to_image(options);
  else
    apply_to_points(options);
}

}  // namespace

void add_apply_verb(CLI::App& app) {
  CLI::App* verb = add_verb(
      app, "apply",
      "Resample an image, or map points, through transforms (first given, first applied to a "
      "point)",
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
          "Points of the fixed space (.csv, .fcsv, .mrk.json); written in the moving space")
      ->type_name("FILE");
  verb->add_option("--reference,-r", options->reference, "Image whose lattice the result gets")
      ->type_name("FILE");
  verb->add_option("--out,-o", options->out, "Image or point file to write")
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
  verb->callback([options] { apply(*options); });
}

}  // namespace gigawarp::app
