#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/volume.h"

/// Volumes that are stored in blocks of one size, from the first voxel on: x, y, z throughout.
namespace plugin {

using Sizes = std::array<std::int64_t, 3>;

/// What a block and a box have in common.
struct BlockPart {
  Sizes inside{};  ///< its first voxel, in the block
  Sizes target{};  ///< its first voxel, in the box
  Sizes count{};
};

inline BlockPart part_of(const Sizes& block, const Sizes& block_size, const GigawarpBox& box) {
  BlockPart out;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::int64_t first = block[a] * block_size[a];
    const std::int64_t low = std::max(first, box.begin[a]);
    out.count[a] = std::min(first + block_size[a], box.begin[a] + box.size[a]) - low;
    out.inside[a] = low - first;
    out.target[a] = low - box.begin[a];
  }
  return out;
}

/// Calls work(block) for the index of every block that meets the box, in parallel.
template <class Work>
void for_each_block(const GigawarpHost& host, const Sizes& block_size, const GigawarpBox& box,
                    Work&& work) {
  Sizes first{}, blocks{};
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = box.begin[a] / block_size[a];
    blocks[a] = (box.begin[a] + box.size[a] - 1) / block_size[a] - first[a] + 1;
  }
  parallel_for(host, blocks[0] * blocks[1] * blocks[2], [&](std::int64_t i) {
    work(Sizes{first[0] + i % blocks[0], first[1] + i / blocks[0] % blocks[1],
               first[2] + i / blocks[0] / blocks[1]});
  });
}

/// Copies the part from a block of `extent` voxels, x fastest, to the box at `out`.
inline void copy_part(const BlockPart& part, const std::byte* block, const Sizes& extent,
                      const GigawarpBox& box, std::byte* out, std::int64_t width) {
  const auto bytes = static_cast<std::size_t>(part.count[0] * width);
  for (std::int64_t z = 0; z < part.count[2]; ++z)
    for (std::int64_t y = 0; y < part.count[1]; ++y) {
      const std::int64_t to =
          ((part.target[2] + z) * box.size[1] + part.target[1] + y) * box.size[0] + part.target[0];
      const std::int64_t from =
          ((part.inside[2] + z) * extent[1] + part.inside[1] + y) * extent[0] + part.inside[0];
      std::memcpy(out + to * width, block + from * width, bytes);
    }
}

/// Fills the part with one voxel's bytes.
inline void fill_part(const BlockPart& part, const std::byte* voxel, const GigawarpBox& box,
                      std::byte* out, std::int64_t width) {
  for (std::int64_t z = 0; z < part.count[2]; ++z)
    for (std::int64_t y = 0; y < part.count[1]; ++y) {
      std::byte* to =
          out + (((part.target[2] + z) * box.size[1] + part.target[1] + y) * box.size[0] +
                 part.target[0]) *
                    width;
      for (std::int64_t x = 0; x < part.count[0]; ++x)
        std::memcpy(to + x * width, voxel, static_cast<std::size_t>(width));
    }
}

}  // namespace plugin
