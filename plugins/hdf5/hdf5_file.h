#pragma once
// Includes HDF5: for the .cpp files of this folder only.
#include <hdf5.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/plugin.h"

namespace hdf5 {

/// The bytes a file begins with are those of HDF5, with a user block or without.
bool is_hdf5(const GigawarpFile& file);

/// An HDF5 file that is read. Thread-safe where the library is (the plugin says so if it is not);
/// it takes one call at a time.
class File {
 public:
  /// Not open when it is no HDF5 file.
  explicit File(const std::string& path);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  bool is_open() const { return file_ >= 0; }
  const std::string& path() const { return path_; }
  bool has(const std::string& name) const;

  struct Dataset {
    std::vector<std::int64_t> shape,
        chunk;  ///< slowest first; the chunk is empty when there are none
    GigawarpType type = GIGAWARP_U8;
  };
  /// Throws plugin::Refusal when it is missing or no numbers.
  Dataset describe(const std::string& name) const;
  /// All values of a small dataset, slowest first.
  std::vector<double> numbers(const std::string& name) const;
  /// An attribute that is a string, or Imaris' array of single characters.
  std::optional<std::string> text(const std::string& group, const std::string& attribute) const;
  /// A box of a three-dimensional dataset (z, y, x) as `type`, in the machine's byte order.
  void read(const std::string& name, const GigawarpBox& box, GigawarpType type, void* out) const;

 private:
  [[noreturn]] void damaged(const std::string& name) const;
  hid_t dataset(const std::string& name) const;
  std::string path_;
  hid_t file_ = -1;
  mutable std::mutex mutex_;
  mutable std::map<std::string, hid_t> open_;  ///< datasets that were read from
};

}  // namespace hdf5
