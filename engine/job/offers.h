#pragma once
#include <string>
#include <vector>

#include "gigawarp/job.h"

namespace gigawarp::job {

/// A job that can do with less memory.
struct Offer {
  std::string options;  ///< of the command line, added to those that the job was made from
  JobSpec job;
};

/// What a job could do without, the least loss first: a wide window, the inverse, the warp's own
/// grid, its finest levels one by one and, where one is left, its resolution.
std::vector<Offer> lighter_forms(const JobSpec& job, const Grid& fixed);

/// Who asks for shrink 8 and 4 does not want an affine stage at 2, nor its memory: levels of
/// earlier stages finer than the last stage's finest are left out, or become that where a stage has
/// no others.
void coarsen_earlier_stages(std::vector<StageSpec>& stages);

}  // namespace gigawarp::job
