#include "io/image_io.h"

#include <array>
#include <cstring>

#include "io/brick_source.h"
#include "io/convert.h"
#include "io/file_support.h"
#include "io/format_list.h"
#include "io/http.h"
#include "io/itk_images.h"
#include "io/nifti.h"
#include "io/plugin_source.h"
#include "io/stopping.h"
#include "io/tiff.h"
#include "io/tiff_source.h"
#include "io/vdb.h"
#include "io/volume_sink.h"
#include "io/zarr_array.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
/// chunked: OME-Zarr, of which a part is read.
enum class Format {
  nifti,
  nrrd,
  meta,
  minc,
  mrc,
  hdf5,
  tiff,
  dicom,
  vdb,
  chunked,
  plugin,
  unknown
};

struct Extension {
  std::string_view text;
  Format format;
};
constexpr Extension kExtensions[] = {
    {".nii", Format::nifti},    {".nii.gz", Format::nifti}, {".hdr", Format::nifti},
    {".hdr.gz", Format::nifti}, {".img", Format::nifti},    {".img.gz", Format::nifti},
    {".nrrd", Format::nrrd},    {".nhdr", Format::nrrd},    {".mha", Format::meta},
    {".mhd", Format::meta},     {".mnc", Format::minc},     {".mrc", Format::mrc},
    {".rec", Format::mrc},      {".tif", Format::tiff},     {".tiff", Format::tiff},
    {".h5", Format::hdf5},      {".hdf5", Format::hdf5},    {".vdb", Format::vdb},
    {".dcm", Format::dicom},    {".ima", Format::dicom}};

Format by_extension(const fs::path& path) {
  for (const Extension& e : kExtensions)
    if (has_extension(path, e.text)) return e.format;
  return Format::unknown;
}

Format by_content(const fs::path& path) {
  const std::vector<std::byte> head = read_head(path, 352);
  const auto starts = [&](std::size_t offset, std::string_view text) {
    return head.size() >= offset + text.size() &&
           std::memcmp(head.data() + offset, text.data(), text.size()) == 0;
  };
  using std::string_view_literals::operator""sv;
  if (starts(128, "DICM")) return Format::dicom;
  if (starts(0, "NRRD")) return Format::nrrd;
  if (starts(0, "ObjectType")) return Format::meta;
  if (starts(0, "\x89HDF")) return Format::hdf5;
  if (starts(0, "II*\0"sv) || starts(0, "MM\0*"sv) || starts(0, "II+\0"sv) || starts(0, "MM\0+"sv))
    return Format::tiff;
  if (starts(344, "n+1\0"sv) || starts(4, "n+2\0"sv)) return Format::nifti;
  return Format::unknown;
}

[[noreturn]] void refuse_chunked(const fs::path& path, const char* what) {
  refuse(path, std::string("is ") + what +
                   ", which is not read yet; export the level to use as NIfTI, NRRD or TIFF.");
}

Format folder_format(const fs::path& path) {
  if (plugin_format_of(path) != nullptr) return Format::plugin;
  if (is_zarr_folder(path)) return Format::chunked;
  if (has_extension(path, ".zarr"))
    refuse(path, "is called .zarr but holds no Zarr metadata; it was not written completely.");
  if (is_tiff_folder(path)) return Format::chunked;
  if (fs::exists(path / "manifest.ocdbt")) refuse_chunked(path, "an OCDBT (Zarr) folder");
  return Format::dicom;
}

Format format_of(const fs::path& path) {
  if (is_address(path)) return Format::chunked;
  std::error_code code;
  if (fs::is_directory(path, code)) return folder_format(path);
  checked_file_size(path);
  if (plugin_format_of(path) != nullptr) return Format::plugin;
  if (is_tiff_pyramid(path)) return Format::chunked;
  const Format named = by_extension(path);
  if (named != Format::unknown) return named;
  if (has_extension(path, ".xml")) refuse_chunked(path, "an XML file of an unknown kind");
  const Format found = by_content(path);
  if (found == Format::unknown)
    refuse(path, "is of no known image format; readable are " + readable_formats() + ".");
  return found;
}

ItkFormat itk_format(Format format) {
  switch (format) {
    case Format::nrrd: return ItkFormat::nrrd;
    case Format::meta: return ItkFormat::meta;
    case Format::minc: return ItkFormat::minc;
    case Format::mrc: return ItkFormat::mrc;
    default: return ItkFormat::hdf5;
  }
}

bool has_levels(Format format) { return format == Format::chunked || format == Format::plugin; }

/// Also what is no source of bricks, because its plugin reads whole levels only.
std::unique_ptr<BrickSource> open_levels(Format format, const fs::path& path,
                                         const ReadOptions& options) {
  if (format == Format::chunked) return open_source(path, options);
  return open_plugin(*plugin_format_of(path), path, options);
}

/// Levels are of those formats alone, time points of NIfTI too.
void check_selection(Format format, const fs::path& path, const ImageSelection& selection) {
  const std::optional<int> timepoint =
      format == Format::nifti ? std::nullopt : selection.timepoint;  // NIfTI's reader looks at it
  for (const auto& [index, what] :
       {std::pair{selection.level, "resolution levels"}, std::pair{timepoint, "time points"}})
    if (index.value_or(0) != 0)
      throw Error(ErrorCode::usage, "\"" + path.string() + "\" has no " + what + " to choose from.",
                  path.string());
}

void check_channel(const fs::path& path, int channel, int channels) {
  if (channel >= 0 && channel < channels) return;
  throw Error(ErrorCode::usage,
              "\"" + path.string() + "\" has no channel " + std::to_string(channel) + "; it has " +
                  std::to_string(channels) + ", counted from 0.",
              path.string());
}

