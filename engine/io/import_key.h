#pragma once
#include <filesystem>
#include <string>

#include "io/image_io.h"

namespace gigawarp::io {

/// Inside engine/io: what an imported volume depends on, as JSON text, and the name of its folder.
struct ImportKey {
  std::string text, name;
};

/// Throws Error{bad_input} when the file cannot be read.
ImportKey import_key(const std::filesystem::path& path, const ReadOptions& options);
/// The file that the text of a key names.
std::string source_of(const std::string& key_text);
/// True while the file is as it was for that key; false when it cannot be read either.
bool is_current(const std::string& key_text);

/// A lock on a file (flock), held until the end of its object or process. Where the file system has
/// no locks, nobody waits.
class FileLock {
 public:
  FileLock() = default;
  ~FileLock();
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&& other) noexcept;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

  /// An existing file, with others who read; not held when it is missing or has been replaced.
  static FileLock shared(const std::filesystem::path& file);
  /// Alone, made when missing if `create`; not held when somebody else has it.
  static FileLock alone(const std::filesystem::path& file, bool create);
  bool held() const { return descriptor_ >= 0; }
  /// Held, and the file system has locks: whoever removes something asks for this.
  bool certain() const { return held() && certain_; }
  /// errno where the file could not be opened, else 0.
  int open_error() const { return open_error_; }
  /// Sets the file's time of change to now.
  void touch() const;

 private:
  static FileLock take(const std::filesystem::path& file, int flags, int operation);
  int descriptor_ = -1, open_error_ = 0;
  bool certain_ = false;
};

}  // namespace gigawarp::io
