#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "io/gzip.h"
#include "io/nifti.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr std::size_t kVersion1Bytes = 352;  // header and the four bytes that say "no extensions"
constexpr std::size_t kVersion2Bytes = 544;

int nifti_code(ScalarType type) {
  constexpr std::array<int, 8> kCodes{2, 256, 512, 4, 768, 8, 16, 64};
  return kCodes[static_cast<std::size_t>(type)];
}

/// Unit quaternion (b, c, d) and handedness of a direction matrix with perpendicular unit columns.
struct Quaternion {
  double b = 0, c = 0, d = 0, handedness = 1;
};

Quaternion quaternion_of(Mat3 m) {
  Quaternion q;
  if (Affine{m, {}}.determinant() < 0) {
    q.handedness = -1;
    for (auto& row : m) row[2] = -row[2];
  }
  const double trace = m[0][0] + m[1][1] + m[2][2];
  double a = 0;
  if (trace > 0) {
    a = 0.5 * std::sqrt(1 + trace);
    q.b = 0.25 * (m[2][1] - m[1][2]) / a;
    q.c = 0.25 * (m[0][2] - m[2][0]) / a;
    q.d = 0.25 * (m[1][0] - m[0][1]) / a;
    return q;
  }
  // The largest of b, c, d first, for accuracy.
  std::array<double, 3> v{};
  int i = 0;
  if (m[1][1] > m[0][0]) i = 1;
  if (m[2][2] > m[i][i]) i = 2;
  const int j = (i + 1) % 3, k = (i + 2) % 3;
  v[i] = 0.5 * std::sqrt(std::max(0.0, 1 + m[i][i] - m[j][j] - m[k][k]));
  v[j] = 0.25 * (m[i][j] + m[j][i]) / v[i];
  v[k] = 0.25 * (m[i][k] + m[k][i]) / v[i];
  a = 0.25 * (m[k][j] - m[j][k]) / v[i];
  const double sign = a < 0 ? -1 : 1;
  q.b = sign * v[0], q.c = sign * v[1], q.d = sign * v[2];
  return q;
}

/// RAS millimetres, as NIfTI wants it.
Affine ras_of(const Grid& grid) {
  Affine ras = grid.world_from_voxel;
  for (int r = 0; r < 2; ++r) {
    for (double& v : ras.linear[r]) v = v == 0 ? 0 : -v;
    ras.offset[r] = ras.offset[r] == 0 ? 0 : -ras.offset[r];
  }
  return ras;
}

bool is_sheared(const Mat3& direction) {
  for (int i = 0; i < 3; ++i)
    for (int j = i + 1; j < 3; ++j) {
      double dot = 0;
      for (int r = 0; r < 3; ++r) dot += direction[r][i] * direction[r][j];
      if (std::abs(dot) > 1e-4) return true;
    }
  return false;
}

