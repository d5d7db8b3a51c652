#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gigawarp/error.h"
#include "gigawarp/grid.h"

namespace gigawarp::io {

/// Throws Error{bad_input}: `The file "<path>" <rest>`. `rest` ends with a full stop.
[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& rest);
/// Throws Error{output_not_written}: `"<path>" was not written: <rest>`.
[[noreturn]] void refuse_output(const std::filesystem::path& path, const std::string& rest);

/// Lower-case text of the file name's end is `extension` (".nii.gz").
bool has_extension(const std::filesystem::path& path, std::string_view extension);

/// Size of a regular file; throws Error{bad_input} when it is missing, unreadable or no file.
std::uint64_t checked_file_size(const std::filesystem::path& path);

/// The first bytes of a file, fewer when it is shorter. Throws Error{bad_input} when it cannot be
/// read.
std::vector<std::byte> read_head(const std::filesystem::path& path, std::size_t bytes);

/// A whole small text file; refused when larger than `limit` bytes.
std::string read_text(const std::filesystem::path& path, std::size_t limit = 256U << 20);

/// voxels * channels * bytes per value, or nullopt when that overflows or a size is not positive.
std::optional<std::uint64_t> volume_bytes(const Size3& size, int channels, std::size_t value_bytes);

/// Which of `count` parts of a file to read: the one that is wanted, or the only one. Throws
/// Error{bad_input} where there are several and none is wanted, Error{usage} for one that there is
/// not. `what` names one of them ("time point"), `option` is where the user says which
/// ("--timepoint").
std::int64_t chosen_part(const std::filesystem::path& path, std::int64_t count,
                         const std::optional<int>& wanted, const std::string& what,
                         const std::string& option);

/// Refuses a grid with a size that is not positive, a spacing that is zero, negative or not finite,
/// or a singular direction. `what` names the source ("header").
void check_grid(const std::filesystem::path& path, const Grid& grid);

/// Replaces the spacing, keeping origin and directions.
void override_spacing(Grid& grid, const Vec3& spacing_mm);

/// How check_memory() says what does not fit, and what helps.
struct MemoryWords {
  const char *what = "volume", *needs = "needs", *advice = "use a smaller volume";
};
/// Refuses (does_not_fit) before an allocation that this machine cannot hold.
void check_memory(const std::filesystem::path& path, std::uint64_t bytes,
                  const MemoryWords& words = {});

/// A file written under a temporary name in the same folder; commit() renames it into place.
/// Without commit the temporary is removed. Every failure is Error{output_not_written}.
class AtomicFile {
 public:
  explicit AtomicFile(const std::filesystem::path& target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* data, std::size_t bytes);
  /// At that place, whatever write() has reached, which goes on from where it was.
  void write_at(std::uint64_t offset, const void* data, std::size_t bytes);
  /// Appends what another has written so far.
  void append(const AtomicFile& other);
  /// Makes sure that `bytes` fit on the disk, for libraries that cannot survive a full one.
  void reserve(std::uint64_t bytes);
  /// Closes the file so that another library may fill `temporary()` before commit().
  void close();
  const std::filesystem::path& temporary() const { return temporary_; }
  void commit();

 private:
  std::filesystem::path target_, temporary_;
  int descriptor_ = -1;
  bool done_ = false;
};

/// A folder filled under a hidden temporary name beside `target`; commit() renames it into place,
/// changing places with an earlier one at once. Without commit the temporary is removed. Every
/// failure is Error{output_not_written}.
class AtomicFolder {
 public:
  /// `obstacle` says why a folder that is there may not be replaced, as the end of a sentence;
  /// nothing if it may.
  AtomicFolder(const std::filesystem::path& target,
               std::string (*obstacle)(const std::filesystem::path& folder));
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;
  const std::filesystem::path& target() const { return target_; }
  void make_folders(const std::filesystem::path& relative) const;
  void write(const std::filesystem::path& relative, std::span<const std::byte> bytes) const;
  void commit();

 private:
  std::filesystem::path target_, temporary_;
};

}  // namespace gigawarp::io
