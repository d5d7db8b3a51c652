#include <algorithm>
#include <cmath>
#include <cstring>

#include "io/gzip.h"
#include "io/nifti.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr std::size_t kHeader1 = 348;
constexpr std::size_t kHeader2 = 540;

/// Reads fields at byte offsets, in either byte order.
class Fields {
 public:
  Fields(const std::byte* bytes, bool swapped) : bytes_(bytes), swapped_(swapped) {}
  template <class T>
  T get(std::size_t offset) const {
    std::array<std::byte, sizeof(T)> raw{};
    std::memcpy(raw.data(), bytes_ + offset, sizeof(T));
    if (swapped_) std::reverse(raw.begin(), raw.end());
    T value;
    std::memcpy(&value, raw.data(), sizeof(T));
    return value;
  }
  std::string text(std::size_t offset, std::size_t length) const {
    const auto* p = reinterpret_cast<const char*>(bytes_ + offset);
    return {p, std::find(p, p + length, '\0')};
  }

 private:
  const std::byte* bytes_;
  bool swapped_;
};

/// The fields both versions share, in their natural types.
struct RawHeader {
  std::array<std::int64_t, 8> dim{};
  std::array<double, 8> pixdim{};
  double offset = 0;
  int qform_code = 0, sform_code = 0;
  std::array<double, 3> quaternion{}, qoffset{};
  std::array<std::array<double, 4>, 3> srow{};
  int units = 0;
};

RawHeader parse1(const Fields& f, NiftiHeader& out) {
  RawHeader raw;
  for (std::size_t i = 0; i < 8; ++i) {
    raw.dim[i] = f.get<std::int16_t>(40 + 2 * i);
    raw.pixdim[i] = f.get<float>(76 + 4 * i);
  }
  out.intent = f.get<std::int16_t>(68);
  out.datatype = f.get<std::int16_t>(70);
  raw.offset = f.get<float>(108);
  out.slope = f.get<float>(112);
  out.intercept = f.get<float>(116);
  raw.units = f.get<std::uint8_t>(123);
  raw.qform_code = f.get<std::int16_t>(252);
  raw.sform_code = f.get<std::int16_t>(254);
  for (std::size_t i = 0; i < 3; ++i) {
    raw.quaternion[i] = f.get<float>(256 + 4 * i);
    raw.qoffset[i] = f.get<float>(268 + 4 * i);
    for (std::size_t j = 0; j < 4; ++j) raw.srow[i][j] = f.get<float>(280 + 16 * i + 4 * j);
  }
  out.intent_name = f.text(328, 16);
  return raw;
}

RawHeader parse2(const Fields& f, NiftiHeader& out) {
  RawHeader raw;
  out.datatype = f.get<std::int16_t>(12);
  for (std::size_t i = 0; i < 8; ++i) {
    raw.dim[i] = f.get<std::int64_t>(16 + 8 * i);
    raw.pixdim[i] = f.get<double>(104 + 8 * i);
  }
  raw.offset = static_cast<double>(f.get<std::int64_t>(168));
  out.slope = f.get<double>(176);
  out.intercept = f.get<double>(184);
  raw.qform_code = f.get<std::int32_t>(344);
  raw.sform_code = f.get<std::int32_t>(348);
  for (std::size_t i = 0; i < 3; ++i) {
    raw.quaternion[i] = f.get<double>(352 + 8 * i);
    raw.qoffset[i] = f.get<double>(376 + 8 * i);
    for (std::size_t j = 0; j < 4; ++j) raw.srow[i][j] = f.get<double>(400 + 32 * i + 8 * j);
  }
  raw.units = f.get<std::int32_t>(500);
  out.intent = f.get<std::int32_t>(504);
  out.intent_name = f.text(508, 16);
  return raw;
}

/// The qform as RAS affine in file units (nifti1.h, "METHOD 2").
Affine qform(const RawHeader& raw, const Vec3& spacing) {
  double b = raw.quaternion[0], c = raw.quaternion[1], d = raw.quaternion[2];
  double a = 1 - (b * b + c * c + d * d);
  if (a < 1e-7) {  // a rotation by 180 degrees, up to rounding
    const double norm = std::sqrt(b * b + c * c + d * d);
    if (norm > 0) b /= norm, c /= norm, d /= norm;
    a = 0;
  } else {
    a = std::sqrt(a);
  }
  const Mat3 rotation{{{a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)},
                       {2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)},
                       {2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c}}};
  const double handedness = raw.pixdim[0] < 0 ? -1 : 1;
  Affine out;
  for (int r = 0; r < 3; ++r)
    for (int k = 0; k < 3; ++k)
      out.linear[r][k] = rotation[r][k] * spacing[k] * (k == 2 ? handedness : 1);
  out.offset = raw.qoffset;
  return out;
}

