#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/volume.h"

namespace gigawarp::io {

struct ReadOptions {
  std::optional<Vec3> spacing_mm;  ///< given by the user; wins over the file's
  bool label_map =
      false;  ///< values must be whole numbers; float files of whole numbers become i32
};

/// What a header says, without the voxels. `gigawarp info` prints it.
struct ImageHeader {
  Grid grid;
  ScalarType type = ScalarType::u8;
  int channels = 1;
  std::string format;              ///< "NIfTI-1 (gzip)", "NRRD", "DICOM series", …
  std::vector<std::string> notes;  ///< conversions and assumptions
};

ImageHeader read_header(const std::filesystem::path& path, const ReadOptions& options = {});

/// Reads a 3-D volume in its own type. 2-D images become one slice; 4-D images with one time point
/// become 3-D; several time points, RGB and complex are refused or converted with a note, as
/// documented there. Throws Error{bad_input}: missing, truncated, damaged, empty, not an image,
/// unknown spacing, more than 3 dimensions.
Volume read_image(const std::filesystem::path& path, const ReadOptions& options = {});

/// Writes beside `path` and renames. Format by extension. Throws Error{output_not_written | usage}.
void write_image(const Volume& volume, const std::filesystem::path& path);

}  // namespace gigawarp::io
