#include <algorithm>
#include <iostream>
#include <memory>

#include "app/imported.h"
#include "app/run_commands.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/convert.h"
#include "io/image_io.h"
#include "io/landmarks_io.h"
#include "io/plane_reader.h"
#include "io/transform_io.h"
#include "io/vdb.h"
#include "io/volume_sink.h"

namespace gigawarp::app {
namespace {

struct ConvertOptions {
  std::string input, output, type, order;
  io::ReadOptions read;
  io::WriteOptions write;
  ImportChoice import = ImportChoice::automatic;
};

/// The axis order that stores `grid` with index axes growing towards `letters`.
AxisOrder order_of(const Grid& grid, std::string letters) {
  std::transform(letters.begin(), letters.end(), letters.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const std::string source = grid.orientation();
  constexpr std::string_view kPairs = "RLAPIS";  // neighbours are opposite
  AxisOrder order;
  std::array<bool, 3> used{};
  for (std::size_t a = 0; a < 3; ++a) {
    bool found = false;
    for (std::size_t s = 0; s < 3 && letters.size() == 3; ++s) {
      const auto wanted = kPairs.find(letters[a]), present = kPairs.find(source[s]);
      if (wanted == std::string_view::npos || wanted / 2 != present / 2 || used[s]) continue;
      order.axis[a] = static_cast<int>(s);
      order.flipped[a] = wanted != present;
      used[s] = found = true;
    }
    if (!found)
      throw Error(ErrorCode::usage,
                  "--order takes three letters, one each of R/L, A/P and I/S, such as RAS.",
                  "--order");
  }
  return order;
}

bool is_landmark_name(const std::string& name) {
  return name.ends_with(".csv") || name.ends_with(".fcsv") || name.ends_with(".json");
}

void say(const std::string& file, const std::vector<std::string>& notes) {
  for (const std::string& note : notes) std::cerr << file << ": " << note << '\n';
}

io::CopyOptions copy_options(const ConvertOptions& options, const Grid& grid) {
  io::CopyOptions copy;
  if (!options.order.empty()) copy.order = order_of(grid, options.order);
  if (!options.type.empty()) copy.type = scalar_type(options.type);
  return copy;
}

std::unique_ptr<io::VolumeSink> sink_for(const ConvertOptions& options, io::SinkSpec spec) {
  const bool labels = spec.options.labels || options.write.labels;
  spec.options = options.write;
  spec.options.labels = labels;
  return io::open_sink(options.output, spec);
}

/// From disk to disk, a slab in memory at a time.
void stream(const io::BrickSource& source, const ConvertOptions& options,
            const std::stop_token& stop) {
  const int level = options.read.selection.level.value_or(0);
  const Grid grid = io::header_of(source, level, options.input).grid;
  say(options.input, source.info().notes);
  const io::CopyOptions copy = copy_options(options, grid);
  io::copy_level(source, level, copy, *sink_for(options, io::spec_of_copy(source, level, copy)),
                 stop);
}

/// The same of a file whose planes come in their order only; false when they are wanted in another.
bool stream_in_order(const ConvertOptions& options, const std::stop_token& stop) {
  const auto reader = io::open_in_order(options.input, options.read);
  if (!reader) return false;
  const io::CopyOptions copy = copy_options(options, reader->header().grid);
  if (!io::keeps_planes(copy.order)) return false;
  say(options.input, reader->header().notes);
  io::copy_in_order(*reader, copy, *sink_for(options, io::spec_of_copy(*reader, copy)), {}, stop);
  return true;
}

/// A displacement field goes into an OpenVDB file as such: vectors of any file in LPS mm. With a
/// voxel size of the user's it is an image, since transforms keep their file's.
bool is_warp_for_vdb(const ConvertOptions& options) {
  return io::is_vdb_name(options.output) && !options.read.selection.channel &&
         !options.read.spacing_mm && options.type.empty() && options.order.empty() &&
         io::read_header(options.input, options.read).channels == 3;
}

void convert_warp(const ConvertOptions& options) {
  const Transform warp = io::read_transform(options.input);
  io::write_displacement(std::get<DisplacementField>(warp.stages.front()), options.output);
}

void convert(ConvertOptions options) {
  keep_inputs(options.output, {options.input});
  if (is_landmark_name(options.input))
    return io::write_landmarks(io::read_landmarks(options.input), options.output);
  const Interruption interruption;
  options.read.stop = interruption.stop();
  if (is_warp_for_vdb(options)) return convert_warp(options);
  if (io::can_stream_to(options.output)) {
    const std::stop_token stop = interruption.stop();
    if (const auto source = io::open_source(options.input, options.read))
      return stream(*source, options, stop);
    if (options.import != ImportChoice::always && stream_in_order(options, stop)) return;
    if (const auto source = open_in_part(options.input, options.read, options.import, stop))
      return stream(*source, options, stop);
  }
  io::ReadOptions read = options.read;
  read.stop = interruption.stop();
  Volume volume = io::read_image(options.input, read);
  say(options.input, volume.notes());
  if (!options.order.empty()) {
    const AxisOrder order = order_of(volume.grid(), options.order);
    if (!order.is_identity()) volume = reordered(volume, order);
  }
  if (!options.type.empty()) volume = io::to_type(volume, scalar_type(options.type));
  interruption.look();
  io::write_image(volume, options.output, options.write);
  tell_lost_geometry(volume.grid(), options.output);
}

}  // namespace

void add_convert_verb(CLI::App& app) {
  CLI::App* verb = add_verb(
      app, "convert", "Write an image (or landmarks) in another format, type or axis order",
      "gigawarp convert stack.tif brain.nii.gz --spacing 0.005,0.005,0.01 --order RAS --type f32");
  auto options = std::make_shared<ConvertOptions>();
  verb->add_option("input", options->input, "Image, DICOM folder or landmark file")
      ->required()
      ->type_name("FILE");
  verb->add_option("output", options->output, "File to write; its extension chooses the format")
      ->required()
      ->type_name("FILE");
  verb->add_option("--type", options->type,
                   "Voxel type; whole numbers are rounded, and refused where they do not fit")
      ->type_name("u8|i8|u16|i16|u32|i32|f32|f64");
  verb->add_option(
          "--order", options->order,
          "Store the axes growing towards these letters, e.g. RAS; positions do not change")
      ->type_name("LETTERS");
  add_spacing_option(verb, "--spacing", options->read.spacing_mm,
                     "Voxel size in mm, wins over the file's");
  add_selection_options(verb, "", "the input", options->read.selection);
  add_write_options(verb, options->write);
  add_import_option(verb, options->import);
  verb->callback([options] { convert(*options); });
}

}  // namespace gigawarp::app
