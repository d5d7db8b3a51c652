#pragma once
#include <memory>

#include "io/volume_sink.h"

namespace gigawarp::io {

/// Writes an OME-Zarr pyramid: 0.4 (Zarr v2, a file per chunk) or 0.5 (Zarr v3, sharded),
/// blosc-lz4, levels halved where the voxels are smallest until one chunk holds them, labels by
/// majority and images by mean. Scale and translation are millimetres along the voxel axes; their
/// anatomical direction is stated as NGFF RFC-4 does and, exactly, in the attribute "gigawarp":
/// world LPS = direction * (scale * index + translation). Written as a hidden folder beside and
/// renamed; a folder that is there is replaced only when it is a Zarr itself. Chunks of zeros are
/// left out.
std::unique_ptr<VolumeSink> create_ome_zarr(const std::filesystem::path& path,
                                            const SinkSpec& spec);

bool is_ome_zarr_name(const std::filesystem::path& path);

}  // namespace gigawarp::io
