#pragma once
#include <filesystem>

#include "gigawarp/volume.h"
#include "io/convert.h"
#include "io/image_io.h"
#include "io/volume_sink.h"

namespace gigawarp::io {

/// NIfTI-1 and NIfTI-2, single file or .hdr/.img pair, plain or gzip, either byte order, read and
/// written without ITK: rows stream straight into the volume and our own files expand in parallel.
/// Source: nifti1.h (2007), nifti2.h (2011), nifti.nimh.nih.gov.

/// What the header says, before any conversion.
struct NiftiHeader {
  int version = 1;       ///< 1 or 2
  bool swapped = false;  ///< the other byte order
  bool pair = false;     ///< voxels in a separate .img
  bool compressed = false;
  std::filesystem::path voxels;  ///< the file that holds the voxels
  std::uint64_t offset = 0;      ///< of the first voxel in `voxels`
  Grid grid;                     ///< LPS mm
  std::int64_t times = 1;        ///< dim[4]
  std::int64_t components = 1;   ///< product of dim[5..7]
  int datatype = 0;              ///< NIfTI code
  double slope = 1, intercept = 0;
  int intent = 0;
  std::string intent_name;
  std::vector<std::string> notes;
  bool scaled() const { return slope != 1 || intercept != 0; }
};

/// NIfTI intent codes that matter here.
inline constexpr int kNiftiIntentDisplacement = 1006;
inline constexpr int kNiftiIntentVector = 1007;

bool is_nifti_name(const std::filesystem::path& path);
NiftiHeader read_nifti_header(const std::filesystem::path& path, const ReadOptions& options = {});
/// The stored voxel type. Throws Error{bad_input} for those that are not read.
FileType nifti_file_type(const NiftiHeader& header, const std::filesystem::path& path);
ImageHeader describe(const NiftiHeader& header, const std::filesystem::path& path);
/// Which volume of a series to read. Throws Error{bad_input} where none is chosen of several, or
/// each holds several numbers per voxel, and Error{usage} for one that there is not.
std::int64_t nifti_time_point(const NiftiHeader& header, const ReadOptions& options,
                              const std::filesystem::path& path);
Volume read_nifti(const std::filesystem::path& path, const ReadOptions& options = {});

/// .nii or .nii.gz; several channels become the fifth dimension with intent VECTOR. sform and qform
/// are both set. NIfTI-2 where a size exceeds 32767. Written beside and renamed.
std::unique_ptr<VolumeSink> create_nifti(const std::filesystem::path& path, const SinkSpec& spec);

}  // namespace gigawarp::io
