#include <gdcmReader.h>
#include <gdcmSerieHelper.h>
#include <itkGDCMImageIO.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstring>
#include <fstream>
#include <span>

#include "io/itk_images.h"
#include "io/itk_support.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
/// One file of a series.
struct Slice {
  std::string file;
  ItkHeader header;
  double position_mm = 0;  ///< along the normal of the first slice
};

struct Series {
  std::vector<Slice> slices;
  Grid grid;
  FileType type;
  std::vector<std::string> notes;
};

/// Whether these bytes of a file without a preamble begin its first element: of group 2 or 8, with
/// a VR, or the length of the group, or text.
bool is_first_element(std::span<const unsigned char> bytes) {
  if (bytes.size() < 12 || (bytes[0] != 2 && bytes[0] != 8) || bytes[1] != 0) return false;
  if (std::isupper(bytes[4]) != 0 && std::isupper(bytes[5]) != 0) return true;
  const std::size_t length = bytes[4] + 256U * bytes[5];
  if (bytes[6] != 0 || bytes[7] != 0 || length == 0 || length > bytes.size() - 8) return false;
  const bool group_length = bytes[2] == 0 && bytes[3] == 0;
  const auto text = bytes.subspan(8, length - 1);  // a null may fill the last place
  return group_length ? length == 4 : std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isprint(c) != 0;
  });
}

/// GDCM takes other files for DICOM as well, and aborts the program (an assertion) on what it then
/// meets in some of them.
bool looks_like_dicom(const fs::path& path) {
  constexpr std::size_t kPreamble = 128;
  std::error_code failure;
  if (!fs::is_regular_file(path, failure) || fs::file_size(path, failure) < kPreamble) return false;
  std::array<unsigned char, kPreamble + 4> head{};
  std::ifstream stream(path, std::ios::binary);
  stream.read(reinterpret_cast<char*>(head.data()), head.size());
  const auto bytes = static_cast<std::size_t>(stream.gcount());
  if (bytes == head.size() && std::memcmp(head.data() + kPreamble, "DICM", 4) == 0) return true;
  return is_first_element({head.data(), bytes});
}

/// The files of a folder by the series they belong to.
class SeriesOfFolder final : public gdcm::SerieHelper {
 public:
  explicit SeriesOfFolder(const fs::path& folder) {
    SetUseSeriesDetails(true);
    CreateDefaultUniqueSeriesIdentifier();
    std::error_code failure;
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(folder, failure))
      if (looks_like_dicom(entry.path())) files.push_back(entry.path().string());
    std::sort(files.begin(), files.end());
    for (const std::string& file : files) AddFileName(file);
  }
  std::vector<std::vector<std::string>> files() {
    std::vector<std::vector<std::string>> out;
    for (gdcm::FileList* list = GetFirstSingleSerieUIDFileSet(); list != nullptr;
         list = GetNextSingleSerieUIDFileSet()) {
      std::vector<std::string> names;
      for (const auto& file : *list) names.push_back(file->filename);
      if (!names.empty()) out.push_back(std::move(names));
    }
    return out;
  }
};

std::vector<std::string> files_of_series(const fs::path& path) {
  quiet_libraries();
  const bool folder = fs::is_directory(path);
  if (!folder && !looks_like_dicom(path)) refuse(path, "is not a DICOM image or is damaged.");
  const std::vector<std::vector<std::string>> series =
      SeriesOfFolder(folder                   ? path
                     : path.has_parent_path() ? path.parent_path()
                                              : fs::path("."))
          .files();
  if (series.empty())
    refuse(path, folder ? "is a folder without DICOM images; name an image file."
                        : "is not a DICOM image or is damaged.");
  if (folder && series.size() > 1)
    refuse(path, "holds " + std::to_string(series.size()) +
                     " DICOM series; name one file of the series to use instead of the folder.");
  for (const std::vector<std::string>& files : series) {
    if (folder) return files;
    for (const std::string& file : files)
      if (fs::equivalent(file, path)) return files;
  }
  return {path.string()};
}

/// GDCM fills voxels that a cut-off file lacks with zeros. Uncompressed ones are counted here; a
/// codec finds out by itself.
bool lacks_voxels(const std::string& file, std::uint64_t bytes) {
  const gdcm::Tag pixel_data(0x7fe0, 0x0010);
  gdcm::Reader reader;
  reader.SetFileName(file.c_str());
  if (!reader.ReadUpToTag(pixel_data, {pixel_data})) return true;  // stops at the first voxel
  const gdcm::TransferSyntax syntax = reader.GetFile().GetHeader().GetDataSetTransferSyntax();
  if (syntax.IsEncapsulated() || syntax == gdcm::TransferSyntax::DeflatedExplicitVRLittleEndian)
    return false;
  return reader.GetStreamCurrentPosition() + bytes > fs::file_size(file);
}

