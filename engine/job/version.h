#pragma once
#include <string_view>

namespace gigawarp::job {

/// "0.1.0".
std::string_view version();

}  // namespace gigawarp::job
