#include "io/plane_reader.h"

#include <algorithm>
#include <cstring>

#include "io/byte_order.h"
#include "io/convert.h"
#include "io/file_support.h"
#include "io/gzip.h"
#include "io/itk_images.h"
#include "io/nifti.h"
#include "io/text_header.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
class NiftiPlanes : public PlaneReader {
 public:
  NiftiPlanes(const fs::path& path, const NiftiHeader& nifti, const ReadOptions& options);
  const ImageHeader& header() const override { return header_; }
  void read(std::int64_t planes, std::byte* out) override;
  void finish() override {
    if (complete_) bytes_.finish();
  }

 private:
  std::uint64_t plane_bytes() const {
    const Size3& n = header_.grid.size;
    return static_cast<std::uint64_t>(n[0] * n[1] * type_.samples) * width_of(type_.scalar);
  }

  fs::path path_;
  NiftiHeader nifti_;
  FileType type_;
  ImageHeader header_;
  bool label_map_, complete_ = true;
  ByteReader bytes_;
};

NiftiPlanes::NiftiPlanes(const fs::path& path, const NiftiHeader& nifti, const ReadOptions& options)
    : path_(path),
      nifti_(nifti),
      type_(nifti_file_type(nifti, path)),
      header_(describe(nifti, path)),
      label_map_(options.label_map),
      bytes_(nifti.voxels) {
  const bool real = header_.type == ScalarType::f32 || header_.type == ScalarType::f64;
  if (label_map_ && real) header_.type = ScalarType::i32;
  bytes_.skip(nifti_.offset);
  if (!options.selection.channel) return;
  const int channel = *options.selection.channel;
  bytes_.skip(static_cast<std::uint64_t>(channel * header_.grid.size[2]) * plane_bytes());
  complete_ = channel + 1 == header_.channels;
  header_.channels = 1;
}

void NiftiPlanes::read(std::int64_t planes, std::byte* out) {
  const std::size_t bytes =
      static_cast<std::size_t>(plane_bytes()) * static_cast<std::size_t>(planes);
  const std::size_t width = width_of(type_.scalar);
  const auto swap = [&](std::byte* data) {
    if (nifti_.swapped) reverse_bytes(data, bytes / width, width);
  };
  const bool as_it_is = own_scalar(type_) && !nifti_.scaled();
  if (as_it_is && *own_scalar(type_) == header_.type) {
    bytes_.read(out, bytes);
    return swap(out);
  }
  Buffer raw(bytes);
  bytes_.read(raw.data(), bytes);
  swap(raw.data());
  Grid slab = header_.grid;
  slab.size[2] = planes;
  Volume volume =
      converted(raw, type_, SampleOrder::planar, slab, 1, {nifti_.slope, nifti_.intercept}, path_);
  if (label_map_) volume = as_label_map(std::move(volume), path_);
  std::memcpy(out, volume.data(), volume.bytes());
}

/// A NRRD or MetaImage whose voxels are one deflate stream of values that are used as they are.
class DeflatedPlanes : public PlaneReader {
 public:
  DeflatedPlanes(const fs::path& path, const TextHeader& text, ImageHeader header, bool label_map)
      : path_(path),
        stored_(header.type),
        big_endian_(text.big_endian),
        header_(std::move(header)),
        bytes_(ByteReader::deflated(text.voxels, text.offset)) {
    const bool real = stored_ == ScalarType::f32 || stored_ == ScalarType::f64;
    if (label_map && real) header_.type = ScalarType::i32;
  }
  const ImageHeader& header() const override { return header_; }
  void read(std::int64_t planes, std::byte* out) override;
  void finish() override { bytes_.finish(); }

 private:
  fs::path path_;
  ScalarType stored_;
  bool big_endian_;
  ImageHeader header_;
  ByteReader bytes_;
};

void DeflatedPlanes::read(std::int64_t planes, std::byte* out) {
  const Size3& n = header_.grid.size;
  const std::size_t width = size_of(stored_);
  const auto fill = [&](std::byte* to) {
    const auto values = static_cast<std::size_t>(n[0] * n[1] * planes);
    bytes_.read(to, values * width);
    if (big_endian_) reverse_bytes(to, values, width);
  };
  if (header_.type == stored_) return fill(out);
  Volume slab(Grid{{n[0], n[1], planes}, {}}, stored_);
  fill(slab.data());
  slab = as_label_map(std::move(slab), path_);
  std::memcpy(out, slab.data(), slab.bytes());
}

