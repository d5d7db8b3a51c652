#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "gigawarp/box.h"
#include "gigawarp/volume.h"
#include "io/image_io.h"

namespace gigawarp::io {

/// One level of a pyramid.
struct SourceLevel {
  Grid grid;      ///< LPS mm
  Size3 brick{};  ///< voxels that are cheapest to read together (a chunk of the file)
};

struct SourceInfo {
  ScalarType type = ScalarType::u8;
  int channels = 1;
  bool labels = false;              ///< values are names, not amounts
  bool remote = false;              ///< reading waits for a server rather than computes
  bool any_box = false;             ///< nothing but the box itself is read; bricks are a proposal
  std::vector<SourceLevel> levels;  ///< finest first, at least one
  int first_level = 0;              ///< what the file calls levels.front(); see from_level()
  FileParts parts;                  ///< of the file, whatever was selected
  std::string format;
  std::vector<std::string> notes;
};

/// A volume on disk, in levels, of which any box can be read without the rest. Thread-safe.
class BrickSource {
 public:
  virtual ~BrickSource() = default;
  virtual const SourceInfo& info() const = 0;
  /// Fills `out` with the box of one channel, x fastest, in info().type. Throws Error{bad_input}
  /// naming the part of the file that is damaged; the source remains usable.
  virtual void read(int level, int channel, const Box& box, std::byte* out) const = 0;
};

/// True for formats that may hold several levels, as far as a look at the file tells.
bool is_pyramid(const std::filesystem::path& path);

/// Opens a volume without reading voxels: OME-Zarr (a folder, or an address: io/http.h), TIFF,
/// formats of plugins (N5, BigDataViewer, Imaris …) and uncompressed NIfTI, NRRD and MetaImage;
/// nothing for what has to be read as a whole. Channel and time point are those of the options; the
/// level is left to the reader. Throws Error{bad_input | usage} for a damaged OME-Zarr.
std::unique_ptr<BrickSource> open_source(const std::filesystem::path& path,
                                         const ReadOptions& options = {});

/// The same volume without the levels finer than `level`, for who works at that one. Throws
/// Error{usage} for a level that there is not.
std::shared_ptr<const BrickSource> from_level(std::shared_ptr<const BrickSource> source, int level,
                                              const std::filesystem::path& path);

/// One whole level with all channels. Throws Error{does_not_fit} naming the finest level that fits,
/// and Error{usage} for a level that there is not.
Volume read_level(const BrickSource& source, int level, const std::filesystem::path& path);
ImageHeader header_of(const BrickSource& source, int level, const std::filesystem::path& path);

}  // namespace gigawarp::io
