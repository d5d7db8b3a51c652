#pragma once
#include <tiffio.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gigawarp/grid.h"

namespace gigawarp::io {

/// What ImageDescription and the resolution tags of the first page say.
struct TiffMetadata {
  std::optional<Vec3> spacing_mm;
  std::string source;          ///< "OME-XML", "ImageJ"
  std::string why_no_spacing;  ///< end of a sentence in brackets
  bool slices_spaced = false;  ///< the distance of slices is stated, not taken from the pixels
  std::int64_t images = 0;     ///< ImageJ's promise; 0: not said
  std::int64_t channels = 1, frames = 1;
  std::vector<std::string> channel_names;  ///< of OME-XML
  bool slices_before_channels = false;     ///< OME DimensionOrder XYZ..
};

TiffMetadata read_tiff_metadata(TIFF* tiff);
std::string imagej_description(const Grid& grid);

}  // namespace gigawarp::io
