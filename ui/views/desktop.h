#pragma once
#include <string>
#include <vector>

namespace gigawarp::ui {

/// True when a window can be shown: a display is named, or Qt is told to draw offscreen.
bool has_display();

/// Opens the window with what `files` name (images, a folder of results, a session) and runs until
/// it is closed. Returns the exit code of the process.
int run_desktop(int& argc, char** argv, const std::vector<std::string>& files);

/// The same window without a display: a picture of it goes to `picture` as soon as it has read and
/// drawn everything. Throws Error{output_not_written}, and Error{bad_input} with the sentence of an
/// image or of results that could not be read.
int take_picture(int& argc, char** argv, const std::vector<std::string>& files,
                 const std::string& picture);

}  // namespace gigawarp::ui
