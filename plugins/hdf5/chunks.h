#pragma once
// Includes HDF5: for the .cpp files of this folder only.
#include <hdf5.h>

#include <optional>
#include <string>

#include "support/blocks.h"

namespace hdf5 {

/// How the chunks of a dataset (z, y, x) lie in its file.
struct ChunkLayout {
  plugin::Sizes size{}, chunk{};  ///< x, y, z
  std::int64_t width = 1;         ///< bytes per voxel
  bool shuffled = false, deflated = false;
  std::byte fill[8] = {};  ///< voxels of chunks that are not there
};

/// Nothing when only the library can read the chunks: another filter than shuffle and deflate, or
/// another byte order than the machine's.
std::optional<ChunkLayout> chunk_layout(hid_t dataset, hid_t native_type);

/// Fills `out` with a box. HDF5 takes one call at a time, and most of the time would go into
/// expanding chunks inside it: here it delivers them as they are stored, and they are expanded in
/// parallel. False when a chunk is damaged.
bool read_chunks(const GigawarpHost& host, hid_t dataset, const ChunkLayout& layout,
                 const GigawarpBox& box, std::byte* out);

/// The name of a filter of the dataset that is not installed here, or nothing.
std::string missing_filter(hid_t dataset);

}  // namespace hdf5
