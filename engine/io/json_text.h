#pragma once
// Includes nlohmann-json: for the .cpp files of this folder only.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/file_support.h"

namespace gigawarp::io {

/// A JSON object from a metadata file. Throws Error{bad_input} when it is missing, damaged or no
/// object.
inline nlohmann::json read_json(const std::filesystem::path& path) {
  constexpr std::size_t kLimit = 64U << 20;
  nlohmann::json json = nlohmann::json::parse(read_text(path, kLimit), nullptr, false);
  if (!json.is_object()) refuse(path, "is damaged: it is not the JSON it should be.");
  return json;
}

}  // namespace gigawarp::io
