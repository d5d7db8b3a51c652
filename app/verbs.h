#pragma once
#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "app/verb_list.h"
#include "gigawarp/grid.h"
#include "gigawarp/selection.h"
#include "io/image_io.h"

/// The command line: one file per verb, verb_<name>.cpp, which defines add_<name>_verb(). That
/// function adds a subcommand with its options and a callback that does the work. A callback prints
/// results to stdout, progress and warnings to stderr, and throws gigawarp::Error, which main()
/// turns into the sentence and the exit code.
namespace gigawarp::app {

#define GIGAWARP_DECLARE_VERB(name) void add_##name##_verb(CLI::App& app);
GIGAWARP_FOR_EACH_VERB(GIGAWARP_DECLARE_VERB)
#undef GIGAWARP_DECLARE_VERB

/// Adds a subcommand whose help ends with "Example:" and the given command line(s).
CLI::App* add_verb(CLI::App& app, const std::string& name, const std::string& description,
                   const std::string& example);

/// "x,y,z" or one number for all three. Throws Error{usage} naming `option`; values must be finite.
Vec3 parse_vec3(const std::string& text, const std::string& option);

/// Option `name` taking "x,y,z" or one number, positive, in millimetres.
CLI::Option* add_spacing_option(CLI::App* verb, const std::string& name,
                                std::optional<Vec3>& spacing_mm, const std::string& help);

/// Options --<prefix>level, --<prefix>channel and --<prefix>timepoint of `image`.
void add_selection_options(CLI::App* verb, const std::string& prefix, const std::string& image,
                           ImageSelection& selection);
/// What is given in `by` replaces what `selection` says.
void override_selection(ImageSelection& selection, const ImageSelection& by);

/// Options of images that are written: --zarr, and with it --labels.
void add_zarr_option(CLI::App* verb, io::WriteOptions& options);
void add_write_options(CLI::App* verb, io::WriteOptions& options);

/// The type that --type names ("u8" … "f64"). Throws Error{usage}.
ScalarType scalar_type(const std::string& name);

/// Writes `text` beside `path` and renames it into place. Throws Error{output_not_written}.
void write_text_file(const std::filesystem::path& path, const std::string& text);

/// Throws Error{usage} where `out` is one of the files that it is made from, or holds one.
void keep_inputs(const std::filesystem::path& out, const std::vector<std::string>& inputs);

/// Says on stderr what an image written as `out` does not hold of its volume's grid.
void tell_lost_geometry(const Grid& grid, const std::filesystem::path& out);

/// How this process was started, quoted for a shell; for the provenance of results.
std::string command_line();

/// At its end, says on stderr which plugins were skipped while a verb read files; `formats` lists
/// them itself.
class PluginWarnings {
 public:
  explicit PluginWarnings(const CLI::App& app) : app_(app) {}
  ~PluginWarnings();
  PluginWarnings(const PluginWarnings&) = delete;
  PluginWarnings& operator=(const PluginWarnings&) = delete;

 private:
  const CLI::App& app_;
};

/// True when stdout or stderr is a terminal that understands cursor control.
bool is_terminal(int file_descriptor);

}  // namespace gigawarp::app
