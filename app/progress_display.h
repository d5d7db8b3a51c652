#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "gigawarp/progress.h"

namespace gigawarp::app {

/// How a run shows itself. `kind`: "bar" (one line redrawn on stderr), "lines" (a line per level on
/// stderr), "json" (an event per line on stdout), "none" (warnings only) or "auto": a bar on a
/// terminal, lines otherwise. Throws Error{usage}.
std::unique_ptr<ProgressSink> make_progress_display(const std::string& kind);

/// "1:05", "2:03:00".
std::string duration_text(double seconds);

}  // namespace gigawarp::app
