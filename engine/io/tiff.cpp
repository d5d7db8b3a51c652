#include "io/tiff.h"

#include <tiffio.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

#include "io/brick_source.h"
#include "io/convert.h"
#include "io/file_support.h"
#include "io/tiff_metadata.h"
#include "io/tiff_source.h"
#include "io/tiff_stack.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
void read_tiled_page(TIFF* tiff, const TiffStack& stack, std::byte* out, const fs::path& path) {
  const auto tile_width = tiff_tag<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0);
  const auto tile_height = tiff_tag<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 0);
  const std::size_t pixel = stack.page.samples * width_of(stack.type.scalar);
  const tmsize_t tile_bytes = TIFFTileSize(tiff);
  if (tile_width == 0 || tile_height == 0 || tile_bytes <= 0 || tile_width > (1U << 20) ||
      tile_height > (1U << 20) ||
      static_cast<std::uint64_t>(tile_bytes) < std::uint64_t{tile_width} * tile_height * pixel)
    refuse(path, "has damaged TIFF tiles.");
  check_memory(path, static_cast<std::uint64_t>(tile_bytes));
  std::vector<std::byte> tile(static_cast<std::size_t>(tile_bytes));
  for (std::uint32_t y = 0; y < stack.page.height; y += tile_height)
    for (std::uint32_t x = 0; x < stack.page.width; x += tile_width) {
      if (TIFFReadTile(tiff, tile.data(), x, y, 0, 0) < 0) refuse(path, "is damaged or truncated.");
      const std::size_t columns = std::min(tile_width, stack.page.width - x);
      const std::size_t rows = std::min(tile_height, stack.page.height - y);
      for (std::size_t r = 0; r < rows; ++r)
        std::memcpy(out + ((y + r) * stack.page.width + x) * pixel,
                    tile.data() + r * tile_width * pixel, columns * pixel);
    }
}

void read_page(TIFF* tiff, const TiffStack& stack, std::byte* out, const fs::path& path) {
  if (TIFFIsTiled(tiff)) return read_tiled_page(tiff, stack, out, path);
  const std::uint64_t bytes = stack.page_bytes();
  std::uint64_t done = 0;
  const std::uint32_t strips = TIFFNumberOfStrips(tiff);
  for (std::uint32_t s = 0; s < strips && done < bytes; ++s) {
    const tmsize_t n =
        TIFFReadEncodedStrip(tiff, s, out + done, static_cast<tmsize_t>(bytes - done));
    if (n <= 0) refuse(path, "is damaged or truncated.");
    done += static_cast<std::uint64_t>(n);
  }
  if (done != bytes) refuse(path, "is damaged or truncated (a page is too short).");
}

void read_contiguous(TIFF* tiff, const TiffStack& stack, std::byte* out, std::uint64_t bytes,
                     const fs::path& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                       &std::fclose);
  if (!file || fseeko(file.get(), static_cast<off_t>(stack.first_byte), SEEK_SET) != 0 ||
      std::fread(out, 1, bytes, file.get()) != bytes)
    refuse(path, "is truncated.");
  if (TIFFIsByteSwapped(tiff) == 0) return;
  const std::size_t width = width_of(stack.type.scalar);
  for (std::uint64_t i = 0; i + width <= bytes; i += width) std::reverse(out + i, out + i + width);
}

void read_pages(TIFF* tiff, const TiffStack& stack, std::byte* out, const fs::path& path) {
  const std::uint64_t each = stack.page_bytes();
  if (stack.contiguous)
    return read_contiguous(tiff, stack, out, each * static_cast<std::uint64_t>(stack.pages), path);
  const std::int64_t slices = stack.grid.size[2];
  std::int64_t page = 0;
  do {
    if (tiff_tag<std::uint32_t>(tiff, TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE) continue;
    const auto [c, z] = stack.place_of(page);
    read_page(tiff, stack, out + static_cast<std::uint64_t>(c * slices + z) * each, path);
    ++page;
  } while (page < stack.pages && TIFFReadDirectory(tiff) == 1);
  if (page != stack.pages) refuse(path, "is truncated.");
}

}  // namespace

ImageHeader read_tiff_header(const fs::path& path, const ReadOptions& options) {
  const Tiff tiff = open_tiff(path);
  TiffStack stack = inspect_tiff(tiff.get(), path, options);
  ImageHeader out;
  out.grid = stack.grid;
  out.channels = stack.channels;
  out.format = "TIFF stack, voxel size from " +
               (options.spacing_mm ? std::string("--spacing") : stack.metadata.source);
  out.parts.channel_names = stack.metadata.channel_names;
  out.notes = std::move(stack.notes);
  out.type = stored_type(stack.type, false, out.notes);
  return out;
}

