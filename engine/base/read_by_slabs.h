#pragma once
#include "gigawarp/volume_feed.h"

namespace gigawarp {

/// read_all() of several channels, a slab at a time: where whole planes are copied on the way, as
/// those of a field that comes from a GPU, no more than a slab's are.
Volume read_all_by_slabs(const VolumeFeed& feed);

}  // namespace gigawarp
