#pragma once
#include <string>
#include <vector>

namespace gigawarp::ui {

/// True when a window can be shown: a display is named, or Qt is told to draw offscreen.
bool has_display();

/// Opens the window with what `files` name (images, a folder of results, a session) and runs until
/// it is closed. Returns the exit code of the process.
int run_desktop(int& argc, char** argv, const std::vector<std::string>& files);

}  // namespace gigawarp::ui
