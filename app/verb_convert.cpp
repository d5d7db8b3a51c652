#include <algorithm>
#include <iostream>
#include <memory>

#include "app/run_commands.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/convert.h"
#include "io/image_io.h"
#include "io/landmarks_io.h"

namespace gigawarp::app {
namespace {

struct ConvertOptions {
  std::string input, output, type, order;
  io::ReadOptions read;
};

ScalarType type_of(const std::string& name) {
  for (int i = 0; i <= static_cast<int>(ScalarType::f64); ++i)
    if (name == name_of(static_cast<ScalarType>(i))) return static_cast<ScalarType>(i);
  throw Error(ErrorCode::usage,
              "--type takes u8, i8, u16, i16, u32, i32, f32 or f64, not \"" + name + "\".",
              "--type");
}

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

void convert(const ConvertOptions& options) {
  if (is_landmark_name(options.input))
    return io::write_landmarks(io::read_landmarks(options.input), options.output);
  const Interruption interruption;
  Volume volume = io::read_image(options.input, options.read);
  for (const std::string& note : volume.notes()) std::cerr << options.input << ": " << note << '\n';
  if (!options.order.empty()) {
    const AxisOrder order = order_of(volume.grid(), options.order);
    if (!order.is_identity()) volume = reordered(volume, order);
  }
  if (!options.type.empty()) volume = io::to_type(volume, type_of(options.type));
  interruption.look();
  io::write_image(volume, options.output);
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
  verb->callback([options] { convert(*options); });
}

}  // namespace gigawarp::app
