#pragma once
// Includes HDF5: for the .cpp files of this folder only.
#include <hdf5.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "hdf5/chunks.h"

namespace hdf5 {

/// The bytes a file begins with are those of HDF5, with a user block or without.
bool is_hdf5(const GigawarpFile& file);

/// Closes what it holds.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  explicit operator bool() const { return id_ >= 0; }
  hid_t id() const { return id_; }

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

/// Keeps HDF5 from printing on this thread: its errors are told in our words.
void silence();

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
  void read(const GigawarpHost& host, const std::string& name, const GigawarpBox& box,
            GigawarpType type, void* out) const;

 private:
  [[noreturn]] void damaged(const std::string& name) const;
  struct OpenSet {
    hid_t id = -1;
    std::optional<ChunkLayout> chunks;
  };
  const OpenSet& dataset(const std::string& name, GigawarpType type) const;
  void read_by_library(hid_t set, const std::string& name, const GigawarpBox& box,
                       GigawarpType type, void* out) const;
  std::string path_;
  hid_t file_ = -1;
  mutable std::mutex mutex_;
  mutable std::map<std::string, OpenSet> open_;  ///< datasets that were read from
};

}  // namespace hdf5
