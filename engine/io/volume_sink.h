#pragma once
#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>

#include "gigawarp/volume.h"
#include "io/brick_source.h"

namespace gigawarp::io {

/// What a volume will be, before its voxels are known.
struct SinkSpec {
  Grid grid;
  ScalarType type = ScalarType::u8;
  int channels = 1;
  WriteOptions options;
};

/// A volume on disk that is written plane by plane. Nothing is visible under its name before
/// commit(); without it nothing remains. Failures are Error{output_not_written}.
class VolumeSink {
 public:
  virtual ~VolumeSink() = default;
  const SinkSpec& spec() const { return spec_; }
  /// Planes that are best written at once.
  virtual std::int64_t planes_at_once() const = 0;
  /// Whether write() may also go slab by slab, every channel of each: what makes all of them at
  /// once has to make them once only. Files are the same.
  virtual bool takes_channels_in_turn() const { return false; }
  /// Planes z … z + planes of one channel, x fastest. From the first plane of the first channel to
  /// the last of the last, in steps of planes_at_once(), fewer at a channel's end only.
  virtual void write(int channel, std::int64_t z, std::int64_t planes, const std::byte* voxels) = 0;
  virtual void commit() = 0;

 protected:
  explicit VolumeSink(const SinkSpec& spec) : spec_(spec) {}

 private:
  SinkSpec spec_;
};

/// True for names of formats that open_sink() writes: OME-Zarr and NIfTI.
bool can_stream_to(const std::filesystem::path& path);
std::unique_ptr<VolumeSink> open_sink(const std::filesystem::path& path, const SinkSpec& spec);

/// Writes the whole of `volume` and commits.
void write_whole(const Volume& volume, VolumeSink& sink);

/// What copy_level() changes on the way.
struct CopyOptions {
  AxisOrder order;
  std::optional<ScalarType> type;  ///< nothing: as it is
};

/// What a copy of that level will be.
SinkSpec spec_of_copy(const BrickSource& source, int level, const CopyOptions& options);
/// Copies one level slab by slab and commits: memory is that of a slab or two, whatever the volume.
/// Throws Error{cancelled} when stopped.
void copy_level(const BrickSource& source, int level, const CopyOptions& options, VolumeSink& sink,
                const std::stop_token& stop = {});

}  // namespace gigawarp::io
