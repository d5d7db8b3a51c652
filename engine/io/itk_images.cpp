#include "io/itk_images.h"

#include <H5Epublic.h>
#include <gdcmTrace.h>
#include <itkGDCMImageIO.h>
#include <itkHDF5ImageIO.h>
#include <itkMINCImageIO.h>
#include <itkMRCImageIO.h>
#include <itkMetaImageIO.h>
#include <itkNrrdImageIO.h>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <string_view>

#include "io/itk_support.h"
#include "io/length_units.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

void quiet_libraries() {
  static std::once_flag once;
  std::call_once(once, [] {
    itk::Object::SetGlobalWarningDisplay(false);
    gdcm::Trace::WarningOff();
    gdcm::Trace::ErrorOff();
    gdcm::Trace::DebugOff();
  });
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // per thread
}

QuietStandardError::QuietStandardError(bool active) {
  if (!active) return;
  static std::mutex mutex;
  lock_ = std::unique_lock(mutex);
  std::fflush(stderr);
  saved_ = ::dup(STDERR_FILENO);
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (saved_ >= 0 && nowhere >= 0) ::dup2(nowhere, STDERR_FILENO);
  if (nowhere >= 0) ::close(nowhere);
}

QuietStandardError::~QuietStandardError() {
  if (saved_ < 0) return;
  std::fflush(stderr);
  ::dup2(saved_, STDERR_FILENO);
  ::close(saved_);
}

namespace {
bool prints_on_stderr(ItkFormat format) {
  return format == ItkFormat::meta || format == ItkFormat::minc;
}
}  // namespace

itk::ImageIOBase::Pointer make_image_io(ItkFormat format) {
  quiet_libraries();
  switch (format) {
    case ItkFormat::nrrd: return itk::NrrdImageIO::New().GetPointer();
    case ItkFormat::meta: return itk::MetaImageIO::New().GetPointer();
    case ItkFormat::minc: return itk::MINCImageIO::New().GetPointer();
    case ItkFormat::mrc: return itk::MRCImageIO::New().GetPointer();
    case ItkFormat::hdf5: return itk::HDF5ImageIO::New().GetPointer();
    case ItkFormat::dicom: break;
  }
  return itk::GDCMImageIO::New().GetPointer();
}

std::string reason_of(const itk::ExceptionObject& error) {
  std::string text = error.GetDescription();
  if (const auto at = text.find("ERROR:"); at != std::string::npos) text = text.substr(at + 6);
  if (const auto at = text.find("): "); at != std::string::npos) text = text.substr(at + 3);
  for (char& c : text)
    if (c == '\n') c = ' ';
  while (!text.empty() && (text.front() == ' ')) text.erase(0, 1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '.')) text.pop_back();
  if (text.size() > 160) text = text.substr(0, 160) + "…";
  return text;
}

namespace {
FileScalar scalar_of(const itk::ImageIOBase& io, const fs::path& path) {
  using Component = itk::IOComponentEnum;
  switch (io.GetComponentType()) {
    case Component::UCHAR: return FileScalar::u8;
    case Component::CHAR: return FileScalar::i8;
    case Component::USHORT: return FileScalar::u16;
    case Component::SHORT: return FileScalar::i16;
    case Component::UINT: return FileScalar::u32;
    case Component::INT: return FileScalar::i32;
    case Component::ULONG: return sizeof(long) == 8 ? FileScalar::u64 : FileScalar::u32;
    case Component::LONG: return sizeof(long) == 8 ? FileScalar::i64 : FileScalar::i32;
    case Component::ULONGLONG: return FileScalar::u64;
    case Component::LONGLONG: return FileScalar::i64;
    case Component::FLOAT: return FileScalar::f32;
    case Component::DOUBLE: return FileScalar::f64;
    default: break;
  }
  refuse(path, "has a voxel type that is not read; convert it to integers or float32.");
}

Grid grid_of(const itk::ImageIOBase& io, const fs::path& path) {
  const unsigned rank = io.GetNumberOfDimensions();
  for (unsigned d = 3; d < rank; ++d)
    if (io.GetDimensions(d) != 1)
      refuse(path, "has more than three dimensions (" + std::to_string(io.GetDimensions(d)) +
                       " volumes); extract the one to use into a 3-D file first.");
  Size3 size{1, 1, 1};
  Vec3 spacing{1, 1, 1}, origin{0, 0, 0};
  Mat3 direction{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};
  for (unsigned c = 0; c < std::min(rank, 3U); ++c) {
    size[c] = static_cast<std::int64_t>(io.GetDimensions(c));
    spacing[c] = io.GetSpacing(c);
    origin[c] = io.GetOrigin(c);
    const std::vector<double> axis = io.GetDirection(c);
    for (unsigned r = 0; r < std::min(rank, 3U); ++r) direction[r][c] = axis[r];
  }
  return Grid::from_itk(size, spacing, origin, direction);
}
}  // namespace

