#pragma once
#include <memory>

#include "cuda/support.h"
#include "ops/rank_parts.h"

namespace gigawarp::cuda {

/// Arrays of which a rank's GPU has the pages it asked for. The device must outlive it. Throws
/// Error{device_fault} where the driver cannot.
std::unique_ptr<ops::SparseMemory> make_sparse_memory(Device& device);

}  // namespace gigawarp::cuda
