#include "io/tiff_source.h"

#include <string.h>  // NOLINT(modernize-deprecated-headers): strverscmp

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>

#include "base/parallel.h"
#include "io/byte_order.h"
#include "io/file_support.h"
#include "io/random_file.h"
#include "io/tiff_stack.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr std::int64_t kBrickBytes = 1 << 20;
constexpr tmsize_t kMostBlockBytes = tmsize_t{1} << 30;
constexpr std::int64_t kPieces = 16;  ///< that a read is cut into, at least

/// A directory: the place of one page at one level.
struct PagePlace {
  std::size_t file = 0;
  std::uint64_t directory = 0;  ///< 0: the file's first
};

struct PageLevel {
  std::int64_t width = 0, height = 0;
  std::vector<PagePlace> pages;  ///< as TiffStack counts them
};

/// The part of a page that is wanted, and where its first pixel goes.
struct PagePart {
  std::int64_t x, y, width, height;
  std::byte* out;
  std::int64_t row_bytes;  ///< from row to row of `out`
};

/// Files that are open and at a directory, for the next reader of that directory.
class OpenTiffs {
 public:
  struct Handle {
    Tiff tiff;
    PagePlace at;
  };
  explicit OpenTiffs(const std::vector<fs::path>& files) : files_(files) {}
  Handle take(const PagePlace& place) {
    Handle out = waiting(place);
    const fs::path& path = files_[place.file];
    if (!out.tiff) out = {open_tiff(path), {place.file, 0}};
    if (out.at.directory != place.directory &&
        TIFFSetSubDirectory(out.tiff.get(), place.directory) != 1)
      refuse(path, "is damaged or truncated (a page cannot be found).");
    out.at.directory = place.directory;
    return out;
  }
  void give_back(Handle&& handle) {
    constexpr std::size_t kMost = 32;
    const std::lock_guard lock(mutex_);
    if (idle_.size() >= kMost) idle_.erase(idle_.begin());
    idle_.push_back(std::move(handle));
  }

 private:
  Handle waiting(const PagePlace& place) {
    const std::lock_guard lock(mutex_);
    auto best = idle_.end();
    for (auto h = idle_.begin(); h != idle_.end(); ++h) {
      if (h->at.file != place.file) continue;
      best = h;
      if (h->at.directory == place.directory) break;
    }
    if (best == idle_.end()) return {};
    Handle out = std::move(*best);
    idle_.erase(best);
    return out;
  }

  const std::vector<fs::path>& files_;
  std::mutex mutex_;
  std::vector<Handle> idle_;
};

class TiffSource : public BrickSource {
 public:
  TiffSource(std::vector<fs::path> files, TiffStack stack, Tiff first, const ReadOptions& options);
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override;

 private:
  void add_pages();
  void add_sub_levels(TIFF* tiff);
  void describe(TIFF* tiff, const ReadOptions& options);
  void read_part(const PageLevel& level, std::int64_t page, const PagePart& part) const;
  void read_strips(TIFF* tiff, const PageLevel& level, const PagePart& part,
                   const fs::path& path) const;
  void read_plain_strips(TIFF* tiff, const PageLevel& level, const PagePart& part,
                         const fs::path& path) const;
  void read_tiles(TIFF* tiff, const PagePart& part, const fs::path& path) const;
  void read_contiguous(std::int64_t page, const PagePart& part) const;

  std::vector<fs::path> files_;
  TiffStack stack_;
  std::int64_t width_;  ///< bytes of a voxel
  bool swapped_ = false;
  int first_channel_ = 0;
  std::vector<PageLevel> levels_;
  SourceInfo info_;
  mutable OpenTiffs open_{files_};
};

/// Bytes of what is decompressed as one; refused when damaged or beyond reason.
tmsize_t block_bytes(TIFF* tiff, const fs::path& path) {
  const tmsize_t bytes = TIFFIsTiled(tiff) ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
  if (bytes <= 0 || bytes > kMostBlockBytes)
    refuse(path, "has damaged TIFF strips or tiles, or such of more than 1 GiB.");
  return bytes;
}

