#pragma once
#include <cstdlib>
#include <filesystem>
#include <optional>

namespace gigawarp::test {

/// The folder of real volumes (../shared/data of the workplace), or nothing: then a test that needs
/// it calls GTEST_SKIP().
inline std::optional<std::filesystem::path> test_data() {
  const char* folder = std::getenv("GIGAWARP_TEST_DATA");
  if (folder == nullptr || !std::filesystem::is_directory(folder)) return std::nullopt;
  return std::filesystem::path(folder);
}

}  // namespace gigawarp::test
