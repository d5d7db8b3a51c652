#pragma once
#include <string>
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/volume.h"

/// What an input of a registration must be. Every check throws Error{bad_input} with the file and
/// the reason.
namespace gigawarp::job {

/// Finite, invertible geometry.
void check_geometry(const Grid& grid, const std::string& path);

/// One channel, not constant, with finite voxels; single NaN and infinite voxels are replaced by
/// the smallest finite value with a warning.
void check_intensities(Volume& volume, const std::string& path, std::vector<std::string>& warnings);

/// More than one slice; for a deformable stage at least 8 voxels along each axis.
void check_size(const Grid& grid, const std::string& path, bool deformable);

/// All channels of an image lie on one lattice.
void check_channel(const Grid& grid, const std::string& path, const Grid& first,
                   const std::string& first_path);

/// One channel on the lattice of its image, with voxels inside.
void check_mask(const Volume& mask, const std::string& path, const Grid& image,
                const std::string& image_path);

/// Labels of the fixed image lie on its lattice.
void check_label_grid(const Grid& labels, const std::string& path, const Grid& image,
                      const std::string& image_path);

/// Finite, invertible, not a reflection.
void check_initial(const Affine& moving_from_fixed, const std::string& path);

/// Some of the fixed volume must land inside the moving one.
void check_overlap(const Grid& fixed, const Grid& moving, const Affine& moving_from_fixed,
                   const std::string& fixed_path, const std::string& moving_path);

}  // namespace gigawarp::job