ItkHeader itk_header_of(itk::ImageIOBase& io, const fs::path& path) {
  using Pixel = itk::IOPixelEnum;
  ItkHeader out;
  out.grid = grid_of(io, path);
  out.type.scalar = scalar_of(io, path);
  const auto components = static_cast<int>(io.GetNumberOfComponents());
  switch (io.GetPixelType()) {
    case Pixel::COMPLEX:
      refuse(path, "holds complex numbers; write its magnitude or phase as a volume of its own.");
    case Pixel::RGB:
    case Pixel::RGBA: out.type.samples = components; break;
    default: out.channels = components; break;
  }
  if (components < 1 || (out.type.samples != 1 && out.type.samples != 3 && out.type.samples != 4))
    refuse(path, "has an unusual number of values per voxel.");
  return out;
}

namespace {
void scale_world(Grid& grid, double mm_per_unit) {
  for (auto& row : grid.world_from_voxel.linear)
    for (double& v : row) v *= mm_per_unit;
  for (double& v : grid.world_from_voxel.offset) v *= mm_per_unit;
}

/// Value of "name:" or "name:=" in a NRRD text header, empty when it is absent.
std::string nrrd_field(const std::string& header, const std::string& name) {
  std::size_t begin = header.find("\n" + name + ":");
  if (begin == std::string::npos) return {};
  begin += name.size() + 2;
  std::string value = header.substr(begin, header.find('\n', begin) - begin);
  std::erase(value, '\r');
  return value;
}

/// Millimetres per unit of a NRRD "space units" or "units" text; 0 when it is unknown.
double unit_in_mm(const std::string& text) {
  const auto first = text.find('"');
  const auto last = text.find('"', first + 1);
  if (first == std::string::npos || last == std::string::npos) return 0;
  const std::string unit = text.substr(first + 1, last - first - 1);
  return length_unit_in_mm(unit).value_or(0);
}

/// Units and frame, which ITK's NRRD reader leaves to its caller.
void correct_nrrd(const fs::path& path, ItkHeader& header, bool spacing_given,
                  std::vector<std::string>& notes) {
  const std::vector<std::byte> head = read_head(path, 64U << 10);
  std::string text(reinterpret_cast<const char*>(head.data()), head.size());
  if (const auto end = std::min(text.find("\n\n"), text.find("\r\n\r\n")); end != std::string::npos)
    text.resize(end + 1);
  const bool has_directions = !nrrd_field(text, "space directions").empty();
  if (!has_directions && nrrd_field(text, "spacings").empty() && !spacing_given)
    refuse(path, "does not say its voxel size; pass --spacing x,y,z in mm.");
  if (nrrd_field(text, "space").empty())
    notes.emplace_back("The header names no anatomical space; its axes were taken as LPS.");
  std::string units = nrrd_field(text, "space units");
  if (units.empty()) units = nrrd_field(text, "units");
  if (units.empty()) {
    notes.emplace_back("The header does not state its unit of length; millimetres were assumed.");
    return;
  }
  const double mm = unit_in_mm(units);
  if (mm == 0 && !spacing_given)
    refuse(path,
           "states its voxel size in an unknown unit (" + units + "); pass --spacing x,y,z in mm.");
  if (mm == 0 || mm == 1) return;
  scale_world(header.grid, mm);
  notes.emplace_back(
      "Voxel size and origin were converted to mm from the header's unit, which ITK and ANTs pass "
      "over: "
      "for those, make a copy with gigawarp convert.");
}

/// MINC's world is RAS, which ITK's reader passes on as if it were LPS.
void flip_minc(Grid& grid) {
  for (int r = 0; r < 2; ++r) {
    for (double& v : grid.world_from_voxel.linear[r]) v = v == 0 ? 0 : -v;
    grid.world_from_voxel.offset[r] = -grid.world_from_voxel.offset[r];
  }
}

struct Opened {
  itk::ImageIOBase::Pointer io;
  ItkHeader header;
  std::uint64_t bytes = 0;  ///< of the values as the file has them
  std::vector<std::string> notes;
};

/// Raw pages of an MRC file whose "cell" is empty have no voxel size.
void correct_mrc(ItkHeader& header, std::vector<std::string>& notes) {
  scale_world(header.grid, 1e-7);  // the format's unit is the ångström
  notes.emplace_back(
      "MRC voxel sizes are in ångström by definition and were converted to mm; pass --spacing if "
      "the "
      "file means something else.");
}

Opened open_itk(ItkFormat format, const fs::path& path, const ReadOptions& options) {
  const std::uint64_t file_size = checked_file_size(path);
  Opened out;
  out.io = make_image_io(format);
  if (!out.io->CanReadFile(path.c_str())) {
    if (format == ItkFormat::hdf5)
      refuse(path,
             "is not an image as ITK writes HDF5; BigDataViewer and other HDF5 files are not read "
             "yet: "
             "export the volume as NIfTI, NRRD or TIFF.");
    refuse(path, "is damaged or not of the type its name says.");
  }
  out.io->SetFileName(path.string());
  out.io->ReadImageInformation();
  out.header = itk_header_of(*out.io, path);
  if (format == ItkFormat::nrrd)
    correct_nrrd(path, out.header, options.spacing_mm.has_value(), out.notes);
  if (format == ItkFormat::minc) {
    flip_minc(out.header.grid);
    out.notes.emplace_back(
        "MINC's RAS world was turned into LPS; ITK and ANTs leave it, so convert the file to NIfTI "
        "before using its transforms with them.");
  }
  if (format == ItkFormat::mrc) correct_mrc(out.header, out.notes);
  if (options.spacing_mm) {
    override_spacing(out.header.grid, *options.spacing_mm);
    out.notes.emplace_back("The voxel size was given by the user.");
  }
  check_grid(path, out.header.grid);
  const auto bytes =
      volume_bytes(out.header.grid.size, out.header.channels * out.header.type.samples,
                   width_of(out.header.type.scalar));
  const bool detached = has_extension(path, ".nhdr") || has_extension(path, ".mhd");
  // 1032 is the largest expansion of deflate, which all of these formats may use inside.
  if (!bytes || (!detached && *bytes > file_size * 1032))
    refuse(path, "is truncated or its header is damaged: it promises more voxels than it holds.");
  out.bytes = *bytes;
  return out;
}

void set_full_region(itk::ImageIOBase& io) {
  itk::ImageIORegion region(io.GetNumberOfDimensions());
  for (unsigned d = 0; d < io.GetNumberOfDimensions(); ++d) region.SetSize(d, io.GetDimensions(d));
  io.SetIORegion(region);
}

std::string format_name(ItkFormat format) {
  constexpr std::array kNames{"NRRD", "MetaImage", "MINC", "MRC", "HDF5", "DICOM"};
  return kNames[static_cast<std::size_t>(format)];
}
}  // namespace

