#include "app/verbs.h"

#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "base/replace_file.h"
#include "gigawarp/error.h"
#include "io/plugins.h"

namespace gigawarp::app {

CLI::App* add_verb(CLI::App& app, const std::string& name, const std::string& description,
                   const std::string& example) {
  CLI::App* verb = app.add_subcommand(name, description);
  verb->footer("Example:\n  " + example + "\n");
  // "$LABELS" of a script whose variable is empty: nobody means the default by it.
  verb->parse_complete_callback([verb] {
    for (const CLI::Option* option : verb->get_options())
      for (const std::string& value : option->results())
        if (value.empty())
          throw Error(ErrorCode::usage,
                      option->get_name() + " is empty; give it a value or leave it out.",
                      option->get_name());
  });
  return verb;
}

Vec3 parse_vec3(const std::string& text, const std::string& option) {
  std::vector<double> numbers;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');) {
    char* end = nullptr;
    const double number = std::strtod(part.c_str(), &end);
    if (part.empty() || *end != '\0' || !std::isfinite(number))
      throw Error(ErrorCode::usage,
                  option + " takes x,y,z or one number, but \"" + text + "\" was given.", option);
    numbers.push_back(number);
  }
  if (numbers.size() == 1) return {numbers[0], numbers[0], numbers[0]};
  if (numbers.size() == 3) return {numbers[0], numbers[1], numbers[2]};
  throw Error(ErrorCode::usage,
              option + " takes x,y,z or one number, but \"" + text + "\" was given.", option);
}

CLI::Option* add_spacing_option(CLI::App* verb, const std::string& name,
                                std::optional<Vec3>& spacing_mm, const std::string& help) {
  const auto parse = [&spacing_mm, name](const std::string& text) {
    const Vec3 spacing = parse_vec3(text, name);
    for (const double mm : spacing)
      if (!(mm > 0))
        throw Error(ErrorCode::usage, name + " takes positive voxel sizes in millimetres.", name);
    spacing_mm = spacing;
  };
  return verb->add_option_function<std::string>(name, parse, help)->type_name("X,Y,Z");
}

void add_selection_options(CLI::App* verb, const std::string& prefix, const std::string& image,
                           ImageSelection& selection) {
  const auto add = [&](const char* name, std::optional<int>& index, const std::string& help) {
    verb->add_option("--" + prefix + name, index, help + " of " + image + ", counted from 0")
        ->check(CLI::Validator(CLI::NonNegativeNumber).description(""))
        ->type_name("N");
  };
  add("level", selection.level, "Pyramid level (default: 0, the finest)");
  add("channel", selection.channel, "Channel");
  add("timepoint", selection.timepoint, "Time point");
}

void add_write_options(CLI::App* verb, io::WriteOptions& options) {
  verb->add_flag("--labels", options.labels,
                 "The voxels are labels: coarser levels take the most frequent, never a mean");
  add_zarr_option(verb, options);
}

void add_zarr_option(CLI::App* verb, io::WriteOptions& options) {
  verb->add_option_function<std::string>(
          "--zarr",
          [&options](const std::string& version) { options.ome_zarr_0_5 = version == "0.5"; },
          "Version of an OME-Zarr that is written (default: 0.4; 0.5 is sharded: fewer files)")
      ->check(CLI::IsMember({"0.4", "0.5"}).description(""))
      ->type_name("0.4|0.5");
}

ScalarType scalar_type(const std::string& name) {
  for (int t = 0; t <= static_cast<int>(ScalarType::f64); ++t)
    if (name == name_of(static_cast<ScalarType>(t))) return static_cast<ScalarType>(t);
  throw Error(ErrorCode::usage,
              "--type takes u8, i8, u16, i16, u32, i32, f32 or f64, not \"" + name + "\".",
              "--type");
}

void override_selection(ImageSelection& selection, const ImageSelection& by) {
  if (by.level) selection.level = by.level;
  if (by.channel) selection.channel = by.channel;
  if (by.timepoint) selection.timepoint = by.timepoint;
}

void write_text_file(const std::filesystem::path& path, const std::string& text) {
  if (!replace_file(path, own_part_ending(), text))
    throw Error(ErrorCode::output_not_written,
                "\"" + path.string() +
                    "\" could not be written; check that its folder exists, is "
                    "writable and has room.",
                path.string());
}

void keep_inputs(const std::filesystem::path& out, const std::vector<std::string>& inputs) {
  for (const std::string& input : inputs)
    if (lies_at(input, out))
      throw Error(ErrorCode::usage,
                  "\"" + out.string() +
                      "\" is read for this and would be replaced; choose another name to write.",
                  out.string());
}

void tell_lost_geometry(const Grid& grid, const std::filesystem::path& out) {
  const std::string lost = io::lost_geometry(grid, out);
  if (!lost.empty()) std::cerr << out.string() << ": " << lost << '\n';
}

std::string command_line() {
  std::ifstream stream("/proc/self/cmdline", std::ios::binary);
  std::string line;
  for (std::string word; std::getline(stream, word, '\0');) {
    const bool plain =
        !word.empty() && word.find_first_of(" \t\n\"'\\$`*?[]{}()<>|&;#~!") == std::string::npos;
    if (!plain) {
      for (std::size_t at = 0; (at = word.find('\'', at)) != std::string::npos; at += 4)
        word.replace(at, 1, "'\\''");
      word = "'" + word + "'";
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return line;
}

PluginWarnings::~PluginWarnings() {
  const io::PluginList* plugins = io::plugins_in_use();
  if (plugins == nullptr) return;
  for (const CLI::App* verb : app_.get_subcommands())
    if (verb->get_name() == "formats") return;
  for (const io::SkippedPlugin& plugin : plugins->skipped)
    std::cerr << "gigawarp: warning: " << plugin.reason << "\n";
}

bool is_terminal(int file_descriptor) {
  const char* term = std::getenv("TERM");
  return isatty(file_descriptor) != 0 && term != nullptr && std::string(term) != "dumb";
}

}  // namespace gigawarp::app
