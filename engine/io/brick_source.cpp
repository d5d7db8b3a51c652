#include "io/brick_source.h"

#include <algorithm>

#include "base/parallel.h"
#include "io/file_support.h"
#include "io/http.h"
#include "io/ome_zarr.h"
#include "io/plain_source.h"
#include "io/plugin_source.h"
#include "io/stopping.h"
#include "io/tiff_source.h"
#include "io/zarr_array.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
const SourceLevel& checked_level(const BrickSource& source, int level, const fs::path& path) {
  const auto& levels = source.info().levels;
  if (level < 0 || static_cast<std::size_t>(level) >= levels.size())
    throw Error(ErrorCode::usage,
                "\"" + path.string() + "\" has no level " + std::to_string(level) + "; it has " +
                    std::to_string(levels.size()) + ", counted from 0, the finest.",
                path.string());
  return levels[static_cast<std::size_t>(level)];
}

std::optional<std::uint64_t> level_bytes(const SourceInfo& info, const SourceLevel& level) {
  return volume_bytes(level.grid.size, info.channels, size_of(info.type));
}

void check_level_memory(const BrickSource& source, const SourceLevel& wanted,
                        const fs::path& path) {
  const SourceInfo& info = source.info();
  const std::uint64_t available = available_memory_bytes();
  const auto fits = [&](const SourceLevel& level) {
    const auto bytes = level_bytes(info, level);
    return bytes && (available == 0 || *bytes <= available);
  };
  if (fits(wanted)) return;
  const auto coarser = std::find_if(info.levels.begin(), info.levels.end(), fits);
  if (coarser == info.levels.end() || coarser->grid.voxel_count() >= wanted.grid.voxel_count())
    check_memory(path, level_bytes(info, wanted).value_or(std::uint64_t{1} << 62));
  throw Error(ErrorCode::does_not_fit,
              "The volume in \"" + path.string() + "\" needs " +
                  std::to_string(level_bytes(info, wanted).value_or(0) >> 20) + " MiB but only " +
                  std::to_string(available >> 20) + " MiB of memory are free; choose level " +
                  std::to_string(coarser - info.levels.begin()) + ", which needs " +
                  std::to_string(*level_bytes(info, *coarser) >> 20) + " MiB.",
              path.string());
}
}  // namespace

namespace {
class CoarserLevels : public BrickSource {
 public:
  CoarserLevels(std::shared_ptr<const BrickSource> source, int first)
      : source_(std::move(source)), first_(first), info_(source_->info()) {
    info_.levels.erase(info_.levels.begin(), info_.levels.begin() + first);
    info_.first_level += first;
  }
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override {
    source_->read(first_ + level, channel, box, out);
  }

 private:
  std::shared_ptr<const BrickSource> source_;
  int first_;
  SourceInfo info_;
};
}  // namespace

std::shared_ptr<const BrickSource> from_level(std::shared_ptr<const BrickSource> source, int level,
                                              const fs::path& path) {
  checked_level(*source, level, path);
  if (level == 0) return source;
  return std::make_shared<CoarserLevels>(std::move(source), level);
}

bool is_pyramid(const fs::path& path) {
  if (is_address(path)) return true;
  if (const PluginFormat* format = plugin_format_of(path)) return !format->has(GIGAWARP_WHOLE);
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return is_tiff_pyramid(path);
  return is_tiff_folder(path) || is_zarr_folder(path);
}

std::unique_ptr<BrickSource> open_source(const fs::path& path, const ReadOptions& options) {
  if (is_address(path)) return open_ome_zarr(path, options);
  if (const PluginFormat* format = plugin_format_of(path))
    return format->has(GIGAWARP_WHOLE) ? nullptr : open_plugin(*format, path, options);
  if (is_tiff_name(path) || is_tiff_folder(path)) return open_tiff_source(path, options);
  return is_pyramid(path) ? open_ome_zarr(path, options) : open_plain(path, options);
}

Volume read_level(const BrickSource& source, int level, const fs::path& path,
                  const std::stop_token& stop) {
  const SourceLevel& wanted = checked_level(source, level, path);
  check_level_memory(source, wanted, path);
  const SourceInfo& info = source.info();
  Volume volume(wanted.grid, info.type, info.channels);
  const Size3& n = wanted.grid.size;
  const auto plane = static_cast<std::size_t>(n[0] * n[1]) * size_of(info.type);
  constexpr std::int64_t kSlab = std::int64_t{256} << 20;
  const std::int64_t brick = std::max<std::int64_t>(1, wanted.brick[2]);
  const std::int64_t bricks =
      kSlab / std::max<std::int64_t>(1, brick * static_cast<std::int64_t>(plane));
  const std::int64_t planes = brick * std::max<std::int64_t>(1, bricks);  // whole layers of bricks
  for (int c = 0; c < info.channels; ++c)
    for (std::int64_t z = 0; z < n[2]; z += planes) {
      look_at(stop);
      source.read(level, c, {{0, 0, z}, {n[0], n[1], std::min(planes, n[2] - z)}},
                  volume.data() + static_cast<std::size_t>(c * n[2] + z) * plane);
    }
  volume.notes() = info.notes;
  return volume;
}

Volume read_level(const BrickSource& source, int level, const fs::path& path) {
  return read_level(source, level, path, {});
}

ImageHeader header_of(const BrickSource& source, int level, const fs::path& path) {
  const SourceInfo& info = source.info();
  ImageHeader out;
  out.grid = checked_level(source, level, path).grid;
  out.type = info.type;
  out.channels = info.channels;
  out.parts = info.parts;
  out.format = info.format;
  out.notes = info.notes;
  for (const SourceLevel& l : info.levels) out.levels.push_back(l.grid);
  return out;
}

}  // namespace gigawarp::io
