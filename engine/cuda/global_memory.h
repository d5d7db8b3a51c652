#pragma once
#include <memory>
#include <vector>

#include "cuda/support.h"
#include "ops/grid_members.h"

namespace gigawarp::cuda {

/// Arrays of one virtual address range each, whose pages lie by parts on several devices and which
/// all of them read and write: directly over NVLink where a page is another's. The devices must
/// outlive it. Throws Error{device_fault} when two of them cannot reach each other.
std::unique_ptr<ops::GlobalMemory> make_global_memory(std::vector<Device*> devices);

}  // namespace gigawarp::cuda
