#include "app/desktop.h"

#include <filesystem>

#include "gigawarp/error.h"
#include "io/http.h"
#include "ui/views/desktop.h"

namespace gigawarp::app {

void add_desktop_options(CLI::App& app, DesktopOptions& options) {
  app.add_option(
         "files", options.files,
         "Without a verb: opens the window with these: FIXED MOVING, a folder of results or "
         "a session")
      ->type_name("FILE");
  app.add_option(
         "--picture", options.picture,
         "Without a verb: saves a picture of the window once it shows them, and ends; needs "
         "no display")
      ->type_name("FILE");
}

int open_desktop(const DesktopOptions& options, int& argc, char** argv) {
  for (const std::string& file : options.files)
    if (!io::is_address(file) && !std::filesystem::exists(file))
      throw Error(ErrorCode::usage,
                  "\"" + file + "\" is neither a verb nor a file; see \"gigawarp --help\".", file);
  if (!options.picture.empty()) return ui::take_picture(argc, argv, options.files, options.picture);
  if (!ui::has_display())
    throw Error(ErrorCode::usage,
                "There is no display to open the window on; run a verb instead (see \"gigawarp "
                "--help\"), or log in with a display.");
  return ui::run_desktop(argc, argv, options.files);
}

}  // namespace gigawarp::app
