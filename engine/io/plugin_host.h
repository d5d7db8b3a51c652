#pragma once
#include "gigawarp/plugin.h"

namespace gigawarp::io {

/// What plugins may call. Codecs of chunks are among it so that they are held against damaged
/// input in one place, and a reader of chunks needs no compressor of its own.
const GigawarpHost& plugin_host();

/// While one exists on a thread, parallel_for() of plugins stays on that thread: it may hold the
/// lock of a plugin that takes one call at a time, and a thread of the pool that waits for its
/// own loop may begin another task, which would want that lock again.
class SerialSection {
 public:
  SerialSection();
  ~SerialSection();
  SerialSection(const SerialSection&) = delete;
  SerialSection& operator=(const SerialSection&) = delete;
};

}  // namespace gigawarp::io
