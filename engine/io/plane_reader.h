#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>

#include "io/image_io.h"
#include "io/volume_sink.h"

namespace gigawarp::io {

/// A volume whose planes can be read one after another only, so that it never lies in memory whole:
/// a compressed NIfTI or one whose values have to be scaled, a compressed NRRD or MetaImage.
class PlaneReader {
 public:
  virtual ~PlaneReader() = default;
  /// As read_header() tells it; the voxels come in its type.
  virtual const ImageHeader& header() const = 0;
  /// The next planes, x fastest; channel after channel, never beyond the end of one. Throws
  /// Error{bad_input}.
  virtual void read(std::int64_t planes, std::byte* out) = 0;
  /// After the last plane: verifies the checksum of what has been read.
  virtual void finish() = 0;
};

/// Nothing for files that are read out of order or as a whole only, damaged ones included.
std::unique_ptr<PlaneReader> open_in_order(const std::filesystem::path& path,
                                           const ReadOptions& options = {});

/// What a copy with these options will be.
SinkSpec spec_of_copy(const PlaneReader& reader, const CopyOptions& options);
/// True when planes stay planes in their order.
bool keeps_planes(const AxisOrder& order);

/// 0 … 1 of a copy.
using Fraction = std::function<void(double)>;

/// Copies all planes and commits, a slab in memory at a time. options.order must keep planes.
/// Throws Error{cancelled} when stopped.
void copy_in_order(PlaneReader& reader, const CopyOptions& options, VolumeSink& sink,
                   const Fraction& progress = {}, const std::stop_token& stop = {});

}  // namespace gigawarp::io
