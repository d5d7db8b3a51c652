#pragma once
#include <array>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/grid.h"

namespace gigawarp::io {

/// What one multiscale image of an OME-Zarr group declares. Sources: ngff.openmicroscopy.org 0.4
/// and 0.5; anatomical orientation: NGFF RFC-4.
struct OmeMultiscale {
  /// Dimensions of the arrays that are x, y, z (x always), channels and time.
  std::array<std::optional<std::size_t>, 3> space;
  std::optional<std::size_t> channel, time;
  std::size_t rank = 0;
  std::array<std::string, 3> unit;  ///< of x, y, z; empty: not stated
  struct Level {
    std::string path;                           ///< inside the group
    bool placed = false;                        ///< scale and translation are stated
    Vec3 scale{1, 1, 1}, translation{0, 0, 0};  ///< in units, x, y, z
  };
  std::vector<Level> levels;
  std::optional<Mat3> direction;           ///< LPS, columns x, y, z
  std::vector<std::string> channel_names;  ///< empty: not stated
  bool labels = false;
  std::string version;
  std::vector<std::string> notes;
};

/// The metadata of the group `folder`, which may be an address. Throws Error{bad_input}, naming the
/// arrays or images inside where the folder is a collection.
OmeMultiscale read_ome_metadata(const std::filesystem::path& folder,
                                const std::stop_token& stop = {});

/// Axes of an array of up to three dimensions without OME metadata: the last is x.
OmeMultiscale plain_array(std::size_t rank, const std::filesystem::path& folder);

}  // namespace gigawarp::io
