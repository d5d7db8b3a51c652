#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <vector>

#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"
#include "io/plane_reader.h"

namespace gigawarp::io {

/// Reads one transform file: ITK .mat .txt .tfm .h5 (affine kinds, Euler, versor, quaternion,
/// similarity, scale, translation, composite, 3-D B-spline, displacement field), ANTs and ITK
/// displacement images (5-D vector NIfTI, or vector .mha/.nrrd/.vdb). Composite files come out as
/// stages in application order. `inverse` inverts an affine file (ANTs "[file,1]"); for a field
/// throws Error{usage} naming its "InverseWarp" sibling or `gigawarp invert`. FSL, LTA, AFNI and
/// elastix files are refused by name with what to do instead. NaN or |d| > 1e6 mm in a field become
/// "outside" (NaN). Throws Error{bad_input}.
Transform read_transform(const std::filesystem::path& path, bool inverse = false);

/// Larger displacements mean "outside"; sct writes FLT_MAX.
inline constexpr double kLargestDisplacementMm = 1e6;

/// The displacements of a 5-D vector NIfTI as a feed: 3 channels of f32, what read_transform()
/// gives of it, without reading it whole. Of an uncompressed one, or a .nii.gz that Gigawarp wrote,
/// which is best read by whole planes. Nothing for any other file.
std::shared_ptr<const VolumeFeed> open_displacement(const std::filesystem::path& path);
/// A file whose name is that of an image, which as a transform is a displacement.
bool is_displacement_image(const std::filesystem::path& path);
/// What import_displacement() takes.
bool can_import_displacement(const std::filesystem::path& path);
/// The same of a .nii.gz of another program, through the import cache (io/import_cache.h, which
/// tells what is thrown). Nothing for any other file.
std::shared_ptr<const VolumeFeed> import_displacement(const std::filesystem::path& path,
                                                      const Fraction& progress = {},
                                                      const std::stop_token& stop = {});

/// A transform that may be held more coarsely than its file has it.
struct HeldTransform {
  Transform transform;
  int step = 1;  ///< every step-th voxel of a displacement field along each axis, and its last
};
/// As read_transform(), within a bound of memory: of a displacement field in NIfTI that takes more
/// than `most_bytes` no more voxels are held than fit, read plane by plane. Between them a warp is
/// as smooth as its registration made it, so that a view of it loses little; folds of single voxels
/// may be missed. Other files are read whole.
HeldTransform read_transform_within(const std::filesystem::path& path, std::uint64_t most_bytes);

/// Refuses the NIfTI fields of programs whose vectors mean something else (FSL, SPM, NiftyReg).
void check_intent(const std::filesystem::path& path);

/// Appends `next` so that it is applied after what `transform` holds.
void append(Transform& transform, Transform&& next);

/// .mat (ITK binary AffineTransform_double_3_3, as ANTs writes), .txt/.tfm (ITK text). World LPS,
/// fixed to moving. Written beside and renamed.
void write_affine(const Affine& moving_from_fixed, const std::filesystem::path& path);

/// 5-D vector NIfTI (.nii/.nii.gz), intent VECTOR, LPS millimetres as ANTs writes them; or
/// .mha/.nrrd, or .vdb (io/vdb.h). Written beside and renamed; gzip is compressed in parallel
/// chunks.
void write_displacement(const DisplacementField& field, const std::filesystem::path& path);

/// Every stage in one ITK composite .h5/.tfm; affine only for .tfm. Written beside and renamed.
void write_composite(const Transform& transform, const std::filesystem::path& path);

}  // namespace gigawarp::io
