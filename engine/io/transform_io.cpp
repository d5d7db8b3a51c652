#include "io/transform_io.h"

#include <array>
#include <cmath>
#include <cstring>
#include <iomanip>
#include <limits>
#include <sstream>
#include <string_view>
#include <utility>

#include "base/parallel.h"
#include "io/convert.h"
#include "io/file_support.h"
#include "io/image_io.h"
#include "io/itk_transforms.h"
#include "io/nifti.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

/// Refuses the fields of programs whose vectors mean something else.
void check_intent(const fs::path& path) {
  const NiftiHeader header = read_nifti_header(path);
  if (header.intent >= 2006 && header.intent <= 2016)
    refuse(path,
           "is a warp of FSL (fnirt); convert it first, for example with wb_command "
           "-convert-warpfield -from-fnirt ... -to-itk.");
  if (header.intent_name == "Mapping")
    refuse(path,
           "is a deformation of SPM, which holds positions instead of displacements; subtract the "
           "identity first.");
  if (header.intent_name.starts_with("NREG_TRANS"))
    refuse(
        path,
        "is a transform of NiftyReg; convert it with reg_transform -disp and then to LPS vectors.");
}

bool is_displacement_image(const fs::path& path) {
  if (is_nifti_name(path)) return true;
  for (const char* extension : {".mha", ".mhd", ".nrrd", ".nhdr", ".vdb"})
    if (has_extension(path, extension)) return true;
  return false;
}

namespace {
/// RAS vectors become LPS, absurd ones become "outside".
void clean_field(DisplacementField& field, bool ras) {
  const std::int64_t plane = field.grid().size[0] * field.grid().size[1];
  parallel_for(field.grid().size[2], [&](std::int64_t z) {
    std::array<float*, 3> d{};
    for (int a = 0; a < 3; ++a) d[a] = field.component_mm(a) + z * plane;
    for (std::int64_t i = 0; i < plane; ++i) {
      bool good = true;
      for (int a = 0; a < 3; ++a)
        good = good && std::abs(static_cast<double>(d[a][i])) <= kLargestDisplacementMm;
      for (int a = 0; a < 3; ++a) {
        if (!good)
          d[a][i] = std::numeric_limits<float>::quiet_NaN();
        else if (ras && a < 2)
          d[a][i] = -d[a][i];
      }
    }
  });
}

Transform read_field(const fs::path& path) {
  bool ras = false;
  if (is_nifti_name(path)) {
    check_intent(path);
    ras =
        read_nifti_header(path).intent == kNiftiIntentDisplacement;  // by nifti1.h, in its own axes
  }
  Volume volume = read_image(path);
  if (volume.channels() == 2)
    refuse(path, "is a 2-D displacement field; only 3-D transforms can be used.");
  if (volume.channels() != 3)
    refuse(path, "is an image without displacement vectors, so it is no transform.");
  if (volume.type() == ScalarType::f64) volume = to_type(volume, ScalarType::f32);
  if (volume.type() != ScalarType::f32)
    refuse(path, "holds vectors of whole numbers, which are no displacements in millimetres.");
  DisplacementField field(std::move(volume));
  clean_field(field, ras);
  Transform out;
  out.stages.emplace_back(std::move(field));
  out.sources.push_back(path.string());
  return out;
}

/// How many numbers the text holds if it holds nothing else but comments; -1 otherwise.
int count_numbers(const std::string& text) {
  std::istringstream lines(text);
  int count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    for (std::string word; words >> word; ++count) {
      char* end = nullptr;
      std::strtod(word.c_str(), &end);
      if (end != word.c_str() + word.size()) return -1;
    }
  }
  return count;
}

