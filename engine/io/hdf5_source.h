#pragma once
#include <filesystem>
#include <memory>

#include "io/brick_source.h"

namespace gigawarp::io {

/// Pyramids in HDF5: BigDataViewer (the .xml, or its .h5 with the .xml of the same name beside it)
/// and Imaris (.ims, file format 5.5). BigDataViewer's setups and Imaris' channels are channels.
/// World: BigDataViewer's registration of the view, in the unit of the voxel size; Imaris' extent,
/// in its unit; both in mm, x, y, z along L, P, S. BigDataViewer stores unsigned voxels as if they
/// were signed; they are read as u16. Throws Error{bad_input} for damaged files,
/// Error{usage} for a selection that there is not.
std::unique_ptr<BrickSource> open_hdf5(const std::filesystem::path& path,
                                       const ReadOptions& options = {});

/// True for what open_hdf5() opens.
bool is_hdf5_pyramid(const std::filesystem::path& path);

}  // namespace gigawarp::io