class HeaderBytes {
 public:
  explicit HeaderBytes(std::size_t bytes) : bytes_(bytes) {}
  template <class T>
  void put(std::size_t offset, double value) {
    const T typed = static_cast<T>(value);
    std::memcpy(bytes_.data() + offset, &typed, sizeof(T));
  }
  void text(std::size_t offset, const char* characters, std::size_t n) {
    std::memcpy(bytes_.data() + offset, characters, n);
  }
  std::span<const std::byte> span() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

/// Byte offsets of the fields used in either version (nifti1.h, nifti2.h).
struct Layout {
  std::size_t dim, dim_width, pixdim, datatype, bitpix, voxel_offset, slope, intercept, units,
      qcode, scode, quaternion, qoffset, srow, intent;
};
constexpr Layout kLayout1{40, 2, 76, 70, 72, 108, 112, 116, 123, 252, 254, 256, 268, 280, 68};
constexpr Layout kLayout2{16, 8, 104, 12, 14, 168, 176, 184, 500, 344, 348, 352, 376, 400, 504};

template <class Real, class Dim, class Int, class Units, class Offset>
void fill(HeaderBytes& out, const Layout& at, const SinkSpec& volume, std::size_t voxel_offset) {
  const Grid& grid = volume.grid;
  const bool vectors = volume.channels > 1;
  const std::array<std::int64_t, 8> dim{
      vectors ? 5 : 3, grid.size[0], grid.size[1], grid.size[2], 1, volume.channels, 1, 1};
  const Vec3 spacing = grid.spacing_mm();
  const Affine ras = ras_of(grid);
  const Mat3 direction = Grid{grid.size, ras}.direction();
  const bool sheared = is_sheared(direction);
  const Quaternion q = quaternion_of(direction);
  const std::array<double, 8> pixdim{q.handedness, spacing[0], spacing[1], spacing[2], 1, 1, 1, 1};
  for (std::size_t i = 0; i < 8; ++i) {
    out.put<Dim>(at.dim + i * sizeof(Dim), static_cast<double>(dim[i]));
    out.put<Real>(at.pixdim + i * sizeof(Real), pixdim[i]);
  }
  out.put<std::int16_t>(at.datatype, nifti_code(volume.type));
  out.put<std::int16_t>(at.bitpix, static_cast<double>(8 * size_of(volume.type)));
  out.put<Offset>(at.voxel_offset, static_cast<double>(voxel_offset));
  out.put<Real>(at.slope, 1);
  out.put<Units>(at.units, 2);  // NIFTI_UNITS_MM
  // A sheared lattice has no qform: only the sform can say it.
  out.put<Int>(at.qcode, sheared ? 0 : 1);
  out.put<Int>(at.scode, 1);  // NIFTI_XFORM_SCANNER_ANAT
  const std::array<double, 3> bcd{q.b, q.c, q.d};
  for (std::size_t i = 0; i < 3; ++i) {
    out.put<Real>(at.quaternion + i * sizeof(Real), bcd[i]);
    out.put<Real>(at.qoffset + i * sizeof(Real), ras.offset[i]);
    for (std::size_t j = 0; j < 3; ++j)
      out.put<Real>(at.srow + (4 * i + j) * sizeof(Real), ras.linear[i][j]);
    out.put<Real>(at.srow + (4 * i + 3) * sizeof(Real), ras.offset[i]);
  }
  out.put<Int>(at.intent, vectors ? kNiftiIntentVector : 0);
}

HeaderBytes header_for(const SinkSpec& volume) {
  const Size3& n = volume.grid.size;
  const bool large = std::max({n[0], n[1], n[2]}) > 32767 || volume.channels > 32767;
  HeaderBytes out(large ? kVersion2Bytes : kVersion1Bytes);
  if (large) {
    out.put<std::int32_t>(0, 540);
    out.text(4, "n+2\0\r\n\032\n", 8);
    fill<double, std::int64_t, std::int32_t, std::int32_t, std::int64_t>(out, kLayout2, volume,
                                                                         kVersion2Bytes);
  } else {
    out.put<std::int32_t>(0, 348);
    out.text(38, "r", 1);
    out.text(344, "n+1", 4);
    fill<float, std::int16_t, std::int16_t, std::uint8_t, float>(out, kLayout1, volume,
                                                                 kVersion1Bytes);
  }
  return out;
}
/// Mantissas of floats hardly compress: more effort would only cost time.
int effort(ScalarType type) { return type == ScalarType::f32 || type == ScalarType::f64 ? 1 : 5; }

class NiftiSink : public VolumeSink {
 public:
  NiftiSink(const fs::path& path, const SinkSpec& spec);
  std::int64_t planes_at_once() const override {
    constexpr std::int64_t kSlab = std::int64_t{64} << 20;
    const std::int64_t plane = plane_bytes();
    return std::max<std::int64_t>(1, kSlab / plane);
  }
  bool takes_channels_in_turn() const override { return true; }
  void write(int channel, std::int64_t z, std::int64_t planes, const std::byte* voxels) override;
  void commit() override;

 private:
  struct Channel {
    std::int64_t planes = 0;           ///< written
    std::unique_ptr<AtomicFile> part;  ///< compressed, to be appended; null: goes to the file
  };
  std::int64_t plane_bytes() const {
    const Size3& n = spec().grid.size;
    return n[0] * n[1] * static_cast<std::int64_t>(size_of(spec().type));
  }
  /// All channels before have gone to the file whole.
  bool is_next(std::size_t channel) const;

  fs::path path_;
  bool gzip_;
  AtomicFile file_;
  std::uint64_t header_bytes_ = 0;
  std::vector<Channel> channels_;
};

NiftiSink::NiftiSink(const fs::path& path, const SinkSpec& spec)
    : VolumeSink(spec),
      path_(path),
      gzip_(has_extension(path, ".gz")),
      file_(path),
      channels_(static_cast<std::size_t>(spec.channels)) {
  const HeaderBytes header = header_for(spec);
  header_bytes_ = header.span().size();
  const auto bytes = volume_bytes(spec.grid.size, spec.channels, size_of(spec.type));
  if (!gzip_ && bytes) file_.reserve(*bytes);
  if (gzip_)
    write_gzip(file_, header.span(), effort(spec.type));
  else
    file_.write(header.span().data(), header.span().size());
}

bool NiftiSink::is_next(std::size_t channel) const {
  return std::all_of(channels_.begin(), channels_.begin() + static_cast<std::ptrdiff_t>(channel),
                     [&](const Channel& before) {
                       return before.part == nullptr && before.planes == spec().grid.size[2];
                     });
}

void NiftiSink::write(int channel, std::int64_t z, std::int64_t planes, const std::byte* voxels) {
  const auto bytes = static_cast<std::size_t>(planes * plane_bytes());
  if (!gzip_) {
    const std::int64_t first = channel * spec().grid.size[2] + z;
    return file_.write_at(header_bytes_ + static_cast<std::uint64_t>(first * plane_bytes()), voxels,
                          bytes);
  }
  const auto index = static_cast<std::size_t>(channel);
  Channel& c = channels_[index];
  if (c.part == nullptr && !is_next(index)) c.part = std::make_unique<AtomicFile>(path_);
  write_gzip(c.part != nullptr ? *c.part : file_, {voxels, bytes}, effort(spec().type));
  c.planes += planes;
}

void NiftiSink::commit() {
  for (Channel& channel : channels_) {
    if (channel.part != nullptr) file_.append(*channel.part);
    channel.part = nullptr;  // gone from the disk
  }
  file_.commit();
}
}  // namespace

std::unique_ptr<VolumeSink> create_nifti(const fs::path& path, const SinkSpec& spec) {
  return std::make_unique<NiftiSink>(path, spec);
}

}  // namespace gigawarp::io
