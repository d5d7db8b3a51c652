#pragma once
// Includes HDF5: for the .cpp files of this folder only.
#include <hdf5.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/box.h"
#include "io/convert.h"

namespace gigawarp::io {

/// An HDF5 file that is read. The library of Debian is thread-safe: it takes one call at a time.
class Hdf5File {
 public:
  /// Not open when it is no HDF5 file.
  explicit Hdf5File(const std::filesystem::path& path);
  ~Hdf5File();
  Hdf5File(const Hdf5File&) = delete;
  Hdf5File& operator=(const Hdf5File&) = delete;
  bool is_open() const { return file_ >= 0; }
  bool has(const std::string& name) const;

  struct Dataset {
    std::vector<std::int64_t> shape, chunk;  ///< slowest first
    FileScalar scalar = FileScalar::u8;
  };
  /// Throws Error{bad_input} when it is missing or no numbers.
  Dataset describe(const std::string& name) const;
  /// All values of a small dataset, slowest first.
  std::vector<double> numbers(const std::string& name) const;
  /// An attribute that is a string, or Imaris' array of single characters.
  std::optional<std::string> text(const std::string& group, const std::string& attribute) const;
  /// A box of a three-dimensional dataset (z, y, x) in its own type and the machine's byte order.
  void read(const std::string& name, const Box& box, FileScalar scalar, std::byte* out) const;

 private:
  [[noreturn]] void damaged(const std::string& name) const;
  std::filesystem::path path_;
  hid_t file_ = -1;
};

}  // namespace gigawarp::io