Affine sform(const RawHeader& raw) {
  Affine out;
  for (int r = 0; r < 3; ++r) {
    for (int k = 0; k < 3; ++k) out.linear[r][k] = raw.srow[r][k];
    out.offset[r] = raw.srow[r][3];
  }
  return out;
}

/// Largest |cosine| between two columns.
double shear(const Affine& affine) {
  double worst = 0;
  const auto& m = affine.linear;
  for (int i = 0; i < 3; ++i)
    for (int j = i + 1; j < 3; ++j) {
      double dot = 0, ni = 0, nj = 0;
      for (int r = 0; r < 3; ++r) {
        dot += m[r][i] * m[r][j];
        ni += m[r][i] * m[r][i];
        nj += m[r][j] * m[r][j];
      }
      worst = std::max(worst, std::abs(dot) / std::sqrt(ni * nj));
    }
  return worst;
}

/// RAS affine in file units, chosen as ITK 5 does: the sform where it is the scanner's own and has
/// perpendicular axes or stands alone, otherwise the qform; identity in LPS where there is neither.
Affine choose_orientation(const RawHeader& raw, const Vec3& spacing, NiftiHeader& out) {
  const bool has_q = raw.qform_code > 0, has_s = raw.sform_code > 0;
  if (!has_q && !has_s) {
    out.notes.emplace_back(
        "The header states no orientation; index axes were taken as left, posterior, superior.");
    Affine plain;
    for (int k = 0; k < 3; ++k) plain.linear[k][k] = k < 2 ? -spacing[k] : spacing[k];
    return plain;
  }
  if (!has_s) return qform(raw, spacing);
  const Affine s = sform(raw);
  const bool skewed = !(shear(s) < 1e-3);
  if (!has_q) {
    if (skewed)
      out.notes.emplace_back(
          "The sform is sheared (its axes are not perpendicular); it was used exactly as it is.");
    return s;
  }
  const Affine q = qform(raw, spacing);
  const bool use_s = raw.sform_code == 1 && !skewed;
  const Grid from_q{out.grid.size, q}, from_s{out.grid.size, s};
  const bool usable = std::abs(s.determinant()) > 0 && std::abs(q.determinant()) > 0;
  if (!usable || !from_q.same_lattice(from_s, 0.05))
    out.notes.push_back(std::string("The qform and the sform of the header disagree; the ") +
                        (use_s ? "sform" : "qform") + " was used, as ITK and ANTs do.");
  return use_s ? s : q;
}

double unit_in_mm(const RawHeader& raw, NiftiHeader& out) {
  switch (raw.units & 7) {
    case 1: return 1000;
    case 2: return 1;
    case 3: return 1e-3;
    default: break;
  }
  out.notes.emplace_back("The header does not state its unit of length; millimetres were assumed.");
  return 1;
}

void set_geometry(const fs::path& path, const RawHeader& raw, NiftiHeader& out) {
  Vec3 spacing{};
  for (std::size_t k = 0; k < 3; ++k) {
    spacing[k] = std::abs(raw.pixdim[k + 1]);
    const bool flat = out.grid.size[k] == 1;
    if (flat && (spacing[k] == 0 || !std::isfinite(spacing[k]))) {
      spacing[k] = 1;
      out.notes.emplace_back("A slice without thickness was given a thickness of 1 mm.");
    }
  }
  const double unit = unit_in_mm(raw, out);
  Affine ras = choose_orientation(raw, spacing, out);
  for (int k = 0; k < 3; ++k)  // an sform of a single slice may leave its normal out
    if (out.grid.size[k] == 1 && ras.linear[0][k] == 0 && ras.linear[1][k] == 0 &&
        ras.linear[2][k] == 0) {
      const int i = (k + 1) % 3, j = (k + 2) % 3;
      const Mat3& m = ras.linear;
      Vec3 n{m[1][i] * m[2][j] - m[2][i] * m[1][j], m[2][i] * m[0][j] - m[0][i] * m[2][j],
             m[0][i] * m[1][j] - m[1][i] * m[0][j]};
      const double norm = std::sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]);
      for (int r = 0; r < 3; ++r) ras.linear[r][k] = norm > 0 ? n[r] / norm * spacing[k] : 0;
    }
  for (int r = 0; r < 3; ++r) {
    const double sign = (r < 2 ? -1 : 1) * unit;
    for (double& value : ras.linear[r]) {
      value *= sign;
      if (value == 0) value = 0;  // no negative zeros
    }
    ras.offset[r] *= sign;
    if (ras.offset[r] == 0) ras.offset[r] = 0;
  }
  out.grid.world_from_voxel = ras;
  check_grid(path, out.grid);
}

