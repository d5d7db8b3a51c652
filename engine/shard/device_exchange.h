#pragma once
#include <memory>

#include "ops/rank_parts.h"
#include "shard/communicator.h"

/// How parts of arrays in the memory of GPUs get from rank to rank.
namespace gigawarp::shard {

/// NCCL, loaded at run time: the library that GIGAWARP_NCCL names, or libnccl.so.2 from the library
/// path. All ranks call it together. NVLink multicast is left off. Throws Error{device_fault} where
/// it is missing, says why, or where two ranks have one GPU.
std::unique_ptr<Exchange> make_nccl_exchange(Communicator& communicator,
                                             const ops::RankParts& parts);

/// Through host memory and the communicator's messages: slow, and needs nothing.
std::unique_ptr<Exchange> make_staged_exchange(Communicator& communicator, ops::Backend& backend);

/// What suits the parts: messages of the communicator on the host; NCCL between GPUs, or host
/// memory where the environment has GIGAWARP_EXCHANGE=host.
std::unique_ptr<Exchange> make_exchange(Communicator& communicator, ops::RankParts& parts);

}  // namespace gigawarp::shard