Slice inspect(const std::string& file, const fs::path& path) {
  Slice slice;
  slice.file = file;
  const itk::ImageIOBase::Pointer io = make_image_io(ItkFormat::dicom);
  if (!io->CanReadFile(file.c_str())) refuse(path, "is not a DICOM image or is damaged.");
  io->SetFileName(file);
  io->ReadImageInformation();
  slice.header = itk_header_of(*io, path);
  check_grid(path, slice.header.grid);
  const auto bytes = volume_bytes(slice.header.grid.size, slice.header.type.samples,
                                  width_of(slice.header.type.scalar));
  // JPEG 2000 of a flat slice shrinks further than deflate does.
  if (!bytes || *bytes > (fs::file_size(file) + 4096) * 4096 || lacks_voxels(file, *bytes))
    refuse(file, "is truncated or its header is damaged: it promises more voxels than it holds.");
  return slice;
}

/// Orders the slices along their normal and returns their distance; refuses gaps.
double order_slices(std::vector<Slice>& slices, const fs::path& path) {
  const Mat3 d = slices.front().header.grid.direction();
  const Vec3 normal{d[0][2], d[1][2], d[2][2]};
  for (Slice& s : slices) {
    const Vec3 o = s.header.grid.origin_mm();
    s.position_mm = o[0] * normal[0] + o[1] * normal[1] + o[2] * normal[2];
    const Mat3 e = s.header.grid.direction();
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c)
        if (std::abs(e[r][c] - d[r][c]) > 1e-3)
          refuse(path, "belongs to a DICOM series whose slices are not parallel (a localiser?).");
    if (s.header.grid.size != slices.front().header.grid.size)
      refuse(path, "belongs to a DICOM series whose slices differ in size.");
  }
  std::stable_sort(slices.begin(), slices.end(),
                   [](const Slice& a, const Slice& b) { return a.position_mm < b.position_mm; });
  const double mean = (slices.back().position_mm - slices.front().position_mm) /
                      static_cast<double>(slices.size() - 1);
  if (!(mean > 1e-6))
    refuse(path, "belongs to a DICOM series that holds several volumes at the same place.");
  for (std::size_t i = 1; i < slices.size(); ++i)
    if (std::abs(slices[i].position_mm - slices[i - 1].position_mm - mean) > 0.1 * mean)
      refuse(path,
             "belongs to a DICOM series with missing or unevenly spaced slices; find the missing "
             "files, or convert it with a tool that resamples the slices.");
  return mean;
}

Series open_series(const fs::path& path, const ReadOptions& options) {
  Series out;
  for (const std::string& file : files_of_series(path)) out.slices.push_back(inspect(file, path));
  const ItkHeader& first = out.slices.front().header;
  if (first.channels != 1) refuse(path, "has an unusual number of values per voxel.");
  if (out.slices.size() > 1) {
    if (first.grid.size[2] != 1)
      refuse(path,
             "belongs to a DICOM series of several multi-frame files; name a folder with one.");
    const double distance = order_slices(out.slices, path);
    out.grid = out.slices.front().header.grid;
    const Mat3 d = out.grid.direction();
    for (int r = 0; r < 3; ++r) out.grid.world_from_voxel.linear[r][2] = d[r][2] * distance;
    out.grid.size[2] = static_cast<std::int64_t>(out.slices.size());
  } else {
    out.grid = first.grid;
  }
  out.type = out.slices.front().header.type;
  for (const Slice& s : out.slices)
    if (s.header.type.scalar != out.type.scalar || s.header.type.samples != out.type.samples)
      refuse(path, "belongs to a DICOM series whose slices have different voxel types.");
  if (options.spacing_mm) {
    override_spacing(out.grid, *options.spacing_mm);
    out.notes.emplace_back("The voxel size was given by the user.");
  }
  check_grid(path, out.grid);
  return out;
}
}  // namespace

ImageHeader read_dicom_header(const fs::path& path, const ReadOptions& options) {
  return translated(path, [&] {
    Series series = open_series(path, options);
    ImageHeader out;
    out.grid = series.grid;
    out.format = "DICOM (" + std::to_string(series.slices.size()) + " files)";
    out.notes = std::move(series.notes);
    out.type = stored_type(series.type, false, out.notes);
    return out;
  });
}

Volume read_dicom(const fs::path& path, const ReadOptions& options) {
  return translated(path, [&] {
    const Series series = open_series(path, options);
    const std::size_t voxel =
        width_of(series.type.scalar) * static_cast<std::size_t>(series.type.samples);
    const std::uint64_t bytes = static_cast<std::uint64_t>(series.grid.voxel_count()) * voxel;
    check_memory(path, 2 * bytes);
    Buffer raw(bytes);
    const std::size_t each = bytes / series.slices.size();
    for (std::size_t i = 0; i < series.slices.size(); ++i) {
      const itk::ImageIOBase::Pointer io = make_image_io(ItkFormat::dicom);
      io->SetFileName(series.slices[i].file);
      io->ReadImageInformation();
      itk::ImageIORegion region(io->GetNumberOfDimensions());
      for (unsigned d = 0; d < io->GetNumberOfDimensions(); ++d)
        region.SetSize(d, io->GetDimensions(d));
      io->SetIORegion(region);
      if (static_cast<std::uint64_t>(io->GetImageSizeInBytes()) != each)
        refuse(path, "belongs to a DICOM series with a damaged slice.");
      io->Read(raw.data() + i * each);
    }
    Volume volume = converted(raw, series.type, SampleOrder::planar, series.grid, 1, {}, path);
    volume.notes().insert(volume.notes().begin(), series.notes.begin(), series.notes.end());
    return volume;
  });
}

}  // namespace gigawarp::io
