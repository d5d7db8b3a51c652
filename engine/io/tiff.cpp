#include "io/tiff.h"

#include <tiffio.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "io/convert.h"
#include "io/file_support.h"
#include "io/tiff_metadata.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
struct CloseTiff {
  void operator()(TIFF* tiff) const noexcept { TIFFClose(tiff); }
};
using Tiff = std::unique_ptr<TIFF, CloseTiff>;

Tiff open_tiff(const fs::path& path) {
  checked_file_size(path);
  TIFFSetErrorHandler(nullptr);
  TIFFSetWarningHandler(nullptr);
  Tiff tiff(TIFFOpen(path.c_str(), "rm"));  // m: no memory map, a shrinking file must not crash us
  if (!tiff) refuse(path, "is not a TIFF file or is damaged.");
  return tiff;
}

template <class T>
T tag(TIFF* tiff, std::uint32_t which, T fallback) {
  T value = fallback;
  return TIFFGetFieldDefaulted(tiff, which, &value) == 1 ? value : fallback;
}

/// What every page must agree on.
struct Page {
  std::uint32_t width = 0, height = 0;
  std::uint16_t bits = 0, samples = 0, format = 0, planar = 0, photometric = 0;
  bool operator==(const Page&) const = default;
};

Page page_of(TIFF* tiff) {
  Page page;
  page.width = tag<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0);
  page.height = tag<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
  page.bits = tag<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1);
  page.samples = tag<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  page.format = tag<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  page.planar = tag<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  page.photometric = tag<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  return page;
}

FileType type_of(const Page& page, const fs::path& path) {
  FileType type;
  const bool real = page.format == SAMPLEFORMAT_IEEEFP, sign = page.format == SAMPLEFORMAT_INT;
  if (real && page.bits == 32)
    type.scalar = FileScalar::f32;
  else if (real && page.bits == 64)
    type.scalar = FileScalar::f64;
  else if (!real && page.bits == 8)
    type.scalar = sign ? FileScalar::i8 : FileScalar::u8;
  else if (!real && page.bits == 16)
    type.scalar = sign ? FileScalar::i16 : FileScalar::u16;
  else if (!real && page.bits == 32)
    type.scalar = sign ? FileScalar::i32 : FileScalar::u32;
  else
    refuse(path, "has a TIFF sample type that is not read; convert it to 8, 16 or 32 bits.");
  if (page.photometric == PHOTOMETRIC_PALETTE)
    refuse(path, "has a colour palette instead of intensities; convert it to grey values.");
  if (page.planar != PLANARCONFIG_CONTIG && page.samples > 1)
    refuse(path, "stores its colours in separate planes, which is not read; convert it to grey.");
  type.samples = page.samples == 2 ? 1 : page.samples;
  if (page.samples != 1 && page.samples != 3 && page.samples != 4)
    refuse(path, "has an unusual number of values per pixel.");
  return type;
}

struct Stack {
  Page page;
  FileType type;
  TiffMetadata metadata;
  std::int64_t pages = 0;        ///< directories of full size
  bool contiguous = false;       ///< ImageJ's "one directory, all pages behind each other"
  std::uint64_t first_byte = 0;  ///< of the voxels, when contiguous
  Grid grid;
  int channels = 1;
  std::vector<std::string> notes;
};

