#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace gigawarp::app {

/// What stands on the command line without a verb: files for the window.
struct DesktopOptions {
  std::vector<std::string> files;
  std::string picture;  ///< file for a picture of the window; empty: a person looks at it
};
void add_desktop_options(CLI::App& app, DesktopOptions& options);

/// Opens the window and returns when it is closed. Throws Error{usage} when there is no display, or
/// a word is neither a verb nor a file.
int open_desktop(const DesktopOptions& options, int& argc, char** argv);

}  // namespace gigawarp::app
