#pragma once
#include <memory>
#include <vector>

#include "cuda/support.h"
#include "ops/grid_steps.h"

namespace gigawarp::cuda {

/// Steps of a grid of these devices, which can reach one another's memory and must outlive it.
std::unique_ptr<ops::GridSteps> make_grid_steps(std::vector<Device*> devices);

}  // namespace gigawarp::cuda
