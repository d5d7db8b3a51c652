#pragma once
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/selection.h"
#include "gigawarp/volume.h"

namespace gigawarp::io {

struct ReadOptions {
  std::optional<Vec3> spacing_mm;  ///< given by the user; wins over the file's
  bool label_map =
      false;  ///< values must be whole numbers; float files of whole numbers become i32
  ImageSelection selection = {};  ///< of files with levels, channels or time points
  /// Looked at while voxels are read: Error{cancelled}. Also ends what an open source reads over
  /// the network.
  std::stop_token stop = {};
  /// Of the options that choose among what a file holds or say its spacing, in sentences that
  /// advise them: "fixed-" where they are --fixed-spacing, --fixed-timepoint and so on.
  std::string option_prefix = {};
};

/// What there is to select from in a file.
struct FileParts {
  int channels = 1, timepoints = 1;
  std::vector<std::string> channel_names;  ///< of the first ones, as far as the file names them
};

/// What a header says, without the voxels. `gigawarp info` prints it.
struct ImageHeader {
  Grid grid;
  ScalarType type = ScalarType::u8;
  int channels = 1;
  FileParts parts;                 ///< of the file, whatever was selected
  std::string format;              ///< "NIfTI-1 (gzip)", "NRRD", "DICOM series", …
  std::vector<std::string> notes;  ///< conversions and assumptions
  std::vector<Grid> levels;        ///< of a pyramid, finest first; empty where there is none
};

/// The file's name ends like those of a format that is built in ("a.nii.gz"); OME-Zarr is none.
bool has_builtin_ending(const std::filesystem::path& path);

ImageHeader read_header(const std::filesystem::path& path, const ReadOptions& options = {});

/// Reads a 3-D volume in its own type. 2-D images become one slice; 4-D images with one time point
/// become 3-D; of a NIfTI series the volume that the options choose is read, other series and
/// complex numbers are refused; colour becomes BT.709
/// luminance, 64-bit integers 32-bit ones if they fit, scaled values f32, each with a note. NaN is
/// kept. The world becomes LPS mm: micrometres are converted (NIfTI, NRRD, TIFF), MINC's RAS and
/// MRC's ångström too. NIfTI takes sform or qform by ITK's rule and says so where they disagree;
/// TIFF and NRRD without a voxel size are refused. A folder, or one file of a series, is read as
/// DICOM, as OME-Zarr (io/ome_zarr.h) or by a plugin, of which one level is read. Throws
/// Error{bad_input}: missing, truncated, damaged, empty, not an image, unknown spacing, more than
/// three dimensions; and Error{does_not_fit} before an allocation beyond free memory.
Volume read_image(const std::filesystem::path& path, const ReadOptions& options = {});

/// Options for a mask or label map that lies beside an image read with `image`: its spacing, and
/// its level where the file has levels.
ReadOptions companion_options(const ReadOptions& image, const std::filesystem::path& path);

struct WriteOptions {
  bool labels = false;        ///< values are names: a pyramid takes the most frequent
  bool ome_zarr_0_5 = false;  ///< OME-Zarr 0.5 (Zarr v3, sharded) rather than 0.4
};

/// Writes beside `path` and renames. Format by extension. Throws Error{output_not_written | usage}.
void write_image(const Volume& volume, const std::filesystem::path& path,
                 const WriteOptions& options = {});

/// What a file of that name will not hold of a volume's grid, in a sentence; empty: nothing.
std::string lost_geometry(const Grid& grid, const std::filesystem::path& path);

}  // namespace gigawarp::io