bool is_plain(TIFF* tiff) {
  return !TIFFIsTiled(tiff) &&
         tiff_tag<std::uint16_t>(tiff, TIFFTAG_COMPRESSION, COMPRESSION_NONE) == COMPRESSION_NONE &&
         tiff_tag<std::uint16_t>(tiff, TIFFTAG_FILLORDER, FILLORDER_MSB2LSB) == FILLORDER_MSB2LSB;
}

TiffSource::TiffSource(std::vector<fs::path> files, TiffStack stack, Tiff first,
                       const ReadOptions& options)
    : files_(std::move(files)),
      stack_(std::move(stack)),
      width_(static_cast<std::int64_t>(width_of(stack_.type.scalar))) {
  swapped_ = TIFFIsByteSwapped(first.get()) != 0;
  add_pages();
  describe(first.get(), options);
  if (files_.size() == 1 && !stack_.contiguous) add_sub_levels(first.get());
  if (!stack_.contiguous && !is_plain(first.get())) block_bytes(first.get(), files_[0]);
}

void TiffSource::add_pages() {
  PageLevel level{stack_.page.width, stack_.page.height, {}};
  if (files_.size() > 1)
    for (std::size_t f = 0; f < files_.size(); ++f) level.pages.push_back({f, 0});
  else
    for (const std::uint64_t directory : stack_.directories) level.pages.push_back({0, directory});
  levels_.push_back(std::move(level));
}

void TiffSource::describe(TIFF* tiff, const ReadOptions& options) {
  info_.type = *own_scalar(stack_.type);
  info_.channels = info_.parts.channels = stack_.channels;
  info_.parts.channel_names = stack_.metadata.channel_names;
  info_.notes = stack_.notes;
  info_.format = std::string(files_.size() > 1 ? "TIFF slices" : "TIFF stack") +
                 ", voxel size from " +
                 (options.spacing_mm ? std::string("--spacing") : stack_.metadata.source);
  if (const auto channel = options.selection.channel) {
    if (*channel < 0 || *channel >= stack_.channels)
      throw Error(ErrorCode::usage,
                  "\"" + files_[0].string() + "\" has no channel " + std::to_string(*channel) +
                      "; it has " + std::to_string(stack_.channels) + ", counted from 0.",
                  files_[0].string());
    first_channel_ = *channel;
    info_.channels = 1;
  }
  const Size3& n = stack_.grid.size;
  Size3 brick{n[0], n[1], 1};
  if (TIFFIsTiled(tiff))
    brick = {std::min<std::int64_t>(n[0], tiff_tag<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH, 1)),
             std::min<std::int64_t>(n[1], tiff_tag<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 1)), 1};
  brick[2] = std::clamp<std::int64_t>(kBrickBytes / (brick[0] * brick[1] * width_), 1, n[2]);
  info_.levels = {{stack_.grid, brick}};
}

/// Offsets of the smaller copies of the page that `tiff` is at.
std::vector<std::uint64_t> sub_directories(TIFF* tiff) {
  std::uint16_t n = 0;
  std::uint64_t* offsets = nullptr;
  if (TIFFGetField(tiff, TIFFTAG_SUBIFD, &n, &offsets) != 1) return {};
  return {offsets, offsets + n};
}

