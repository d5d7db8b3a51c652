#pragma once
#include <memory>
#include <vector>

#include "cuda/support.h"
#include "ops/grid_members.h"

namespace gigawarp::cuda {

/// By events of the devices' streams. The devices must outlive it.
std::unique_ptr<ops::MemberOrder> make_member_order(std::vector<Device*> devices);

}  // namespace gigawarp::cuda
