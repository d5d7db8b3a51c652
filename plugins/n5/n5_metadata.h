#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/volume.h"

/// N5: a folder of blocks with attributes.json (github.com/saalfeldlab/n5, file system
/// specification 4). Dimensions are stored x first.
namespace n5 {

/// One dataset of up to three dimensions, x first; those that are missing have the size 1.
struct Dataset {
  std::filesystem::path folder;
  std::size_t rank = 3;
  std::array<std::int64_t, 3> size{1, 1, 1}, block{1, 1, 1};
  GigawarpType type = GIGAWARP_U8;
  std::string codec;  ///< of GigawarpHost::expand; empty: uncompressed
};

bool is_group(const std::filesystem::path& folder);    ///< attributes.json lies in it
bool is_dataset(const std::filesystem::path& folder);  ///< and tells of blocks

/// Throws plugin::Refusal, as all here.
Dataset read_dataset(const std::filesystem::path& folder);

/// A dataset, or a group of datasets s0, s1 … with "downsamplingFactors".
struct Pyramid {
  std::vector<Dataset> levels;
  plugin::Description description;
};

/// The voxel size from "pixelResolution" (n5-viewer, BigDataViewer) where it is stated. For
/// another group the refusal names the datasets inside.
Pyramid read_pyramid(const std::filesystem::path& folder);

}  // namespace n5
