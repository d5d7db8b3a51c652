#include "io/volume_sink.h"

#include <algorithm>

#include "io/convert.h"
#include "io/file_support.h"
#include "io/nifti.h"
#include "io/ome_zarr_write.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
bool is_single_nifti(const fs::path& path) {
  return has_extension(path, ".nii") || has_extension(path, ".nii.gz");
}
}  // namespace

bool can_stream_to(const fs::path& path) { return is_ome_zarr_name(path) || is_single_nifti(path); }

std::unique_ptr<VolumeSink> open_sink(const fs::path& path, const SinkSpec& spec) {
  if (is_ome_zarr_name(path)) return create_ome_zarr(path, spec);
  if (is_single_nifti(path)) return create_nifti(path, spec);
  throw Error(ErrorCode::internal, "A format that is written whole was to be written by planes.",
              path.string());
}

void write_whole(const Volume& volume, VolumeSink& sink) {
  const Size3& n = volume.grid().size;
  const auto plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(volume.type());
  for (int c = 0; c < volume.channels(); ++c)
    for (std::int64_t z = 0; z < n[2]; z += sink.planes_at_once())
      sink.write(c, z, std::min(sink.planes_at_once(), n[2] - z),
                 volume.data() + static_cast<std::size_t>(c * n[2] + z) * plane);
  sink.commit();
}

SinkSpec spec_of_copy(const BrickSource& source, int level, const CopyOptions& options) {
  const SourceInfo& info = source.info();
  SinkSpec spec;
  spec.grid = reordered(info.levels[static_cast<std::size_t>(level)].grid, options.order);
  spec.type = options.type.value_or(info.type);
  spec.channels = info.channels;
  spec.options.labels = info.labels;
  return spec;
}

void copy_level(const BrickSource& source, int level, const CopyOptions& options, VolumeSink& sink,
                const std::stop_token& stop) {
  const SourceInfo& info = source.info();
  const Grid& from = info.levels[static_cast<std::size_t>(level)].grid;
  const Size3& n = sink.spec().grid.size;
  for (int c = 0; c < info.channels; ++c)
    for (std::int64_t z = 0; z < n[2]; z += sink.planes_at_once()) {
      if (stop.stop_requested())
        throw Error(ErrorCode::cancelled, "Copying was cancelled; nothing was written.");
      const std::int64_t planes = std::min(sink.planes_at_once(), n[2] - z);
      const Box box = in_source({{0, 0, z}, {n[0], n[1], planes}}, options.order, from.size);
      Volume slab(Grid{box.size, {}}, info.type);
      source.read(level, c, box, slab.data());
      if (!options.order.is_identity()) slab = reordered(slab, options.order);
      if (sink.spec().type != info.type) slab = to_type(slab, sink.spec().type);
      sink.write(c, z, planes, slab.data());
    }
  sink.commit();
}

}  // namespace gigawarp::io
