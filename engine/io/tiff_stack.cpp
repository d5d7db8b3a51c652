#include "io/tiff_stack.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "io/file_support.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

Tiff open_tiff(const fs::path& path) {
  checked_file_size(path);
  static std::once_flag silent;
  std::call_once(silent, [] {
    TIFFSetErrorHandler(nullptr);
    TIFFSetWarningHandler(nullptr);
  });
  Tiff tiff(TIFFOpen(path.c_str(), "rm"));  // m: no memory map
  if (!tiff) refuse(path, "is not a TIFF file or is damaged.");
  return tiff;
}

TiffPage tiff_page(TIFF* tiff) {
  TiffPage page;
  page.width = tiff_tag<std::uint32_t>(tiff, TIFFTAG_IMAGEWIDTH, 0);
  page.height = tiff_tag<std::uint32_t>(tiff, TIFFTAG_IMAGELENGTH, 0);
  page.bits = tiff_tag<std::uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE, 1);
  page.samples = tiff_tag<std::uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL, 1);
  page.format = tiff_tag<std::uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_UINT);
  page.planar = tiff_tag<std::uint16_t>(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
  page.photometric = tiff_tag<std::uint16_t>(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
  return page;
}

namespace {
FileType type_of(const TiffPage& page, const fs::path& path) {
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

void find_pages(TIFF* tiff, TiffStack& stack, const fs::path& path) {
  for (;;) {
    if ((tiff_tag<std::uint32_t>(tiff, TIFFTAG_SUBFILETYPE, 0) & FILETYPE_REDUCEDIMAGE) == 0) {
      if (!(tiff_page(tiff) == stack.page))
        refuse(path, "holds pages of different sizes or types; keep only those of the volume.");
      stack.directories.push_back(TIFFCurrentDirOffset(tiff));
    }
    if (TIFFLastDirectory(tiff) != 0) break;
    if (TIFFReadDirectory(tiff) != 1)
      refuse(path, "is truncated or damaged: its list of pages breaks off.");
  }
  stack.pages = static_cast<std::int64_t>(stack.directories.size());
  TIFFSetDirectory(tiff, 0);
}

void find_contiguous(TIFF* tiff, TiffStack& stack, std::uint64_t file_size, const fs::path& path) {
  const std::int64_t images = stack.metadata.images;
  if (images <= stack.pages || stack.pages != 1) return;
  std::uint64_t* offsets = nullptr;
  const bool plain =
      tiff_tag<std::uint16_t>(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) == COMPRESSION_NONE;
  if (!plain || TIFFIsTiled(tiff) || TIFFGetField(tiff, TIFFTAG_STRIPOFFSETS, &offsets) != 1)
    refuse(path, "holds fewer pages than its ImageJ header promises; it is truncated.");
  stack.first_byte = offsets[0];
  const std::uint64_t bytes = stack.page_bytes() * static_cast<std::uint64_t>(images);
  if (stack.first_byte > file_size || bytes > file_size - stack.first_byte)
    refuse(path, "is truncated: it holds fewer pages than its ImageJ header promises.");
  stack.contiguous = true;
  stack.pages = images;
}

void arrange(TiffStack& stack, const fs::path& path) {
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

void set_spacing(TiffStack& stack, const ReadOptions& options, const fs::path& path) {
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

}  // namespace

TiffStack inspect_tiff(TIFF* tiff, const fs::path& path, const ReadOptions& options) {
  TiffStack stack;
  stack.page = tiff_page(tiff);
  if (stack.page.width == 0 || stack.page.height == 0) refuse(path, "holds no pixels.");
  stack.type = type_of(stack.page, path);
  stack.metadata = read_tiff_metadata(tiff);
  find_pages(tiff, stack, path);
  const std::uint64_t file_size = checked_file_size(path);
  find_contiguous(tiff, stack, file_size, path);
  arrange(stack, path);
  set_spacing(stack, options, path);
  check_grid(path, stack.grid);
  const auto bytes = volume_bytes(stack.grid.size, stack.channels * stack.page.samples,
                                  width_of(stack.type.scalar));
  if (!bytes || *bytes / 2000 > file_size)  // beyond what LZW and deflate reach
    refuse(path, "is damaged: it promises more voxels than it can hold.");
  return stack;
}

}  // namespace gigawarp::io
