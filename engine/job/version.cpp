#include "job/version.h"

namespace gigawarp::job {

std::string_view version() { return GIGAWARP_VERSION; }

}  // namespace gigawarp::job
