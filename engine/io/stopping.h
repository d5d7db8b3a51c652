#pragma once
#include <stop_token>

#include "gigawarp/error.h"
#include "io/brick_source.h"

namespace gigawarp::io {

/// Throws Error{cancelled} once reading is to stop.
inline void look_at(const std::stop_token& stop) {
  if (stop.stop_requested())
    throw Error(ErrorCode::cancelled, "Reading was cancelled; nothing was written.");
}

/// The same of work on what has been read, and of reading that goes along with it.
inline void look_at_work(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error(ErrorCode::cancelled, "The work was stopped.");
}

/// read_level() that can be stopped.
Volume read_level(const BrickSource& source, int level, const std::filesystem::path& path,
                  const std::stop_token& stop);

}  // namespace gigawarp::io
