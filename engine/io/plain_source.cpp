#include "io/plain_source.h"

#include <algorithm>
#include <optional>

#include "base/parallel.h"
#include "io/byte_order.h"
#include "io/convert.h"
#include "io/file_support.h"
#include "io/itk_images.h"
#include "io/nifti.h"
#include "io/random_file.h"
#include "io/text_header.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
/// Where the voxels lie in the file.
struct PlainLayout {
  fs::path file;
  std::uint64_t offset = 0;
  bool swapped = false;  ///< the other byte order
  ImageHeader header;
};

std::optional<PlainLayout> nifti_layout(const fs::path& path, const ReadOptions& options) {
  const NiftiHeader header = read_nifti_header(path, options);
  if (header.compressed || header.scaled() || header.times > 1) return std::nullopt;
  if (!own_scalar(nifti_file_type(header, path))) return std::nullopt;
  return PlainLayout{header.voxels, header.offset, header.swapped, describe(header, path)};
}

std::optional<PlainLayout> itk_layout(ItkFormat format, const fs::path& path,
                                      const ReadOptions& options) {
  const auto text = read_text_header(format, path);
  if (!text || text->deflated) return std::nullopt;
  const ItkDescription about = describe_itk(format, path, options);
  // Colour, 64-bit integers and several values per voxel are turned into something else.
  if (about.header.channels != 1 || !own_scalar(about.stored)) return std::nullopt;
  return PlainLayout{text->voxels, text->offset, text->big_endian, about.header};
}

std::optional<PlainLayout> layout_of(const fs::path& path, const ReadOptions& options) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  std::optional<PlainLayout> out;
  if (is_nifti_name(path))
    out = nifti_layout(path, options);
  else if (const auto format = itk_text_format(path))
    out = itk_layout(*format, path, options);
  if (!out) return out;
  const ImageHeader& h = out->header;
  const auto bytes = volume_bytes(h.grid.size, h.channels, size_of(h.type));
  const std::uint64_t size = checked_file_size(out->file);
  if (!bytes || *bytes > size || size - *bytes < out->offset) return std::nullopt;
  if (!is_nifti_name(path) && size - *bytes != out->offset) return std::nullopt;
  return out;
}

class PlainSource : public BrickSource {
 public:
  PlainSource(const PlainLayout& layout, const ReadOptions& options)
      : layout_(layout), file_(layout.file) {
    info_.type = layout.header.type;
    info_.channels = info_.parts.channels = layout.header.channels;
    info_.format = layout.header.format;
    info_.any_box = true;
    info_.notes = layout.header.notes;
    if (options.selection.channel) {
      first_channel_ = *options.selection.channel;
      info_.channels = 1;
    }
    const Size3& n = layout.header.grid.size;
    const auto plane = n[0] * n[1] * static_cast<std::int64_t>(size_of(info_.type));
    constexpr std::int64_t kBrick = 1 << 20;
    info_.levels = {
        {layout.header.grid, {n[0], n[1], std::clamp<std::int64_t>(kBrick / plane, 1, n[2])}}};
  }
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override;

 private:
  PlainLayout layout_;
  RandomFile file_;
  int first_channel_ = 0;
  SourceInfo info_;
};

void PlainSource::read(int, int channel, const Box& box, std::byte* out) const {
  const Size3& n = info_.levels[0].grid.size;
  const auto width = static_cast<std::int64_t>(size_of(info_.type));
  const std::int64_t first_plane = (first_channel_ + channel) * n[2] + box.begin[2];
  const std::int64_t row = box.size[0] * width, plane = box.size[1] * row;
  parallel_for(box.size[2], [&](std::int64_t z) {
    const auto offset_of = [&](std::int64_t y) {
      return layout_.offset +
             static_cast<std::uint64_t>(
                 (((first_plane + z) * n[1] + box.begin[1] + y) * n[0] + box.begin[0]) * width);
    };
    std::byte* to = out + z * plane;
    if (box.size[0] == n[0]) {  // whole rows lie together
      file_.read(offset_of(0), {to, static_cast<std::size_t>(plane)});
    } else {
      for (std::int64_t y = 0; y < box.size[1]; ++y)
        file_.read(offset_of(y), {to + y * row, static_cast<std::size_t>(row)});
    }
    if (layout_.swapped)
      reverse_bytes(to, static_cast<std::size_t>(plane / width), static_cast<std::size_t>(width));
  });
}
}  // namespace

std::unique_ptr<BrickSource> open_plain(const fs::path& path, const ReadOptions& options) {
  try {
    const auto layout = layout_of(path, options);
    if (!layout) return nullptr;
    const ImageSelection& selection = options.selection;
    if (selection.level.value_or(0) != 0 || selection.timepoint.value_or(0) != 0 ||
        selection.channel.value_or(0) >= layout->header.channels)
      return nullptr;  // the reader of whole files says so
    return std::make_unique<PlainSource>(*layout, options);
  } catch (const Error&) {
    return nullptr;  // as above
  }
}

}  // namespace gigawarp::io