Volume read_tiff(const fs::path& path, const ReadOptions& options) {
  ReadOptions all = options;
  all.selection = {};
  if (const auto source = open_tiff_source(path, all)) return read_level(*source, 0, path);
  const Tiff tiff = open_tiff(path);
  const TiffStack stack = inspect_tiff(tiff.get(), path, options);
  const std::uint64_t bytes = stack.page_bytes() * static_cast<std::uint64_t>(stack.pages);
  check_memory(path, bytes);
  Buffer raw(static_cast<std::size_t>(bytes));
  read_pages(tiff.get(), stack, raw.data(), path);
  Volume volume =
      converted(raw, stack.type, SampleOrder::planar, stack.grid, stack.channels, {}, path);
  volume.notes().insert(volume.notes().begin(), stack.notes.begin(), stack.notes.end());
  return volume;
}

namespace {
void write_page(TIFF* tiff, const Volume& volume, std::int64_t z, const std::string& description) {
  const Size3 n = volume.grid().size;
  const std::size_t width = size_of(volume.type());
  const Vec3 spacing = volume.grid().spacing_mm();
  TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, static_cast<std::uint32_t>(n[0]));
  TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, static_cast<std::uint32_t>(n[1]));
  TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, static_cast<int>(8 * width));
  TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT,
               volume.type() == ScalarType::f32 ? SAMPLEFORMAT_IEEEFP : SAMPLEFORMAT_UINT);
  TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  TIFFSetField(tiff, TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE);
  TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, static_cast<std::uint32_t>(n[1]));
  TIFFSetField(tiff, TIFFTAG_RESOLUTIONUNIT, RESUNIT_NONE);
  TIFFSetField(tiff, TIFFTAG_XRESOLUTION, 1.0 / spacing[0]);
  TIFFSetField(tiff, TIFFTAG_YRESOLUTION, 1.0 / spacing[1]);
  if (z == 0) TIFFSetField(tiff, TIFFTAG_IMAGEDESCRIPTION, description.c_str());
}
}  // namespace

void write_tiff(const Volume& volume, const fs::path& path) {
  const ScalarType type = volume.type();
  if (volume.channels() != 1 ||
      (type != ScalarType::u8 && type != ScalarType::u16 && type != ScalarType::f32))
    throw Error(
        ErrorCode::usage,
        "TIFF is written for one channel of u8, u16 or f32 only; choose .nii.gz or .nrrd for \"" +
            path.string() + "\" or convert its type.",
        path.string());
  AtomicFile file(path);
  file.close();
  TIFFSetErrorHandler(nullptr);
  TIFFSetWarningHandler(nullptr);
  const Size3 n = volume.grid().size;
  const std::string description = imagej_description(volume.grid());
  Tiff tiff(
      TIFFOpen(file.temporary().c_str(), volume.bytes() > (std::size_t{1} << 31) ? "w8" : "w"));
  if (!tiff) refuse_output(path, "the file cannot be created.");
  const std::size_t bytes = static_cast<std::size_t>(n[0] * n[1]) * size_of(type);
  std::vector<std::byte> page(bytes);  // libtiff may change its argument
  for (std::int64_t z = 0; z < n[2]; ++z) {
    write_page(tiff.get(), volume, z, description);
    std::memcpy(page.data(), volume.data() + static_cast<std::size_t>(z) * bytes, bytes);
    if (TIFFWriteEncodedStrip(tiff.get(), 0, page.data(), static_cast<tmsize_t>(bytes)) < 0 ||
        TIFFWriteDirectory(tiff.get()) != 1)
      refuse_output(path, "the disk is full or the TIFF library failed.");
  }
  if (TIFFFlush(tiff.get()) != 1) refuse_output(path, "the disk is full.");
  tiff.reset();
  file.commit();
}

namespace {
/// What a reader takes a TIFF for.
Grid as_read_back(const Grid& grid) {
  return Grid::from_itk(grid.size, grid.spacing_mm(), {}, {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}});
}
Grid at_zero(Grid grid) {
  grid.world_from_voxel.offset = {};
  return grid;
}
bool is_turned(const Grid& grid) { return !at_zero(grid).same_lattice(as_read_back(grid)); }
}  // namespace

std::string lost_in_tiff(const Grid& grid) {
  const bool turned = is_turned(grid), moved = !at_zero(grid).same_lattice(grid);
  if (!turned && !moved) return {};
  const bool oblique = turned && is_turned(reordered(grid, canonical_order(grid)));
  const Vec3 origin = grid.origin_mm();
  std::ostringstream text;
  text << "TIFF does not hold the "
       << (turned && moved ? "orientation and the position"
           : turned        ? "orientation"
                           : "position")
       << " of a volume: readers assume ";
  if (turned)
    text << "axes towards LPS, not " << (oblique ? "obliquely towards " : "") << grid.orientation();
  if (turned && moved) text << ", and ";
  if (moved)
    text << "the first voxel at 0, 0, 0 mm, not " << origin[0] << ", " << origin[1] << ", "
         << origin[2];
  text << "; choose .nii.gz or .nrrd to keep " << (turned && moved ? "both." : "it.");
  return text.str();
}

}  // namespace gigawarp::io
