#pragma once
#include <memory>

#include "cuda/support.h"
#include "ops/rank_parts.h"

namespace gigawarp::cuda {

/// Marks of the device's stream. The device must outlive it.
std::unique_ptr<ops::WorkClock> make_event_clock(const Device& device);

}  // namespace gigawarp::cuda
