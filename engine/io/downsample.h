#pragma once
#include <cstddef>
#include <cstdint>

#include "gigawarp/volume.h"

namespace gigawarp::io {

/// How a coarser level is made of the one below.
enum class Downsampling {
  mean,      ///< of the voxels that are there; whole numbers are rounded, NaN is left out
  majority,  ///< the most frequent value, the smallest where two are equal: for labels
};

/// Halves a block of voxels along the axes whose factor is 2 (the others have 1). `from` has the
/// size `size`, x fastest, in rows and planes of the size `lattice`; `to` gets ceil(size / factor)
/// voxels, in those of `to_lattice`. At an odd end the last voxel stands alone. On the calling
/// thread.
void downsample(ScalarType type, Downsampling how, const std::byte* from, const Size3& size,
                const Size3& lattice, const Size3& factor, std::byte* to, const Size3& to_lattice);

/// ceil(size / factor).
Size3 halved_size(const Size3& size, const Size3& factor);

}  // namespace gigawarp::io
