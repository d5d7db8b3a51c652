#pragma once
#include <string>
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/volume_feed.h"

/// What an input of a registration must be. Every check throws Error{bad_input} with the file and
/// the reason.
namespace gigawarp::job {

/// Finite, invertible geometry.
void check_geometry(const Grid& grid, const std::string& path);

/// One channel, not constant, with finite voxels; single NaN and infinite voxels make a warning,
/// which says that they are replaced by the smallest finite value: that is left to the caller.
IntensityStatistics check_intensities(const VolumeFeed& volume, const std::string& path,
                                      std::vector<std::string>& warnings);
/// The same, and replaces them.
void check_intensities(Volume& volume, const std::string& path, std::vector<std::string>& warnings);

/// More than one slice; for a deformable stage at least 8 voxels along each axis.
void check_size(const Grid& grid, const std::string& path, bool deformable);

/// All channels of an image lie on one lattice.
void check_channel(const Grid& grid, const std::string& path, const Grid& first,
                   const std::string& first_path);

/// One channel on the lattice of its image, with voxels inside. The grids are those of the files:
/// `mask` may have another axis order.
void check_mask(const VolumeFeed& mask, const Grid& mask_file_grid, const std::string& path,
                const Grid& image, const std::string& image_path);

/// Labels of the fixed image lie on its lattice.
void check_label_grid(const Grid& labels, const std::string& path, const Grid& image,
                      const std::string& image_path);

/// Labels that are carried through world space may lie on any grid; more often a header is wrong. A
/// sentence that says so, empty where they lie on the image's.
std::string other_grid_warning(const Grid& labels, const std::string& path, const Grid& image,
                               const std::string& image_path);

/// Finite, invertible, not a reflection.
void check_initial(const Affine& moving_from_fixed, const std::string& path);

/// Whether one volume is so much longer than the other that a voxel size may be wrong, or of
/// another unit than the file says.
bool sides_are_odd(const Grid& fixed, const Grid& moving);

/// Some of the fixed volume must land inside the moving one.
void check_overlap(const Grid& fixed, const Grid& moving, const Affine& moving_from_fixed,
                   const std::string& fixed_path, const std::string& moving_path);

}  // namespace gigawarp::job