std::unique_ptr<PlaneReader> open_nifti_planes(const fs::path& path, const ReadOptions& options) {
  const ImageSelection& selection = options.selection;
  const NiftiHeader header = read_nifti_header(path, options);
  const FileType type = nifti_file_type(header, path);
  const bool wide = type.scalar == FileScalar::i64 || type.scalar == FileScalar::u64;
  if (header.times > 1 || selection.channel.value_or(0) >= header.components) return nullptr;
  // All values decide into what 64-bit integers are narrowed; scaled colour is refused.
  if (wide && !header.scaled()) return nullptr;
  if (type.samples > 1 && (header.scaled() || header.components > 1)) return nullptr;
  const auto bytes = volume_bytes(
      header.grid.size, static_cast<int>(header.components) * type.samples, width_of(type.scalar));
  const std::uint64_t bound = ByteReader(header.voxels).upper_bound();
  if (!bytes || *bytes > bound || header.offset > bound - *bytes) return nullptr;
  return std::make_unique<NiftiPlanes>(path, header, options);
}

std::unique_ptr<PlaneReader> open_deflated_planes(ItkFormat format, const fs::path& path,
                                                  const ReadOptions& options) {
  const auto text = read_text_header(format, path);
  if (!text || !text->deflated || options.selection.channel.value_or(0) != 0) return nullptr;
  const ItkDescription about = describe_itk(format, path, options);
  if (about.header.channels != 1 || !own_scalar(about.stored)) return nullptr;
  const auto bytes = volume_bytes(about.header.grid.size, 1, size_of(about.header.type));
  const std::uint64_t bound = ByteReader::deflated(text->voxels, text->offset).upper_bound();
  if (!bytes || *bytes > bound) return nullptr;
  return std::make_unique<DeflatedPlanes>(path, *text, about.header, options.label_map);
}
}  // namespace

std::unique_ptr<PlaneReader> open_in_order(const fs::path& path, const ReadOptions& options) {
  std::error_code code;
  if (!fs::is_regular_file(path, code)) return nullptr;
  const ImageSelection& selection = options.selection;
  if (selection.level.value_or(0) != 0 || selection.timepoint.value_or(0) != 0) return nullptr;
  try {
    if (is_nifti_name(path)) return open_nifti_planes(path, options);
    const auto format = itk_text_format(path);
    return format ? open_deflated_planes(*format, path, options) : nullptr;
  } catch (const Error&) {
    return nullptr;  // the reader of whole files says what is wrong
  }
}

SinkSpec spec_of_copy(const PlaneReader& reader, const CopyOptions& options) {
  const ImageHeader& header = reader.header();
  SinkSpec spec;
  spec.grid = reordered(header.grid, options.order);
  spec.type = options.type.value_or(header.type);
  spec.channels = header.channels;
  return spec;
}

bool keeps_planes(const AxisOrder& order) { return order.axis[2] == 2 && !order.flipped[2]; }

void copy_in_order(PlaneReader& reader, const CopyOptions& options, VolumeSink& sink,
                   const Fraction& progress, const std::stop_token& stop) {
  const ImageHeader& header = reader.header();
  const Size3& n = header.grid.size;
  for (int c = 0; c < header.channels; ++c)
    for (std::int64_t z = 0; z < n[2]; z += sink.planes_at_once()) {
      if (stop.stop_requested())
        throw Error(ErrorCode::cancelled, "Copying was cancelled; nothing was written.");
      const std::int64_t planes = std::min(sink.planes_at_once(), n[2] - z);
      Volume slab(Grid{{n[0], n[1], planes}, {}}, header.type);
      reader.read(planes, slab.data());
      if (!options.order.is_identity()) slab = reordered(slab, options.order);
      if (sink.spec().type != header.type) slab = to_type(slab, sink.spec().type);
      sink.write(c, z, planes, slab.data());
      if (progress)
        progress(static_cast<double>(c * n[2] + z + planes) /
                 static_cast<double>(header.channels * n[2]));
    }
  reader.finish();
  sink.commit();
}

}  // namespace gigawarp::io
