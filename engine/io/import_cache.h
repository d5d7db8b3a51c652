#pragma once
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "io/brick_source.h"
#include "io/plane_reader.h"

namespace gigawarp::io {

/// One imported volume, as `gigawarp cache --list` shows it.
struct CacheEntry {
  std::string source;       ///< the file it was made from
  std::uint64_t bytes = 0;  ///< on disk
  timespec last_used{};
  bool current = true;  ///< the file is as it was
  std::filesystem::path folder;
};

/// Volumes that cannot be read out of order (.nii.gz, compressed NRRD and MetaImage, MINC, DICOM
/// …), each imported once into an OME-Zarr pyramid in a folder that the user can see, bound and
/// clear:
///     <folder>/<name>-<hash>/volume.ome.zarr, source.json; <folder>/limit
/// An entry is that of its file's path, size, time of change and first 64 KiB, of the voxel size
/// the user gave, of the time point and of whether values are labels; the file that a
/// header names counts too, and for a volume of several files all files of its folder do. A changed
/// file is imported again. An entry appears by renaming a folder that is complete; what was killed
/// before is removed by the next who comes. Processes and threads that want the same file at once
/// wait for the one that imports it. While a source is open its entry stays.
class ImportCache {
 public:
  /// $GIGAWARP_CACHE, or $XDG_CACHE_HOME/gigawarp/volumes, or ~/.cache/gigawarp/volumes.
  static std::filesystem::path default_folder();
  static constexpr std::uint64_t kDefaultLimit = std::uint64_t{100} << 30;

  explicit ImportCache(std::filesystem::path folder = default_folder());
  const std::filesystem::path& folder() const { return folder_; }

  /// The volume as a pyramid, imported if it has to be: voxels of level 0 are those of
  /// read_image(), coarser ones means, or majorities where options.label_map is set. `progress` is
  /// called on this thread, and only when there is something to import. The level of the options is
  /// left to the reader. Those used longest ago are removed down to the limit. Throws what reading
  /// the file throws; Error{output_not_written} when the disk is full or the folder cannot be
  /// written; Error{does_not_fit} when the volume alone exceeds the limit; Error{cancelled}.
  std::unique_ptr<BrickSource> open(const std::filesystem::path& path,
                                    const ReadOptions& options = {}, const Fraction& progress = {},
                                    const std::stop_token& stop = {}) const;

  /// The same of a volume that is there already; nothing otherwise.
  std::unique_ptr<BrickSource> find(const std::filesystem::path& path,
                                    const ReadOptions& options = {}) const;

  /// Last used first.
  std::vector<CacheEntry> entries() const;
  std::uint64_t limit_bytes() const;
  /// Kept for all processes; removes what is too much now. Throws Error{output_not_written}.
  void set_limit(std::uint64_t bytes) const;
  /// Removes all entries that nobody has open, and what killed imports left; bytes that became
  /// free.
  std::uint64_t clear() const;

 private:
  struct Key;
  std::unique_ptr<BrickSource> open_entry(const Key& key, const ReadOptions& options) const;
  void import(const std::filesystem::path& path, const Key& key, const ReadOptions& options,
              const Fraction& progress, const std::stop_token& stop) const;
  /// `importing`: the name of the entry that the caller is making; its lock and parts are left.
  std::uint64_t trim(std::uint64_t to_bytes, const std::string& importing = {}) const;

  std::filesystem::path folder_;
};

/// The volume read in place where that is possible (open_source()), else from the default cache.
std::unique_ptr<BrickSource> open_source_or_import(const std::filesystem::path& path,
                                                   const ReadOptions& options = {},
                                                   const Fraction& progress = {},
                                                   const std::stop_token& stop = {});

}  // namespace gigawarp::io
