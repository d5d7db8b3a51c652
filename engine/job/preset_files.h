#pragma once
#include <string_view>
#include <utility>
#include <vector>

namespace gigawarp::job {

/// Name and JSON text of every file in resources/presets, the default preset first. The definition
/// is generated at build time (packaging/cmake/EmbedPresets.cmake).
const std::vector<std::pair<std::string_view, std::string_view>>& preset_files();

}  // namespace gigawarp::job
