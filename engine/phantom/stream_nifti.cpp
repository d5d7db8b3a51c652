#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include "gigawarp/error.h"
#include "phantom/phantom.h"

// Field offsets: NIfTI-1 (nifti1.h) and NIfTI-2 (nifti2.h), https://nifti.nimh.nih.gov.
namespace gigawarp::phantom {
namespace {

std::int16_t nifti_code(ScalarType type) {
  switch (type) {
    case ScalarType::u8: return 2;
    case ScalarType::i16: return 4;
    case ScalarType::i32: return 8;
    case ScalarType::f32: return 16;
    case ScalarType::f64: return 64;
    case ScalarType::i8: return 256;
    case ScalarType::u16: return 512;
    case ScalarType::u32: break;
  }
  return 768;
}

class Header {
 public:
  explicit Header(std::size_t bytes) : bytes_(bytes, '\0') {}
  template <class T>
  void put(std::size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
  }
  const std::vector<char>& bytes() const { return bytes_; }

 private:
  std::vector<char> bytes_;
};

/// Rows of the voxel-to-RAS matrix: LPS with x and y negated.
std::array<std::array<double, 4>, 3> ras_rows(const Grid& grid) {
  std::array<std::array<double, 4>, 3> rows{};
  for (int r = 0; r < 3; ++r) {
    const double sign = r < 2 ? -1 : 1;
    for (int c = 0; c < 3; ++c) rows[r][c] = sign * grid.world_from_voxel.linear[r][c];
    rows[r][3] = sign * grid.world_from_voxel.offset[r];
  }
  return rows;
}

std::vector<char> nifti1(const Grid& grid, ScalarType type) {
  Header h(352);
  h.put<std::int32_t>(0, 348);
  h.put<std::int16_t>(40, 3);
  const Vec3 spacing = grid.spacing_mm();
  h.put<float>(76, 1.0F);
  for (std::size_t a = 0; a < 3; ++a) {
    h.put(42 + 2 * a, static_cast<std::int16_t>(grid.size[a]));
    h.put(80 + 4 * a, static_cast<float>(spacing[a]));
  }
  for (std::size_t a = 3; a < 7; ++a) h.put<std::int16_t>(42 + 2 * a, 1);
  h.put(70, nifti_code(type));
  h.put(72, static_cast<std::int16_t>(8 * size_of(type)));
  h.put<float>(108, 352.0F);
  h.put<float>(112, 1.0F);
  h.put<char>(123, 2);  // mm
  h.put<std::int16_t>(254, 1);
  const auto rows = ras_rows(grid);
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 4; ++c) h.put(280 + 16 * r + 4 * c, static_cast<float>(rows[r][c]));
  h.put(344, std::array<char, 4>{'n', '+', '1', '\0'});
  return h.bytes();
}

std::vector<char> nifti2(const Grid& grid, ScalarType type) {
  Header h(544);
  h.put<std::int32_t>(0, 540);
  h.put(4, std::array<char, 8>{'n', '+', '2', '\0', '\r', '\n', '\032', '\n'});
  h.put(12, nifti_code(type));
  h.put(14, static_cast<std::int16_t>(8 * size_of(type)));
  h.put<std::int64_t>(16, 3);
  const Vec3 spacing = grid.spacing_mm();
  h.put<double>(104, 1.0);
  for (std::size_t a = 0; a < 3; ++a) {
    h.put(24 + 8 * a, grid.size[a]);
    h.put(112 + 8 * a, spacing[a]);
  }
  for (std::size_t a = 3; a < 7; ++a) h.put<std::int64_t>(24 + 8 * a, 1);
  h.put<std::int64_t>(168, 544);
  h.put<double>(176, 1.0);
  h.put<std::int32_t>(348, 1);
  const auto rows = ras_rows(grid);
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 4; ++c) h.put(400 + 32 * r + 8 * c, rows[r][c]);
  h.put<std::int32_t>(500, 2);  // mm
  return h.bytes();
}

/// Removes the half-written file unless it was renamed into place.
class PartFile {
 public:
  explicit PartFile(const std::filesystem::path& path)
      : path_(path), part_(path.string() + ".part" + std::to_string(getpid())) {
    stream_.open(part_, std::ios::binary);
    check();
  }
  ~PartFile() {
    std::error_code ignored;
    if (!done_) std::filesystem::remove(part_, ignored);
  }
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  void write(const char* data, std::size_t bytes) {
    stream_.write(data, static_cast<std::streamsize>(bytes));
    check();
  }
  void finish() {
    stream_.close();
    check();
    std::error_code failure;
    std::filesystem::rename(part_, path_, failure);
    if (failure) refuse();
    done_ = true;
  }

 private:
  void check() const {
    if (!stream_) refuse();
  }
  [[noreturn]] void refuse() const {
    throw Error(
        ErrorCode::output_not_written,
        "\"" + path_.string() +
            "\" could not be written; check that its folder exists, is writable and has room.",
        path_.string());
  }
  std::filesystem::path path_, part_;
  std::ofstream stream_;
  bool done_ = false;
};

}  // namespace

void stream_nifti(const Phantom& phantom, Side side, StreamedKind kind,
                  const std::filesystem::path& path, const PlaneProgress& progress,
                  const std::stop_token& stop) {
  const Grid& grid = phantom.grid(side);
  const ScalarType type = kind == StreamedKind::image ? phantom.spec().type : ScalarType::u8;
  const bool large = *std::max_element(grid.size.begin(), grid.size.end()) > 32767;
  PartFile file(path);
  const std::vector<char> header = large ? nifti2(grid, type) : nifti1(grid, type);
  file.write(header.data(), header.size());
  const std::int64_t plane = grid.size[0] * grid.size[1] * static_cast<std::int64_t>(size_of(type));
  const std::int64_t planes = std::max<std::int64_t>(1, (std::int64_t{16} << 20) / plane);
  Buffer slab(static_cast<std::size_t>(planes * plane));
  for (std::int64_t z = 0; z < grid.size[2]; z += planes) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled,
                  "Writing \"" + path.string() + "\" was cancelled; nothing was kept.",
                  path.string());
    const std::int64_t end = std::min(grid.size[2], z + planes);
    auto* bytes = reinterpret_cast<std::uint8_t*>(slab.data());
    switch (kind) {
      case StreamedKind::image: phantom.render_slab(side, z, end, slab.data()); break;
      case StreamedKind::labels: phantom.label_slab(side, z, end, bytes); break;
      case StreamedKind::mask: phantom.mask_slab(side, z, end, bytes); break;
    }
    file.write(reinterpret_cast<const char*>(slab.data()),
               static_cast<std::size_t>((end - z) * plane));
    if (progress) progress(end);
  }
  file.finish();
}

}  // namespace gigawarp::phantom