/// Names the program that a text transform comes from, and what to do.
[[noreturn]] void refuse_foreign(const fs::path& path, const std::string& text) {
  const auto has = [&](std::string_view part) { return text.find(part) != std::string::npos; };
  if (has("(Transform \"") || has("(TransformParameters"))
    refuse(path,
           "is an elastix parameter file; convert it with transformix -def all, or write an ITK "
           "transform with elastix's (ITKTransformOutputFileNameExtension \"h5\").");
  if (has("LINEAR_RAS_TO_RAS") || has("LINEAR_VOX_TO_VOX") || has("nxforms") ||
      has_extension(path, ".lta"))
    refuse(path, "is a FreeSurfer LTA file; convert it with lta_convert --inlta ... --outitk.");
  if (has("MNI Transform File"))
    refuse(path, "is a MINC .xfm file; convert it to an ITK transform first.");
  if (has("niftyreg"))
    refuse(path,
           "is a NiftyReg matrix; convert it to an ITK transform (c3d_affine_tool after "
           "reg_transform).");
  if (has("3dvolreg") || has("3dAllineate") || has_extension(path, ".1d") ||
      has_extension(path, ".afni") || has_extension(path, ".afni-array"))
    refuse(path, "is an AFNI matrix; convert it with cat_matvec and ITK or with nitransforms.");
  const int numbers = count_numbers(text);
  if (numbers == 16 || has_extension(path, ".fsl"))
    refuse(path,
           "is a plain 4x4 matrix, as FSL flirt writes it, which means nothing without its two "
           "images; "
           "convert it with c3d_affine_tool -ref ... -src ... -fsl2ras -oitk.");
  if (numbers > 0 && numbers % 12 == 0)
    refuse(path, "is a plain 3x4 matrix, as AFNI writes it; convert it to an ITK transform first.");
  refuse(path,
         "is no transform that can be read; readable are ITK .mat, .txt, .tfm and .h5 and "
         "displacement "
         "fields in NIfTI, NRRD or MetaImage.");
}

/// Checks a MATLAB level-4 file (two real matrices) before a library allocates what it promises.
bool is_matlab4(const std::vector<std::byte>& file) {
  std::size_t at = 0;
  int matrices = 0;
  while (at < file.size()) {
    if (file.size() - at < 20) return false;
    std::array<std::uint32_t, 5> head{};  // type, rows, columns, imaginary, length of the name
    std::memcpy(head.data(), file.data() + at, 20);
    if ((head[0] != 0 && head[0] != 10) || head[3] != 0) return false;
    const std::uint64_t width = head[0] == 0 ? 8 : 4;
    const std::uint64_t values = std::uint64_t{head[1]} * head[2];
    if (head[4] == 0 || head[4] > 256 || values == 0 || values > file.size()) return false;
    const std::uint64_t bytes = 20 + head[4] + values * width;
    if (bytes > file.size() - at) return false;
    if (file[at + 20 + head[4] - 1] != std::byte{0}) return false;  // the name ends here
    at += bytes;
    ++matrices;
  }
  return matrices >= 2 && matrices % 2 == 0;
}

Transform read_by_content(const fs::path& path) {
  using std::string_view_literals::operator""sv;
  constexpr std::size_t kLargest = 1U << 30;
  const std::uint64_t size = checked_file_size(path);
  const std::vector<std::byte> head = read_head(path, 64);
  const std::string_view start(reinterpret_cast<const char*>(head.data()), head.size());
  if (start.starts_with("\x89HDF")) return read_itk_transform(ItkTransformFormat::hdf5, path);
  if (size > kLargest) refuse(path, "is too large to be a transform of a kind that is read.");
  if (start.starts_with("#Insight Transform File"))
    return read_itk_transform(ItkTransformFormat::text, path);
  const bool binary = start.find('\0') != std::string_view::npos;
  if (binary) {
    if (!is_matlab4(read_head(path, static_cast<std::size_t>(size))))
      refuse(path, "is not an ITK transform, or is truncated or damaged.");
    return read_itk_transform(ItkTransformFormat::matlab, path);
  }
  refuse_foreign(path, read_text(path, kLargest));
}

void check_finite(const Transform& transform, const fs::path& path) {
  for (const TransformStage& stage : transform.stages) {
    const auto* affine = std::get_if<Affine>(&stage);
    if (affine == nullptr) continue;
    const double determinant = affine->determinant();
    bool finite = std::isfinite(determinant) && determinant != 0;
    for (const double v : affine->offset) finite = finite && std::isfinite(v);
    if (!finite)
      refuse(path, "holds a singular or damaged matrix, which maps space onto a plane or nowhere.");
  }
}
}  // namespace

Transform read_transform(const fs::path& path, bool inverse) {
  std::error_code code;
  if (fs::is_directory(path, code)) refuse(path, "is a folder, not a transform.");
  Transform out = is_displacement_image(path) ? read_field(path) : read_by_content(path);
  check_finite(out, path);
  if (!inverse) return out;
  if (!out.is_affine())
    throw Error(
        ErrorCode::usage,
        "The displacement field \"" + path.string() +
            "\" cannot be inverted on the fly; use its InverseWarp sibling or make one with "
            "gigawarp invert.",
        path.string());
  Transform inverted;
  inverted.stages.emplace_back(out.as_affine().inverse());
  inverted.sources.push_back("[" + path.string() + ",1]");
  return inverted;
}