/// Levels as far as the pages agree on them and each is the one before, made smaller by a whole
/// factor.
void TiffSource::add_sub_levels(TIFF* tiff) {
  std::vector<std::vector<std::uint64_t>> copies;
  for (const PagePlace& place : levels_[0].pages) {
    if (TIFFSetSubDirectory(tiff, place.directory) != 1) return;
    copies.push_back(sub_directories(tiff));
    if (copies.back().size() != copies.front().size() || copies.back().empty()) return;
  }
  for (std::size_t l = 0; l < copies.front().size(); ++l) {
    if (TIFFSetSubDirectory(tiff, copies.front()[l]) != 1) return;
    TiffPage page = tiff_page(tiff);
    PageLevel level{page.width, page.height, {}};
    page.width = stack_.page.width;
    page.height = stack_.page.height;
    if (page != stack_.page) return;
    SourceLevel next{stack_.grid, info_.levels[0].brick};
    const std::int64_t sizes[2] = {level.width, level.height};
    for (std::size_t a = 0; a < 2; ++a) {
      const std::int64_t n = stack_.grid.size[a], m = sizes[a];
      if (m < 1 || m > n) return;
      const std::int64_t factor = std::llround(static_cast<double>(n) / static_cast<double>(m));
      if (std::abs(n - factor * m) >= factor) return;
      next.grid.size[a] = m;
      next.grid.world_from_voxel.offset[a] +=
          next.grid.world_from_voxel.linear[a][a] * static_cast<double>(factor - 1) / 2;
      next.grid.world_from_voxel.linear[a][a] *= static_cast<double>(factor);
      next.brick[a] = std::min(next.brick[a], m);
    }
    for (const auto& of_page : copies) level.pages.push_back({0, of_page[l]});
    levels_.push_back(std::move(level));
    info_.levels.push_back(next);
  }
}

void TiffSource::read(int level, int channel, const Box& box, std::byte* out) const {
  const PageLevel& pages = levels_[static_cast<std::size_t>(level)];
  const std::int64_t row = box.size[0] * width_, plane = box.size[1] * row;
  const Size3& brick = info_.levels[static_cast<std::size_t>(level)].brick;
  const std::int64_t bands = std::clamp<std::int64_t>(
      kPieces / box.size[2], 1,
      std::max<std::int64_t>(1, brick[1] < pages.height ? box.size[1] / brick[1] : 1));
  parallel_for(box.size[2] * bands, [&](std::int64_t i) {
    const std::int64_t z = i / bands, band = i % bands;
    const std::int64_t first = box.size[1] * band / bands, end = box.size[1] * (band + 1) / bands;
    read_part(pages, stack_.page_at(first_channel_ + channel, box.begin[2] + z),
              {box.begin[0], box.begin[1] + first, box.size[0], end - first,
               out + z * plane + first * row, row});
  });
}

void TiffSource::read_part(const PageLevel& level, std::int64_t page, const PagePart& part) const {
  if (stack_.contiguous) return read_contiguous(page, part);
  const PagePlace& place = level.pages[static_cast<std::size_t>(page)];
  const fs::path& path = files_[place.file];
  OpenTiffs::Handle handle = open_.take(place);
  TIFF* tiff = handle.tiff.get();
  const TiffPage now = tiff_page(tiff);
  if (now.width != level.width || now.height != level.height || now.bits != stack_.page.bits ||
      now.samples != 1 || now.format != stack_.page.format)
    refuse(path, "holds pages of different sizes or types; keep only those of the volume.");
  if (is_plain(tiff))
    read_plain_strips(tiff, level, part, path);
  else if (TIFFIsTiled(tiff))
    read_tiles(tiff, part, path);
  else
    read_strips(tiff, level, part, path);
  open_.give_back(std::move(handle));
}

void TiffSource::read_contiguous(std::int64_t page, const PagePart& part) const {
  const RandomFile file(files_[0]);
  if (file.is_missing()) refuse(files_[0], "has been removed.");
  const std::uint64_t row = std::uint64_t{stack_.page.width} * static_cast<std::uint64_t>(width_);
  const std::uint64_t begin =
      stack_.first_byte + static_cast<std::uint64_t>(page) * stack_.page_bytes();
  const auto bytes = static_cast<std::size_t>(part.width * width_);
  for (std::int64_t y = 0; y < part.height; ++y) {
    std::byte* to = part.out + y * part.row_bytes;
    file.read(begin + static_cast<std::uint64_t>(part.y + y) * row +
                  static_cast<std::uint64_t>(part.x * width_),
              {to, bytes});
    if (swapped_)
      reverse_bytes(to, static_cast<std::size_t>(part.width), static_cast<std::size_t>(width_));
  }
}