std::optional<ItkFormat> itk_text_format(const fs::path& path) {
  if (has_extension(path, ".nrrd") || has_extension(path, ".nhdr")) return ItkFormat::nrrd;
  if (has_extension(path, ".mha") || has_extension(path, ".mhd")) return ItkFormat::meta;
  return std::nullopt;
}

ItkDescription describe_itk(ItkFormat format, const fs::path& path, const ReadOptions& options) {
  return translated(path, [&] {
    const QuietStandardError quiet(prints_on_stderr(format));
    Opened opened = open_itk(format, path, options);
    ImageHeader out;
    out.grid = opened.header.grid;
    out.channels = opened.header.channels;
    out.format = format_name(format);
    out.notes = std::move(opened.notes);
    out.type = stored_type(opened.header.type, false, out.notes);
    return ItkDescription{std::move(out), opened.header.type};
  });
}

ImageHeader read_itk_header(ItkFormat format, const fs::path& path, const ReadOptions& options) {
  return describe_itk(format, path, options).header;
}

Volume read_itk(ItkFormat format, const fs::path& path, const ReadOptions& options) {
  return translated(path, [&] {
    const QuietStandardError quiet(prints_on_stderr(format));
    const Opened opened = open_itk(format, path, options);
    const ItkHeader& header = opened.header;
    check_memory(path, 2 * opened.bytes);
    set_full_region(*opened.io);
    Volume volume;
    if (const auto own = own_scalar(header.type); own && header.channels == 1) {
      volume = Volume(header.grid, *own);
      opened.io->Read(volume.data());
    } else {
      Buffer raw(static_cast<std::size_t>(header.grid.voxel_count() * header.channels *
                                          header.type.samples) *
                 width_of(header.type.scalar));
      opened.io->Read(raw.data());
      volume = converted(raw, header.type, SampleOrder::interleaved, header.grid, header.channels,
                         {}, path);
    }
    volume.notes().insert(volume.notes().begin(), opened.notes.begin(), opened.notes.end());
    return volume;
  });
}

