#pragma once
#include <memory>

#include "gigawarp/volume_feed.h"
#include "shard/communicator.h"

namespace gigawarp::shard {

/// Equal numbers of planes for every rank. `communicator` must outlive it.
std::shared_ptr<const PlaneSharing> share_planes(Communicator& communicator);

}  // namespace gigawarp::shard
