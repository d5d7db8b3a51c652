#pragma once
#include <filesystem>
#include <memory>

#include "io/brick_source.h"

namespace gigawarp::io {

/// An OME-Zarr image (0.4 in Zarr v2, 0.5 in Zarr v3; earlier 0.x with --spacing), or one plain
/// Zarr array of up to three dimensions. World: scale and translation in the axes' unit
/// become LPS mm with x, y, z along L, P, S, unless the file says otherwise by anatomical
/// orientations (RFC-4) or by the direction that Gigawarp writes. A voxel size in an unknown unit
/// is refused unless `options.spacing_mm` says what the finest level's is; origin and coarser
/// levels follow it. Throws Error{bad_input}, Error{usage} for a selection that there is not.
std::unique_ptr<BrickSource> open_ome_zarr(const std::filesystem::path& folder,
                                           const ReadOptions& options = {});

}  // namespace gigawarp::io