void set_sizes(const fs::path& path, const RawHeader& raw, NiftiHeader& out) {
  const std::int64_t rank = raw.dim[0];
  if (rank < 1 || rank > 7) refuse(path, "has a damaged NIfTI header (number of dimensions).");
  const auto size = [&](std::size_t i) {
    return static_cast<std::int64_t>(i) <= rank ? raw.dim[i] : 1;
  };
  for (std::size_t i = 1; i <= 7; ++i)
    if (size(i) <= 0 || size(i) > (std::int64_t{1} << 40))
      refuse(path, "holds no voxels or has a damaged header (a size along one axis is " +
                       std::to_string(size(i)) + ").");
  out.grid.size = {size(1), size(2), size(3)};
  out.times = size(4);
  if (!volume_bytes({size(5), size(6), size(7)}, 1, 1) || size(5) * size(6) * size(7) > 65536)
    refuse(path, "has a damaged NIfTI header (dimensions 5 to 7 are too large).");
  out.components = size(5) * size(6) * size(7);
}

/// Finds the partner of a .hdr/.img pair, gzip or not.
fs::path partner(const fs::path& path, const char* wanted) {
  fs::path base = path;
  if (has_extension(base, ".gz")) base.replace_extension();
  base.replace_extension(wanted);
  if (fs::exists(base)) return base;
  fs::path zipped = base;
  zipped += ".gz";
  if (fs::exists(zipped)) return zipped;
  refuse(path, "needs \"" + base.filename().string() + "\" beside it, which is missing.");
}

bool is_image_half(const fs::path& path) {
  return has_extension(path, ".img") || has_extension(path, ".img.gz");
}

/// Version 1 or 2 by the first number of the header, which is also its size; 0 if it is neither.
int version_of(const std::byte* head, bool& swapped) {
  std::int32_t size = 0;
  std::memcpy(&size, head, sizeof size);
  for (const bool swap : {false, true}) {
    const std::int32_t value =
        swap ? static_cast<std::int32_t>(__builtin_bswap32(static_cast<std::uint32_t>(size)))
             : size;
    swapped = swap;
    if (value == 348) return 1;
    if (value == 540) return 2;
  }
  return 0;
}

/// Magic of the version: true for a single file, false for a pair; refuses anything else.
bool is_single_file(const fs::path& path, const std::byte* head, int version) {
  const char* magic = reinterpret_cast<const char*>(head) + (version == 1 ? 344 : 4);
  const char digit = static_cast<char>('0' + version);
  const bool known =
      magic[0] == 'n' && (magic[1] == '+' || magic[1] == 'i') && magic[2] == digit && magic[3] == 0;
  if (!known && version == 1 && (magic[0] == 0 || has_extension(path, ".hdr")))
    refuse(
        path,
        "is in the Analyze 7.5 format, which cannot tell left from right; convert it to NIfTI with "
        "a tool that knows its orientation.");
  if (!known) refuse(path, "has a damaged NIfTI header (its magic number is wrong).");
  return magic[1] == '+';
}
}  // namespace

bool is_nifti_name(const fs::path& path) {
  for (const char* extension : {".nii", ".nii.gz", ".hdr", ".hdr.gz", ".img", ".img.gz"})
    if (has_extension(path, extension)) return true;
  return false;
}

NiftiHeader read_nifti_header(const fs::path& path, const ReadOptions& options) {
  checked_file_size(path);
  const fs::path header_path = is_image_half(path) ? partner(path, ".hdr") : path;
  ByteReader reader(header_path);
  std::vector<std::byte> head(kHeader2);
  if (reader.upper_bound() < kHeader1) refuse(path, "is too short to be a NIfTI file.");
  reader.read(head.data(), kHeader1);
  NiftiHeader out;
  out.compressed = reader.compressed();
  out.version = version_of(head.data(), out.swapped);
  if (out.version == 0) refuse(path, "is not a NIfTI file, whatever its name says.");
  out.pair = !is_single_file(header_path, head.data(), out.version);
  if (out.version == 2) reader.read(head.data() + kHeader1, kHeader2 - kHeader1);
  const Fields fields(head.data(), out.swapped);
  const RawHeader raw = out.version == 1 ? parse1(fields, out) : parse2(fields, out);
  set_sizes(path, raw, out);
  set_geometry(path, raw, out);
  if (options.spacing_mm) {
    override_spacing(out.grid, *options.spacing_mm);
    out.notes.emplace_back("The voxel size was given by the user.");
  }
  if (!std::isfinite(out.slope) || out.slope == 0) out.slope = 1, out.intercept = 0;
  if (!std::isfinite(out.intercept)) out.intercept = 0;
  out.voxels = out.pair ? partner(header_path, ".img") : path;
  const double least = out.pair ? 0 : static_cast<double>(out.version == 1 ? kHeader1 : kHeader2);
  if (!(raw.offset < 1e15)) refuse(path, "has a damaged NIfTI header (offset of the voxels).");
  out.offset = static_cast<std::uint64_t>(std::max(least, raw.offset));
  if (!out.pair && out.version == 1 && out.offset < 352) out.offset = 352;
  return out;
}

}  // namespace gigawarp::io