void append(Transform& transform, Transform&& next) {
  transform.sources.resize(transform.stages.size());
  next.sources.resize(next.stages.size());
  for (auto& stage : next.stages) transform.stages.push_back(std::move(stage));
  for (auto& source : next.sources) transform.sources.push_back(std::move(source));
}

namespace {
/// One MATLAB level-4 matrix of doubles, little-endian, a column.
std::string matlab_column(const std::string& name, const std::vector<double>& values) {
  const std::array<std::uint32_t, 5> head{0, static_cast<std::uint32_t>(values.size()), 1, 0,
                                          static_cast<std::uint32_t>(name.size() + 1)};
  std::string out(reinterpret_cast<const char*>(head.data()), sizeof head);
  out.append(name.c_str(), name.size() + 1);
  out.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double));
  return out;
}

std::vector<double> parameters(const Affine& affine) {
  std::vector<double> out;
  for (const auto& row : affine.linear) out.insert(out.end(), row.begin(), row.end());
  out.insert(out.end(), affine.offset.begin(), affine.offset.end());
  return out;
}

std::string text_block(int index, const Affine& affine) {
  std::ostringstream out;
  out << "#Transform " << index
      << "\nTransform: AffineTransform_double_3_3\nParameters:" << std::setprecision(17);
  for (const double v : parameters(affine)) out << ' ' << v;
  out << "\nFixedParameters: 0 0 0\n";
  return out.str();
}

constexpr const char* kTextHeader = "#Insight Transform File V1.0\n";

void write_whole(const fs::path& path, const std::string& bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}
}  // namespace

void write_affine(const Affine& moving_from_fixed, const fs::path& path) {
  if (has_extension(path, ".mat"))
    return write_whole(path,
                       matlab_column("AffineTransform_double_3_3", parameters(moving_from_fixed)) +
                           matlab_column("fixed", {0, 0, 0}));
  if (has_extension(path, ".txt") || has_extension(path, ".tfm"))
    return write_whole(path, kTextHeader + text_block(0, moving_from_fixed));
  throw Error(ErrorCode::usage,
              "A matrix is written as .mat, .txt or .tfm, not as \"" + path.string() + "\".",
              path.string());
}

void write_displacement(const DisplacementField& field, const fs::path& path) {
  const bool pair = has_extension(path, ".hdr") || has_extension(path, ".img");
  if (!is_displacement_image(path) || pair)
    throw Error(ErrorCode::usage,
                "A displacement field is written as .nii.gz, .nii, .mha, .nrrd or .vdb, not as \"" +
                    path.string() + "\".",
                path.string());
  write_image(field.volume(), path);
}

void write_composite(const Transform& transform, const fs::path& path) {
  if (has_extension(path, ".h5") || has_extension(path, ".hdf5")) {
    AtomicFile file(path);
    std::uint64_t bytes = 1U << 20;  // HDF5 ends the process when it cannot flush
    for (const TransformStage& stage : transform.stages)
      if (const auto* field = std::get_if<DisplacementField>(&stage))
        bytes +=
            static_cast<std::uint64_t>(field->grid().voxel_count()) * 3 * sizeof(double) * 65 / 64;
    file.reserve(bytes);
    file.close();
    write_itk_composite(transform, file.temporary(), path);
    file.commit();
    return;
  }
  if (!has_extension(path, ".tfm") && !has_extension(path, ".txt"))
    throw Error(
        ErrorCode::usage,
        "A composite transform is written as .h5, .tfm or .txt, not as \"" + path.string() + "\".",
        path.string());
  if (!transform.is_affine())
    throw Error(ErrorCode::usage,
                "A composite with a displacement field is written as .h5, not as \"" +
                    path.string() + "\".",
                path.string());
  std::string text =
      std::string(kTextHeader) + "#Transform 0\nTransform: CompositeTransform_double_3_3\n";
  int index = 1;
  for (auto it = transform.stages.rbegin(); it != transform.stages.rend(); ++it)
    text += text_block(index++, std::get<Affine>(*it));
  write_whole(path, text);
}

}  // namespace gigawarp::io
