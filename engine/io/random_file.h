#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace gigawarp::io {

/// A regular file that is read at any place, by any number of threads.
class RandomFile {
 public:
  /// Not open when there is no such file. Throws Error{bad_input} when it cannot be read or is no
  /// regular file (a pipe would wait for ever).
  explicit RandomFile(const std::filesystem::path& path);
  ~RandomFile();
  RandomFile(const RandomFile&) = delete;
  RandomFile& operator=(const RandomFile&) = delete;
  bool is_missing() const { return descriptor_ < 0; }
  std::uint64_t size() const { return size_; }
  /// Fills `out` from `offset` on. Throws Error{bad_input} when the file ends before.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace gigawarp::io
