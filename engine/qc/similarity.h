#pragma once
#include <cstdint>

#include "gigawarp/volume.h"

namespace gigawarp::qc {

/// How alike two images are over their overlap.
struct Similarity {
  std::int64_t voxels = 0;  ///< of the overlap
  double ncc = 0;           ///< Pearson correlation, -1…1; 0 where one image is constant
  double nmi = 0;  ///< (H(F) + H(M)) / H(F, M), 64 bins per axis over each image's range: 1…2
};

/// `inside`: u8 on the same grid, 0 where `warped` was sampled outside the moving image; `mask`:
/// any type, may be null. NaN voxels are left out. Same bits for any thread count. Throws
/// Error{bad_input} when the lattices differ.
Similarity similarity(const Volume& fixed, const Volume& warped, const Volume* inside = nullptr,
                      const Volume* mask = nullptr);

/// Correlation of the two images in a box of radius `radius` voxels about each voxel, f32, -1…1; 0
/// where a window is flat, NaN outside `inside`. Windows are cut at the faces.
Volume local_ncc_map(const Volume& fixed, const Volume& warped, int radius,
                     const Volume* inside = nullptr);
/// What local_ncc_map() holds beside its volumes.
std::int64_t local_ncc_bytes(const Size3& size, int radius);

}  // namespace gigawarp::qc
