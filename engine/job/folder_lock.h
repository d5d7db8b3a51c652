#pragma once
#include <filesystem>

namespace gigawarp::job {

/// A folder that one process works in (flock), until the end of this object or of the process.
/// Where the file system has no locks, everybody has it.
class FolderLock {
 public:
  /// Of a folder that is there.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  bool could_open() const { return descriptor_ >= 0; }
  /// Another process has it.
  bool is_taken() const { return taken_; }

 private:
  int descriptor_ = -1;
  bool taken_ = false;
};

}  // namespace gigawarp::job
