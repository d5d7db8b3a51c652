#pragma once
#include <filesystem>

#include "io/ome_metadata.h"
#include "io/zarr_array.h"

namespace gigawarp::io {

/// N5: a folder of blocks with attributes.json (github.com/saalfeldlab/n5, file system
/// specification 4). Dimensions are stored x first; here, as in Zarr, the last one is x.
bool is_n5_folder(const std::filesystem::path& folder);
bool is_n5_dataset(const std::filesystem::path& folder);

/// The layout of one dataset. Throws Error{bad_input}.
ZarrLayout read_n5_layout(const std::filesystem::path& folder);

/// A dataset, or a group of datasets s0, s1 … with "downsamplingFactors"; the voxel size from
/// "pixelResolution" (n5-viewer, BigDataViewer) where it is stated. Throws Error{bad_input}, naming
/// the datasets inside where the folder is another group.
OmeMultiscale read_n5_metadata(const std::filesystem::path& folder);

}  // namespace gigawarp::io