namespace {
itk::IOComponentEnum component_of(ScalarType type) {
  using Component = itk::IOComponentEnum;
  constexpr std::array kComponents{Component::UCHAR, Component::CHAR,  Component::USHORT,
                                   Component::SHORT, Component::UINT,  Component::INT,
                                   Component::FLOAT, Component::DOUBLE};
  return kComponents[static_cast<std::size_t>(type)];
}

/// Channels side by side per voxel, as ITK wants them.
Buffer interleaved(const Volume& volume) {
  Buffer out(volume.bytes());
  const std::int64_t n = volume.grid().voxel_count();
  const int channels = volume.channels();
  dispatch(volume.type(), [&]<class T>() {
    auto* to = reinterpret_cast<T*>(out.data());
    for (int c = 0; c < channels; ++c) {
      const T* from = volume.channel<T>(c);
      for (std::int64_t i = 0; i < n; ++i) to[i * channels + c] = from[i];
    }
  });
  return out;
}
/// Whether a MetaImage holds all the bytes that its header tells of: MetaIO does not look whether
/// what it writes arrives.
bool meta_is_complete(const fs::path& file, std::uint64_t voxel_bytes) {
  std::ifstream stream(file, std::ios::binary);
  std::uint64_t promised = voxel_bytes;
  for (std::string line; std::getline(stream, line);) {
    constexpr std::string_view kCompressed = "CompressedDataSize = ";
    if (line.starts_with(kCompressed))
      promised = std::strtoull(&line[kCompressed.size()], nullptr, 10);
    if (line.starts_with("ElementDataFile"))  // the voxels follow
      return static_cast<std::uint64_t>(stream.tellg()) + promised <= fs::file_size(file);
  }
  return false;
}
}  // namespace

void write_itk(ItkFormat format, const Volume& volume, const fs::path& path) {
  if (format == ItkFormat::mrc || format == ItkFormat::dicom)
    throw Error(ErrorCode::usage,
                format_name(format) + " files are not written; choose .nii.gz or .nrrd instead.",
                path.string());
  AtomicFile file(path);
  // HDF5, also under MINC, ends the process when it cannot flush.
  if (format == ItkFormat::hdf5 || format == ItkFormat::minc)
    file.reserve(volume.bytes() + volume.bytes() / 64 + (1U << 20));
  file.close();
  const itk::ImageIOBase::Pointer io = make_image_io(format);
  io->SetNumberOfDimensions(3);
  Grid grid = volume.grid();
  if (format == ItkFormat::minc) flip_minc(grid);
  const Mat3 direction = grid.direction();
  for (unsigned c = 0; c < 3; ++c) {
    io->SetDimensions(c, static_cast<unsigned>(grid.size[c]));
    io->SetSpacing(c, grid.spacing_mm()[c]);
    io->SetOrigin(c, grid.origin_mm()[c]);
    io->SetDirection(c, std::vector<double>{direction[0][c], direction[1][c], direction[2][c]});
  }
  io->SetNumberOfComponents(static_cast<unsigned>(volume.channels()));
  io->SetPixelType(volume.channels() > 1 ? itk::IOPixelEnum::VECTOR : itk::IOPixelEnum::SCALAR);
  io->SetComponentType(component_of(volume.type()));
  set_full_region(*io);
  io->SetUseCompression(true);
  io->SetFileName(file.temporary().string());
  try {
    const QuietStandardError quiet(prints_on_stderr(format));
    if (volume.channels() > 1) {
      const Buffer pixels = interleaved(volume);
      io->Write(pixels.data());
    } else {
      io->Write(volume.data());
    }
  } catch (...) {  // what the libraries say names their functions and the temporary file
    refuse_output(path,
                  "the disk is full, or the file library failed; make space or choose "
                  "another folder or format.");
  }
  if (format == ItkFormat::meta && !meta_is_complete(file.temporary(), volume.bytes()))
    refuse_output(path, "the disk is full.");
  file.commit();
}

}  // namespace gigawarp::io
