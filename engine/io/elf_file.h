#pragma once
#include <filesystem>
#include <string>

namespace gigawarp::io {

/// Why a file is no whole shared library ("it is cut off"), or nothing when dlopen() may look at
/// it: that maps a library without looking at its length, and one that was not copied to its end
/// kills the process (SIGBUS).
std::string why_no_library(const std::filesystem::path& path);

}  // namespace gigawarp::io