/// Uncompressed: just the bytes that are wanted, however long a strip is.
void TiffSource::read_plain_strips(TIFF* tiff, const PageLevel& level, const PagePart& part,
                                   const fs::path& path) const {
  const RandomFile file(path);
  if (file.is_missing()) refuse(path, "has been removed.");
  const std::int64_t rows = std::clamp<std::int64_t>(
      tiff_tag<std::uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP, UINT32_MAX), 1, level.height);
  const auto row = static_cast<std::uint64_t>(level.width * width_);
  for (std::int64_t y = 0; y < part.height; ++y) {
    const std::int64_t at = part.y + y;
    const auto strip = static_cast<std::uint32_t>(at / rows);
    const std::uint64_t within = static_cast<std::uint64_t>(at % rows) * row;
    if (within + row > TIFFGetStrileByteCount(tiff, strip))
      refuse(path, "is damaged or truncated (a page is too short).");
    std::byte* to = part.out + y * part.row_bytes;
    file.read(
        TIFFGetStrileOffset(tiff, strip) + within + static_cast<std::uint64_t>(part.x * width_),
        {to, static_cast<std::size_t>(part.width * width_)});
    if (swapped_)
      reverse_bytes(to, static_cast<std::size_t>(part.width), static_cast<std::size_t>(width_));
  }
}

void TiffSource::read_strips(TIFF* tiff, const PageLevel& level, const PagePart& part,
                             const fs::path& path) const {
  thread_local std::vector<std::byte> block;
  block.resize(static_cast<std::size_t>(block_bytes(tiff, path)));
  const std::int64_t rows = std::clamp<std::int64_t>(
      tiff_tag<std::uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP, UINT32_MAX), 1, level.height);
  const std::int64_t row = level.width * width_;
  for (std::int64_t y = part.y; y < part.y + part.height;) {
    const std::int64_t strip = y / rows, first = strip * rows;
    const std::int64_t end = std::min(first + rows, part.y + part.height);
    const tmsize_t got = TIFFReadEncodedStrip(tiff, static_cast<std::uint32_t>(strip), block.data(),
                                              static_cast<tmsize_t>(block.size()));
    if (got < (end - first) * row) refuse(path, "is damaged or truncated.");
    for (; y < end; ++y)
      std::memcpy(part.out + (y - part.y) * part.row_bytes,
                  block.data() + (y - first) * row + part.x * width_,
                  static_cast<std::size_t>(part.width * width_));
  }
}

void TiffSource::read_tiles(TIFF* tiff, const PagePart& part, const fs::path& path) const {
  thread_local std::vector<std::byte> block;
  const auto bytes = static_cast<std::int64_t>(block_bytes(tiff, path));
  block.resize(static_cast<std::size_t>(bytes));
  const std::int64_t width = tiff_tag<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH, 0),
                     height = tiff_tag<std::uint32_t>(tiff, TIFFTAG_TILELENGTH, 0);
  if (width < 1 || height < 1 || width * height > bytes / width_)
    refuse(path, "has damaged TIFF tiles.");
  const std::int64_t right = part.x + part.width, bottom = part.y + part.height;
  for (std::int64_t ty = part.y / height * height; ty < bottom; ty += height)
    for (std::int64_t tx = part.x / width * width; tx < right; tx += width) {
      if (TIFFReadTile(tiff, block.data(), static_cast<std::uint32_t>(tx),
                       static_cast<std::uint32_t>(ty), 0, 0) < width * height * width_)
        refuse(path, "is damaged or truncated.");
      const std::int64_t x0 = std::max(tx, part.x), x1 = std::min(tx + width, right);
      for (std::int64_t y = std::max(ty, part.y); y < std::min(ty + height, bottom); ++y)
        std::memcpy(part.out + (y - part.y) * part.row_bytes + (x0 - part.x) * width_,
                    block.data() + ((y - ty) * width + x0 - tx) * width_,
                    static_cast<std::size_t>((x1 - x0) * width_));
    }
}

/// The slices of a folder, 2 before 10.
std::vector<fs::path> slices_in(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(folder, code))
    if (is_tiff_name(entry.path()) && !entry.path().filename().string().starts_with("."))
      out.push_back(entry.path());
  std::sort(out.begin(), out.end(), [](const fs::path& a, const fs::path& b) {
    return strverscmp(a.filename().c_str(), b.filename().c_str()) < 0;
  });
  return out;
}

