#pragma once
#include <memory>

#include "cuda/support.h"
#include "ops/rank_parts.h"

namespace gigawarp::cuda {

/// Pieces of one operation follow one another on the device's stream; the host waits once, after
/// the last. The device must outlive it.
std::unique_ptr<ops::CutWork> make_cut_work(Device& device);

}  // namespace gigawarp::cuda
