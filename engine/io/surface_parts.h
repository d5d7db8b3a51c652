#pragma once
// For the surface files of this folder.
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "io/file_support.h"
#include "io/stopping.h"
#include "io/surface_file.h"

namespace gigawarp::io {

inline constexpr const char* kNormalsAreLeftOut =
    "Its normals are left out, as they are no longer those of the surface.";

std::unique_ptr<SurfaceFile> make_ply(const std::filesystem::path& path);
std::unique_ptr<SurfaceFile> make_obj(const std::filesystem::path& path);
std::unique_ptr<SurfaceFile> make_stl(const std::filesystem::path& path);
std::unique_ptr<SurfaceFile> make_gifti(const std::filesystem::path& path);
std::unique_ptr<SurfaceFile> make_poly_data(const std::filesystem::path& path);

/// What 3D Slicer since 4.11 writes into headers and comments: "SPACE=RAS" or "SPACE=LPS".
std::optional<SurfaceSpace> space_in(std::string_view text);

/// Refuses (does_not_fit) before an allocation that this machine cannot hold.
void check_surface_memory(const std::filesystem::path& path, std::uint64_t bytes);
/// Refuses a file that cannot have as many points as its header says, before memory is taken.
void check_points(const std::filesystem::path& path, std::uint64_t points,
                  std::uint64_t bytes_each);

/// Words of a line, without what separates them.
void split_words(std::string_view line, std::vector<std::string_view>& words);
/// A finite number that fills the word.
std::optional<double> finite_number(std::string_view word);
std::optional<std::int64_t> whole_number(std::string_view word);
/// Nine digits, with which a float is read back as it was; a double needs seventeen.
void append_number(std::string& text, double value, int digits = 9);
/// For a file that has other contents when it is read again to be written.
[[noreturn]] void refuse_changed(const std::filesystem::path& path);

/// A file from its beginning to its end.
class ForwardFile {
 public:
  explicit ForwardFile(const std::filesystem::path& path);
  /// Without its end, "\n" or "\r\n". False at the file's end.
  bool line(std::string& text);
  /// Refuses a file that ends before.
  void bytes(void* to, std::size_t count);
  std::int64_t lines() const { return lines_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::vector<char> buffer_;
  std::ifstream stream_;
  std::int64_t lines_ = 0;
};

/// Gathers small pieces for an AtomicFile.
class GatheredFile {
 public:
  explicit GatheredFile(const std::filesystem::path& out) : file_(out) {}
  void add(std::string_view text) {
    text_.append(text);
    if (text_.size() >= kMost) flush();
  }
  void write_at(std::uint64_t offset, const void* data, std::size_t bytes) {
    flush();
    file_.write_at(offset, data, bytes);
  }
  void commit() {
    flush();
    file_.commit();
  }

 private:
  static constexpr std::size_t kMost = std::size_t{1} << 20;
  void flush() {
    file_.write(text_.data(), text_.size());
    text_.clear();
  }
  AtomicFile file_;
  std::string text_;
};

}  // namespace gigawarp::io