std::unique_ptr<BrickSource> open_slices(const fs::path& folder, const ReadOptions& options) {
  const std::vector<fs::path> files = slices_in(folder);
  if (files.empty()) refuse(folder, "holds no TIFF slices; check the name and the folder.");
  Tiff first = open_tiff(files.front());
  const TiffMetadata metadata = read_tiff_metadata(first.get());
  if (metadata.channels > 1 || metadata.images > 1 || metadata.frames > 1)
    refuse(files.front(),
           "is a stack itself where a folder of TIFF files must hold one slice each; "
           "name one of the stacks.");
  if (!options.spacing_mm && !(metadata.spacing_mm && metadata.slices_spaced))
    refuse(folder,
           "holds TIFF slices that do not say how far apart they are; pass --spacing x,y,z "
           "in mm, for example 0.005,0.005,0.005.");
  TiffStack stack = inspect_tiff(first.get(), files.front(), options);
  if (!own_scalar(stack.type))
    refuse(files.front(), "is a colour slice; convert the folder to grey values first.");
  for (const fs::path& file : files) {
    const Tiff tiff = open_tiff(file);
    if (!(tiff_page(tiff.get()) == stack.page))
      refuse(file, "has another size or type than the first slice of its folder.");
    if (TIFFLastDirectory(tiff.get()) == 0)
      refuse(file, "holds several pages where a folder of TIFF files must hold one slice each.");
  }
  stack.grid.size[2] = static_cast<std::int64_t>(files.size());
  stack.contiguous = false;
  check_grid(folder, stack.grid);
  return std::make_unique<TiffSource>(files, std::move(stack), std::move(first), options);
}

std::unique_ptr<BrickSource> open_stack(const fs::path& path, const ReadOptions& options) {
  Tiff tiff = open_tiff(path);
  TiffStack stack = inspect_tiff(tiff.get(), path, options);
  if (!own_scalar(stack.type)) return nullptr;
  return std::make_unique<TiffSource>(std::vector{path}, std::move(stack), std::move(tiff),
                                      options);
}

void refuse_time_points(const fs::path& path, const ImageSelection& selection) {
  if (selection.timepoint.value_or(0) != 0)
    throw Error(ErrorCode::usage, "\"" + path.string() + "\" has no time points to choose from.",
                path.string());
}
}  // namespace

bool is_tiff_name(const fs::path& path) {
  return has_extension(path, ".tif") || has_extension(path, ".tiff");
}

bool is_tiff_folder(const fs::path& path) {
  std::error_code code;
  bool found = false;
  if (!fs::is_directory(path, code)) return false;
  for (const auto& entry : fs::directory_iterator(path, code)) {
    if (entry.path().filename().string().starts_with(".")) continue;
    if (has_extension(entry.path(), ".dcm") || has_extension(entry.path(), ".ima")) return false;
    found = found || is_tiff_name(entry.path());
  }
  return found;
}

bool is_tiff_pyramid(const fs::path& path) {
  std::error_code code;
  if (!is_tiff_name(path) || !fs::is_regular_file(path, code)) return false;
  try {
    const Tiff tiff = open_tiff(path);
    return tiff_page(tiff.get()).samples == 1 && !sub_directories(tiff.get()).empty();
  } catch (const Error&) {
    return false;  // its reader says what is wrong
  }
}

std::unique_ptr<BrickSource> open_tiff_source(const fs::path& path, const ReadOptions& options) {
  if (is_tiff_folder(path)) {
    refuse_time_points(path, options.selection);
    return open_slices(path, options);
  }
  if (is_tiff_pyramid(path)) {
    refuse_time_points(path, options.selection);
    return open_stack(path, options);
  }
  try {
    if (options.selection.level.value_or(0) != 0 || options.selection.timepoint.value_or(0) != 0)
      return nullptr;  // the reader of whole files says so
    return open_stack(path, options);
  } catch (const Error&) {
    return nullptr;  // as above
  }
}

}  // namespace gigawarp::io
