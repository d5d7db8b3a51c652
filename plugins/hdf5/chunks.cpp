#include "hdf5/chunks.h"

#include <atomic>
#include <vector>

#include "hdf5/hdf5_file.h"

namespace hdf5 {

namespace {
/// HDF5's byte shuffle undone: first all first bytes, then all second ones …
void unshuffle(const std::byte* from, std::byte* to, std::size_t count, std::size_t width) {
  for (std::size_t b = 0; b < width; ++b)
    for (std::size_t i = 0; i < count; ++i) to[i * width + b] = from[b * count + i];
}

/// Shuffle and deflate, in this order, and nothing else.
bool read_filters(hid_t properties, ChunkLayout& out) {
  const int filters = H5Pget_nfilters(properties);
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, settings = 0;
    std::size_t values = 0;
    const H5Z_filter_t filter = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags,
                                               &values, nullptr, 0, nullptr, &settings);
    if (filter == H5Z_FILTER_SHUFFLE && !out.shuffled && !out.deflated)
      out.shuffled = true;
    else if (filter == H5Z_FILTER_DEFLATE && !out.deflated)
      out.deflated = true;
    else
      return false;
  }
  return true;
}

/// A chunk as it is stored; false when it cannot be read. Empty when it is not there.
bool read_stored(hid_t dataset, const ChunkLayout& layout, const plugin::Sizes& block,
                 std::uint32_t& skipped, std::vector<std::byte>& out) {
  hsize_t offset[3], bytes = 0;
  haddr_t address = HADDR_UNDEF;
  for (std::size_t a = 0; a < 3; ++a)
    offset[2 - a] = static_cast<hsize_t>(block[a]) * static_cast<hsize_t>(layout.chunk[a]);
  if (H5Dget_chunk_info_by_coord(dataset, offset, &skipped, &address, &bytes) < 0) return false;
  auto whole = static_cast<hsize_t>(layout.width);
  for (const auto n : layout.chunk) whole *= static_cast<hsize_t>(n);
  if (bytes > 2 * whole + (1U << 20)) return false;
  out.resize(static_cast<std::size_t>(address == HADDR_UNDEF ? 0 : bytes));
  return out.empty() || H5Dread_chunk(dataset, H5P_DEFAULT, offset, &skipped, out.data()) >= 0;
}

/// The voxels of a stored chunk, or null when it is damaged. `skipped`: a bit for each filter that
/// was left out when the chunk was written.
const std::byte* expanded(const GigawarpHost& host, const ChunkLayout& layout,
                          std::uint32_t skipped, const std::vector<std::byte>& stored) {
  thread_local std::vector<std::byte> inflated, sorted;
  const auto count = static_cast<std::size_t>(layout.chunk[0] * layout.chunk[1] * layout.chunk[2]);
  const auto width = static_cast<std::size_t>(layout.width);
  const bool shuffled = layout.shuffled && (skipped & 1U) == 0;
  const bool deflated = layout.deflated && (skipped >> (layout.shuffled ? 1U : 0U) & 1U) == 0;
  const std::byte* voxels = stored.data();
  if (deflated) {
    inflated.resize(count * width);
    if (host.expand("zlib", stored.data(), stored.size(), inflated.data(), inflated.size(),
                    nullptr) != GIGAWARP_OK)
      return nullptr;
    voxels = inflated.data();
  } else if (stored.size() != count * width) {
    return nullptr;
  }
  if (!shuffled || width == 1) return voxels;
  sorted.resize(count * width);
  unshuffle(voxels, sorted.data(), count, width);
  return sorted.data();
}
}  // namespace

std::optional<ChunkLayout> chunk_layout(hid_t dataset, hid_t native_type) {
  const Handle type(H5Dget_type(dataset), H5Tclose), space(H5Dget_space(dataset), H5Sclose),
      properties(H5Dget_create_plist(dataset), H5Pclose);
  unsigned partial = 0;
  hsize_t size[3], chunk[3];
  ChunkLayout out;
  if (!type || !space || !properties || H5Tequal(type.id(), native_type) <= 0 ||
      H5Sget_simple_extent_ndims(space.id()) != 3 ||
      H5Sget_simple_extent_dims(space.id(), size, nullptr) != 3 ||
      H5Pget_layout(properties.id()) != H5D_CHUNKED ||
      H5Pget_chunk(properties.id(), 3, chunk) != 3 ||
      H5Pget_chunk_opts(properties.id(), &partial) < 0 || partial != 0 ||
      !read_filters(properties.id(), out))
    return std::nullopt;
  out.width = static_cast<std::int64_t>(H5Tget_size(native_type));
  std::int64_t bytes = out.width;
  for (std::size_t a = 0; a < 3; ++a) {
    out.size[a] = static_cast<std::int64_t>(size[2 - a]);
    out.chunk[a] = static_cast<std::int64_t>(chunk[2 - a]);
    if (out.chunk[a] < 1 || __builtin_mul_overflow(bytes, out.chunk[a], &bytes) ||
        bytes > (std::int64_t{1} << 31))
      return std::nullopt;
  }
  H5D_fill_value_t defined = H5D_FILL_VALUE_UNDEFINED;
  if (H5Pfill_value_defined(properties.id(), &defined) < 0 ||
      (defined != H5D_FILL_VALUE_UNDEFINED &&
       H5Pget_fill_value(properties.id(), native_type, out.fill) < 0))
    return std::nullopt;
  return out;
}

bool read_chunks(const GigawarpHost& host, hid_t dataset, const ChunkLayout& layout,
                 const GigawarpBox& box, std::byte* out) {
  for (std::size_t a = 0; a < 3; ++a)
    if (box.begin[a] + box.size[a] > layout.size[a]) return false;
  std::atomic<bool> good = true;
  plugin::for_each_block(host, layout.chunk, box, [&](const plugin::Sizes& block) {
    if (!good) return;
    silence();
    thread_local std::vector<std::byte> stored;
    std::uint32_t skipped = 0;
    const plugin::BlockPart part = plugin::part_of(block, layout.chunk, box);
    const bool read = read_stored(dataset, layout, block, skipped, stored);
    if (read && stored.empty()) {
      plugin::fill_part(part, layout.fill, box, out, layout.width);
      return;
    }
    const std::byte* voxels = read ? expanded(host, layout, skipped, stored) : nullptr;
    if (voxels == nullptr)
      good = false;
    else
      plugin::copy_part(part, voxels, layout.chunk, box, out, layout.width);
  });
  return good;
}

std::string missing_filter(hid_t dataset) {
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  const int filters = properties ? H5Pget_nfilters(properties.id()) : 0;
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, settings = 0;
    std::size_t values = 0;
    char name[64] = {};
    const H5Z_filter_t filter = H5Pget_filter2(properties.id(), static_cast<unsigned>(i), &flags,
                                               &values, nullptr, sizeof name - 1, name, &settings);
    if (filter >= 0 && H5Zfilter_avail(filter) <= 0)
      return name[0] != '\0' ? name : "number " + std::to_string(filter);
  }
  return {};
}

}  // namespace hdf5
