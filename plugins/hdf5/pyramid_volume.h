#pragma once
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "hdf5/hdf5_file.h"
#include "support/volume.h"

namespace hdf5 {

/// What the kinds of file are brought to.
struct Pyramid {
  std::string format;
  int levels = 0, channels = 0;
  /// Of the levels where they are stated; Imaris' datasets are larger than the volume.
  std::vector<std::array<std::int64_t, 3>> sizes;
  std::vector<std::array<double, 3>> factors;  ///< voxels of the finest level per voxel
  /// From voxels of the finest level, in `unit`.
  std::array<std::array<double, 4>, 3> world{{{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}}};
  std::string unit;
  std::vector<std::string> channel_names;  ///< of all channels, or empty
  bool unsigned_in_disguise = false;       ///< 16-bit voxels are stored as if they were signed
};

/// A pyramid of datasets in one HDF5 file, (z, y, x) each.
class PyramidVolume : public plugin::Volume {
 public:
  plugin::Description describe(std::int32_t timepoint) final;
  void read(const GigawarpBox& box, void* out, std::uint64_t out_bytes) const final;

 protected:
  explicit PyramidVolume(const std::string& file) : file_(file) {}
  const File& file() const { return file_; }
  virtual Pyramid pyramid(std::int32_t timepoint) const = 0;
  virtual std::string dataset(int timepoint, int level, int channel) const = 0;

 private:
  File file_;
  GigawarpType type_ = GIGAWARP_U8;  ///< as it is stored
};

extern const GigawarpHost* host;  ///< set once, before any volume is opened

constexpr int kMostLevels = 64, kMostChannels = 4096;

/// `text` with one number in printf's way.
std::string numbered(const char* format, int i);
/// The name's end in small letters is `ending`.
bool ends_with(const std::string& name, const std::string& ending);

/// BigDataViewer: the .xml, or its .h5 with the .xml of the same name beside it. Its setups are
/// channels; the world is the registration of the first one's view. A .h5 without an .xml says
/// nothing of its voxel size. Throws plugin::Refusal, as all here.
std::unique_ptr<plugin::Volume> open_bigdataviewer(const std::string& path);
GigawarpProbe probe_bigdataviewer(const GigawarpFile& file);

/// Imaris (.ims, file format 5.5): the world is the extent that the file states.
std::unique_ptr<plugin::Volume> open_imaris(const std::string& path);
GigawarpProbe probe_imaris(const GigawarpFile& file);

}  // namespace hdf5
