#pragma once
#include <unistd.h>

#include <filesystem>
#include <string>

namespace gigawarp::test {

/// The folder that a test program keeps its settings and temporary files in, named by its process.
/// A program that is killed (a time limit, a crash that it tests) cannot remove its own: the next
/// one removes the folders of processes that are no more.
class TestHome {
 public:
  TestHome() {
    const std::filesystem::path place = std::filesystem::temp_directory_path();
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator(place, ignored)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(kPrefix)) continue;
      const std::string process = name.substr(std::string(kPrefix).size());
      if (!std::filesystem::exists("/proc/" + process, ignored))
        std::filesystem::remove_all(entry.path(), ignored);
    }
    path_ = place / (kPrefix + std::to_string(getpid()));
    std::filesystem::create_directory(path_);
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);  // Qt asks for 0700
  }
  ~TestHome() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestHome(const TestHome&) = delete;
  TestHome& operator=(const TestHome&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  static constexpr const char* kPrefix = "gigawarp-ui-test-";
  std::filesystem::path path_;
};

}  // namespace gigawarp::test
