#pragma once
#include <tiffio.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/convert.h"
#include "io/image_io.h"
#include "io/tiff_metadata.h"

namespace gigawarp::io {

/// Inside engine/io: the pages of a TIFF file, for those who read them whole or in part.

struct CloseTiff {
  void operator()(TIFF* tiff) const noexcept { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

/// Throws Error{bad_input}. Not mapped: a shrinking file must not crash us.
Tiff open_tiff(const std::filesystem::path& path);

template <class T>
T tiff_tag(TIFF* tiff, std::uint32_t which, T fallback) {
  T value = fallback;
  return TIFFGetFieldDefaulted(tiff, which, &value) == 1 ? value : fallback;
}

/// What every page must agree on.
struct TiffPage {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 0, samples = 0, format = 0, planar = 0, photometric = 0;
  bool operator==(const TiffPage&) const = default;
};

/// Of the directory that `tiff` is at.
TiffPage tiff_page(TIFF* tiff);

struct TiffStack {
  TiffPage page;
  FileType type;
  TiffMetadata metadata;
  std::int64_t pages = 0;                  ///< of full size
  std::vector<std::uint64_t> directories;  ///< where they begin; one only when contiguous
  bool contiguous = false;       ///< ImageJ's "one directory, all pages behind each other"
  std::uint64_t first_byte = 0;  ///< of the voxels, when contiguous
  Grid grid;
  int channels = 1;
  std::vector<std::string> notes;

  /// In bytes, uncompressed.
  std::uint64_t page_bytes() const {
    return std::uint64_t{page.width} * page.height * page.samples * width_of(type.scalar);
  }
  /// Pages of channels alternate within a slice unless the metadata says otherwise.
  std::int64_t page_at(std::int64_t channel, std::int64_t z) const {
    return metadata.slices_before_channels ? channel * grid.size[2] + z : z * channels + channel;
  }
  /// Channel and slice of a page.
  std::pair<std::int64_t, std::int64_t> place_of(std::int64_t p) const {
    const std::int64_t slices = grid.size[2];
    return metadata.slices_before_channels ? std::pair{p / slices, p % slices}
                                           : std::pair{p % channels, p / channels};
  }
};

/// Walks the directories and leaves `tiff` at the first. Reduced-resolution pages are left out.
/// Throws Error{bad_input}: see read_tiff_header().
TiffStack inspect_tiff(TIFF* tiff, const std::filesystem::path& path, const ReadOptions& options);

}  // namespace gigawarp::io
