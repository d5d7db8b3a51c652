#pragma once
#include "gigawarp/grid.h"
#include "gigawarp/volume.h"

namespace gigawarp::job {

/// reordered(), channel by channel in the volume's own memory: needs one more channel, not one more
/// volume.
void reorder_in_place(Volume& volume, const AxisOrder& order);

}  // namespace gigawarp::job