/// Walks the directories. Reduced-resolution pages (pyramids) are left out.
std::int64_t count_pages(TIFF* tiff, const Page& first, const fs::path& path) {
  std::int64_t pages = 0;
  do {
    if (tag<std::uint32_t>(tiff, TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE) continue;
    if (!(page_of(tiff) == first))
      refuse(path, "holds pages of different sizes or types; keep only those of the volume.");
    ++pages;
  } while (TIFFReadDirectory(tiff) == 1);
  TIFFSetDirectory(tiff, 0);
  return pages;
}

/// Voxels per page in bytes.
std::uint64_t page_bytes(const Stack& stack) {
  return std::uint64_t{stack.page.width} * stack.page.height * stack.page.samples *
         width_of(stack.type.scalar);
}

void find_contiguous(TIFF* tiff, Stack& stack, std::uint64_t file_size, const fs::path& path) {
  const std::int64_t images = stack.metadata.images;
  if (images <= stack.pages || stack.pages != 1) return;
  std::uint64_t* offsets = nullptr;
  const bool plain =
      tag<std::uint16_t>(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) == COMPRESSION_NONE;
  if (!plain || TIFFIsTiled(tiff) || TIFFGetField(tiff, TIFFTAG_STRIPOFFSETS, &offsets) != 1)
    refuse(path, "holds fewer pages than its ImageJ header promises; it is truncated.");
  stack.first_byte = offsets[0];
  const std::uint64_t bytes = page_bytes(stack) * static_cast<std::uint64_t>(images);
  if (stack.first_byte > file_size || bytes > file_size - stack.first_byte)
    refuse(path, "is truncated: it holds fewer pages than its ImageJ header promises.");
  stack.contiguous = true;
  stack.pages = images;
}

void arrange(Stack& stack, const fs::path& path) {
  const TiffMetadata& m = stack.metadata;
  if (m.frames > 1)
    refuse(path,
           "holds " + std::to_string(m.frames) + " time points; extract the one to use first.");
  stack.channels = static_cast<int>(std::max<std::int64_t>(1, m.channels));
  if (stack.type.samples > 1) stack.channels = 1;
  if (stack.pages % stack.channels != 0)
    refuse(path, "holds a number of pages that its channels do not divide; it is damaged.");
  stack.grid.size = {stack.page.width, stack.page.height, stack.pages / stack.channels};
}

void set_spacing(Stack& stack, const ReadOptions& options, const fs::path& path) {
  std::optional<Vec3> spacing = options.spacing_mm;
  if (spacing)
    stack.notes.emplace_back("The voxel size was given by the user.");
  else
    spacing = stack.metadata.spacing_mm;
  if (!spacing)
    refuse(path, "does not say its voxel size (" + stack.metadata.why_no_spacing +
                     "); pass --spacing x,y,z in mm, for example 0.005,0.005,0.005.");
  for (int k = 0; k < 3; ++k) stack.grid.world_from_voxel.linear[k][k] = (*spacing)[k];
  stack.notes.emplace_back("TIFF stores no orientation: its axes were taken as LPS with origin 0.");
}

Stack inspect(TIFF* tiff, const fs::path& path, const ReadOptions& options) {
  Stack stack;
  stack.page = page_of(tiff);
  if (stack.page.width == 0 || stack.page.height == 0) refuse(path, "holds no pixels.");
  stack.type = type_of(stack.page, path);
  stack.metadata = read_tiff_metadata(tiff);
  stack.pages = count_pages(tiff, stack.page, path);
  const std::uint64_t file_size = checked_file_size(path);
  find_contiguous(tiff, stack, file_size, path);
  arrange(stack, path);
  set_spacing(stack, options, path);
  check_grid(path, stack.grid);
  const auto bytes = volume_bytes(stack.grid.size, stack.channels * stack.page.samples,
                                  width_of(stack.type.scalar));
  if (!bytes || *bytes / 2000 > file_size)  // beyond what LZW and deflate reach
    refuse(path, "is damaged: it promises more voxels than it can hold.");
  check_memory(path, *bytes);
  return stack;
}

void read_tiled_page(TIFF* tiff, const Stack& stack, std::byte* out, const fs::path& path) {
  const auto tile_width = tag<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0);
  const auto tile_height = tag<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 0);
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

void read_page(TIFF* tiff, const Stack& stack, std::byte* out, const fs::path& path) {
  if (TIFFIsTiled(tiff)) return read_tiled_page(tiff, stack, out, path);
  const std::uint64_t bytes = page_bytes(stack);
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

void read_contiguous(TIFF* tiff, const Stack& stack, std::byte* out, std::uint64_t bytes,
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

void read_pages(TIFF* tiff, const Stack& stack, std::byte* out, const fs::path& path) {
  const std::uint64_t each = page_bytes(stack);
  if (stack.contiguous)
    return read_contiguous(tiff, stack, out, each * static_cast<std::uint64_t>(stack.pages), path);
  const std::int64_t slices = stack.grid.size[2];
  std::int64_t page = 0;
  do {
    if (tag<std::uint32_t>(tiff, TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE) continue;
    // Pages of channels alternate within a slice unless the metadata says otherwise; ours are
    // planar.
    const bool slices_first = stack.metadata.slices_before_channels;
    const std::int64_t c = slices_first ? page / slices : page % stack.channels;
    const std::int64_t z = slices_first ? page % slices : page / stack.channels;
    read_page(tiff, stack, out + static_cast<std::uint64_t>(c * slices + z) * each, path);
    ++page;
  } while (page < stack.pages && TIFFReadDirectory(tiff) == 1);
  if (page != stack.pages) refuse(path, "is truncated.");
}

}  // namespace

ImageHeader read_tiff_header(const fs::path& path, const ReadOptions& options) {
  const Tiff tiff = open_tiff(path);
  Stack stack = inspect(tiff.get(), path, options);
  ImageHeader out;
  out.grid = stack.grid;
  out.channels = stack.channels;
  out.format = "TIFF stack, voxel size from " +
               (options.spacing_mm ? std::string("--spacing") : stack.metadata.source);
  out.notes = std::move(stack.notes);
  out.type = stored_type(stack.type, false, out.notes);
  return out;
}

Volume read_tiff(const fs::path& path, const ReadOptions& options) {
  const Tiff tiff = open_tiff(path);
  const Stack stack = inspect(tiff.get(), path, options);
  Volume volume;
  if (const auto own = own_scalar(stack.type); own && !(stack.contiguous && stack.channels > 1)) {
    volume = Volume(stack.grid, *own, stack.channels);
    read_pages(tiff.get(), stack, volume.data(), path);
  } else {
    if (stack.channels > 1)
      refuse(path, "is a contiguous ImageJ stack of several channels; split its channels first.");
    Buffer raw(static_cast<std::size_t>(page_bytes(stack)) * static_cast<std::size_t>(stack.pages));
    read_pages(tiff.get(), stack, raw.data(), path);
    volume = converted(raw, stack.type, SampleOrder::planar, stack.grid, 1, {}, path);
  }
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

}  // namespace gigawarp::io
