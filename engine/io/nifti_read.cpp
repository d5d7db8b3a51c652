#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "base/parallel.h"
#include "io/byte_order.h"
#include "io/convert.h"
#include "io/file_support.h"
#include "io/gzip.h"
#include "io/nifti.h"
#include "io/stopping.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
/// NIfTI datatype codes (nifti1.h).
enum Code {
  kU8 = 2,
  kI16 = 4,
  kI32 = 8,
  kF32 = 16,
  kC64 = 32,
  kF64 = 64,
  kRgb = 128,
  kI8 = 256,
  kU16 = 512,
  kU32 = 768,
  kI64 = 1024,
  kU64 = 1280,
  kF128 = 1536,
  kC128 = 1792,
  kC256 = 2048,
  kRgba = 2304
};

}  // namespace

FileType nifti_file_type(const NiftiHeader& header, const fs::path& path) {
  switch (header.datatype) {
    case kU8: return {FileScalar::u8, 1};
    case kI8: return {FileScalar::i8, 1};
    case kU16: return {FileScalar::u16, 1};
    case kI16: return {FileScalar::i16, 1};
    case kU32: return {FileScalar::u32, 1};
    case kI32: return {FileScalar::i32, 1};
    case kU64: return {FileScalar::u64, 1};
    case kI64: return {FileScalar::i64, 1};
    case kF32: return {FileScalar::f32, 1};
    case kF64: return {FileScalar::f64, 1};
    case kRgb: return {FileScalar::u8, 3};
    case kRgba: return {FileScalar::u8, 4};
    case kC64:
    case kC128:
    case kC256:
      refuse(path, "holds complex numbers; write its magnitude or phase as a volume of its own.");
    case kF128: refuse(path, "holds 128-bit floats, which are not read; convert it to float64.");
    default: break;
  }
  refuse(path,
         "has an unknown or damaged NIfTI voxel type (" + std::to_string(header.datatype) + ").");
}

namespace {
/// Refuses files that cannot hold all volumes of a series, of so many bytes each.
void check_size(const NiftiHeader& header, const std::optional<std::uint64_t>& bytes,
                const fs::path& path) {
  const std::uint64_t bound = ByteReader(header.voxels).upper_bound();
  const auto times = static_cast<std::uint64_t>(header.times);
  if (!bytes || header.offset > bound || *bytes > (bound - header.offset) / times)
    refuse(path, "is truncated or its header is damaged: it promises more voxels than it holds.");
}

void swap_bytes(std::byte* data, std::size_t count, std::size_t width) {
  if (width < 2) return;
  constexpr std::int64_t kBlock = 1 << 20;
  const auto n = static_cast<std::int64_t>(count);
  parallel_for((n + kBlock - 1) / kBlock, [&](std::int64_t block) {
    const std::int64_t end = std::min(n, (block + 1) * kBlock);
    reverse_bytes(data + block * kBlock * static_cast<std::int64_t>(width),
                  static_cast<std::size_t>(end - block * kBlock), width);
  });
}

void read_voxels(const NiftiHeader& header, std::span<std::byte> out, const std::stop_token& stop) {
  if (header.compressed && header.offset == 352 &&
      read_own_gzip_members(header.voxels, header.offset, out, stop))
    return;
  constexpr std::size_t kPart = std::size_t{32} << 20;
  ByteReader reader(header.voxels);
  reader.skip(header.offset);
  for (std::size_t begin = 0; begin < out.size(); begin += kPart) {
    look_at(stop);
    reader.read(out.data() + begin, std::min(kPart, out.size() - begin));
  }
  reader.finish();
}

std::string format_name(const NiftiHeader& header) {
  std::string name = "NIfTI-" + std::to_string(header.version);
  if (header.pair) name += " pair";
  if (header.compressed) name += " (gzip)";
  return name;
}
}  // namespace

std::int64_t nifti_time_point(const NiftiHeader& header, const ReadOptions& options,
                              const fs::path& path) {
  if (header.times > 1 && header.components > 1)
    refuse(path, "holds " + std::to_string(header.components) + " numbers per voxel at " +
                     std::to_string(header.times) +
                     " time points; extract the one to use into a file of its own first.");
  return chosen_part(path, header.times, options.selection.timepoint, "time point", "--timepoint");
}

ImageHeader describe(const NiftiHeader& header, const fs::path& path) {
  const FileType type = nifti_file_type(header, path);
  ImageHeader out;
  out.grid = header.grid;
  out.format = format_name(header);
  out.notes = header.notes;
  out.channels = static_cast<int>(header.components);
  out.parts.timepoints = static_cast<int>(std::min<std::int64_t>(header.times, 1 << 30));
  out.type = stored_type(type, header.scaled(), out.notes);
  return out;
}

Volume read_nifti(const fs::path& path, const ReadOptions& options) {
  NiftiHeader header = read_nifti_header(path, options);
  const std::int64_t time = nifti_time_point(header, options, path);
  const FileType type = nifti_file_type(header, path);
  const auto channels = static_cast<int>(header.components);
  const auto bytes = volume_bytes(header.grid.size, channels * type.samples, width_of(type.scalar));
  check_size(header, bytes, path);
  header.offset += static_cast<std::uint64_t>(time) * *bytes;
  check_memory(path, *bytes);
  if (const auto own = own_scalar(type); own && !header.scaled()) {
    Volume volume(header.grid, *own, channels);
    read_voxels(header, {volume.data(), volume.bytes()}, options.stop);
    if (header.swapped) swap_bytes(volume.data(), volume.bytes() / size_of(*own), size_of(*own));
    volume.notes() = header.notes;
    return volume;
  }
  Buffer raw(static_cast<std::size_t>(*bytes));
  read_voxels(header, {raw.data(), raw.bytes()}, options.stop);
  if (header.swapped)
    swap_bytes(raw.data(), raw.bytes() / width_of(type.scalar), width_of(type.scalar));
  Volume volume = converted(raw, type, SampleOrder::planar, header.grid, channels,
                            {header.slope, header.intercept}, path);
  volume.notes().insert(volume.notes().begin(), header.notes.begin(), header.notes.end());
  return volume;
}

}  // namespace gigawarp::io
