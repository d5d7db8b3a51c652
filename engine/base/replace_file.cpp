#include "base/replace_file.h"

#include <unistd.h>

#include <fstream>

namespace gigawarp {

bool replace_file(const std::filesystem::path& path, const std::string& ending,
                  const std::function<bool(const std::filesystem::path& part)>& fill) {
  std::filesystem::path part = path;
  part += ending;
  std::error_code failure;
  const bool filled = fill(part);
  if (filled) std::filesystem::rename(part, path, failure);
  if (filled && !failure) return true;
  std::filesystem::remove(part, failure);
  return false;
}

bool replace_file(const std::filesystem::path& path, const std::string& ending,
                  std::string_view text) {
  return replace_file(path, ending, [text](const std::filesystem::path& part) {
    std::ofstream stream(part, std::ios::binary | std::ios::trunc);
    stream << text;
    stream.close();
    return static_cast<bool>(stream);
  });
}

bool lies_at(const std::filesystem::path& file, const std::filesystem::path& place) {
  namespace fs = std::filesystem;
  std::error_code failure;
  const fs::path whole = fs::canonical(file, failure);
  if (failure) return false;
  for (fs::path at = whole; at != at.root_path(); at = at.parent_path())
    if (fs::equivalent(at, place, failure)) return true;
  return false;
}

std::string own_part_ending() { return ".part" + std::to_string(getpid()); }

}  // namespace gigawarp
