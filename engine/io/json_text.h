#pragma once
// Includes nlohmann-json: for the .cpp files of this folder only.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "io/file_support.h"
#include "io/http.h"

namespace gigawarp::io {

/// A JSON object from a metadata file or address. Throws Error{bad_input} when it is missing,
/// damaged or no object.
inline nlohmann::json read_json(const std::filesystem::path& path,
                                const std::stop_token& stop = {}) {
  const std::optional<std::string> text = stored_text(path, stop);
  if (!text) refuse(path, "does not exist; check the name and the folder.");
  nlohmann::json json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object()) refuse(path, "is damaged: it is not the JSON it should be.");
  return json;
}

}  // namespace gigawarp::io