Volume one_channel(Volume&& volume, int channel, const fs::path& path) {
  check_channel(path, channel, volume.channels());
  if (volume.channels() == 1) return std::move(volume);
  Volume out(volume.grid(), volume.type());
  std::memcpy(out.data(), volume.data() + static_cast<std::size_t>(channel) * out.bytes(),
              out.bytes());
  out.notes() = volume.notes();
  return out;
}

ImageHeader read_other_header(Format format, const fs::path& path, const ReadOptions& options) {
  switch (format) {
    case Format::nifti: {
      const NiftiHeader header = read_nifti_header(path, options);
      if (options.selection.timepoint) nifti_time_point(header, options, path);
      return describe(header, path);
    }
    case Format::tiff: return read_tiff_header(path, options);
    case Format::vdb: return read_vdb_header(path, options);
    case Format::dicom: return read_dicom_header(path, options);
    default: return read_itk_header(itk_format(format), path, options);
  }
}

Volume read_other(Format format, const fs::path& path, const ReadOptions& options) {
  switch (format) {
    case Format::nifti: return read_nifti(path, options);
    case Format::tiff: return read_tiff(path, options);
    case Format::vdb: return read_vdb(path, options);
    case Format::dicom: return read_dicom(path, options);
    default: return read_itk(itk_format(format), path, options);
  }
}
}  // namespace

bool has_builtin_ending(const fs::path& path) { return by_extension(path) != Format::unknown; }

namespace {
/// The readers know the options by what they are of one image: --spacing, --timepoint.
[[noreturn]] void rethrow_with(const std::string& prefix, const Error& error) {
  if (prefix.empty()) throw error;
  std::string sentence = error.what();
  for (const char* name : {"spacing", "level", "channel", "timepoint"}) {
    const std::string option = std::string(" --") + name;
    for (std::size_t at = 0; (at = sentence.find(option, at)) != std::string::npos;
         at += option.size() + prefix.size())
      sentence.insert(at + 3, prefix);
  }
  throw Error(error.code(), sentence, error.subject());
}

ImageHeader header_as_said(const fs::path& path, const ReadOptions& options) {
  const Format format = format_of(path);
  if (has_levels(format)) {
    const auto source = open_levels(format, path, options);
    return header_of(*source, options.selection.level.value_or(0), path);
  }
  check_selection(format, path, options.selection);
  ImageHeader header = read_other_header(format, path, options);
  header.parts.channels = header.channels;
  if (options.selection.channel) {
    check_channel(path, *options.selection.channel, header.channels);
    header.channels = 1;
  }
  return header;
}

Volume image_as_said(const fs::path& path, const ReadOptions& options) {
  const Format format = format_of(path);
  Volume volume;
  if (has_levels(format)) {
    const auto source = open_levels(format, path, options);
    volume = read_level(*source, options.selection.level.value_or(0), path, options.stop);
  } else {
    check_selection(format, path, options.selection);
    volume = read_other(format, path, options);
    if (options.selection.channel)
      volume = one_channel(std::move(volume), *options.selection.channel, path);
  }
  return options.label_map ? as_label_map(std::move(volume), path) : std::move(volume);
}
}  // namespace

ImageHeader read_header(const fs::path& path, const ReadOptions& options) {
  try {
    return header_as_said(path, options);
  } catch (const Error& error) {
    rethrow_with(options.option_prefix, error);
  }
}

Volume read_image(const fs::path& path, const ReadOptions& options) {
  try {
    return image_as_said(path, options);
  } catch (const Error& error) {
    rethrow_with(options.option_prefix, error);
  }
}

ReadOptions companion_options(const ReadOptions& image, const fs::path& path) {
  ReadOptions options{image.spacing_mm, true};
  options.stop = image.stop;
  options.option_prefix = image.option_prefix;
  if (is_pyramid(path)) options.selection.level = image.selection.level;
  return options;
}

std::string lost_geometry(const Grid& grid, const fs::path& path) {
  return by_extension(path) == Format::tiff ? lost_in_tiff(grid) : std::string();
}

void write_image(const Volume& volume, const fs::path& path, const WriteOptions& options) {
  if (volume.empty())
    throw Error(ErrorCode::internal, "An empty volume was to be written.", path.string());
  for (const char* extension : {".hdr", ".hdr.gz", ".img", ".img.gz", ".nhdr", ".mhd"})
    if (has_extension(path, extension))
      throw Error(
          ErrorCode::usage,
          "\"" + path.string() +
              "\" would be two files, which cannot appear at once; choose .nii.gz, .nrrd or .mha.",
          path.string());
  if (can_stream_to(path)) {
    const auto sink = open_sink(path, {volume.grid(), volume.type(), volume.channels(), options});
    return write_whole(volume, *sink);
  }
  switch (by_extension(path)) {
    case Format::nrrd: return write_itk(ItkFormat::nrrd, volume, path);
    case Format::meta: return write_itk(ItkFormat::meta, volume, path);
    case Format::minc: return write_itk(ItkFormat::minc, volume, path);
    case Format::hdf5: return write_itk(ItkFormat::hdf5, volume, path);
    case Format::tiff: return write_tiff(volume, path);
    case Format::vdb: return write_vdb(volume, path);
    default: break;
  }
  throw Error(
      ErrorCode::usage,
      "\"" + path.string() +
          "\" has no extension that can be written; choose .nii.gz, .nii, .ome.zarr, .nrrd, .mha, "
          ".mnc, .h5, .tif or .vdb.",
      path.string());
}

}  // namespace gigawarp::io
