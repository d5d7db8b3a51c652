#include "io/format_list.h"

#include "io/plugins.h"

namespace gigawarp::io {

std::vector<FormatInfo> known_formats() {
  constexpr bool kFolders = true, kStreams = true, kWritten = true;
  std::vector<FormatInfo> out{
      {"NIfTI", {".nii", ".nii.gz", ".hdr", ".img"}, !kFolders, kStreams, kWritten, "", "", ""},
      {"OME-Zarr", {}, kFolders, kStreams, kWritten, "", "", ""},
      {"NRRD", {".nrrd", ".nhdr"}, !kFolders, kStreams, kWritten, "", "", ""},
      {"MetaImage", {".mha", ".mhd"}, !kFolders, kStreams, kWritten, "", "", ""},
      {"MINC", {".mnc"}, !kFolders, !kStreams, kWritten, "", "", ""},
      {"TIFF", {".tif", ".tiff"}, kFolders, kStreams, kWritten, "", "", ""},
      {"HDF5 of ITK", {".h5", ".hdf5"}, !kFolders, !kStreams, kWritten, "", "", ""},
      {"MRC", {".mrc", ".rec"}, !kFolders, !kStreams, !kWritten, "", "", ""},
      {"DICOM", {".dcm", ".ima"}, kFolders, !kStreams, !kWritten, "", "", ""}};
  for (const LoadedPlugin& plugin : plugins().loaded)
    for (const PluginFormat& format : plugin.formats) {
      FormatInfo info{format.description,
                      {},
                      format.has(GIGAWARP_FOLDERS),
                      !format.has(GIGAWARP_WHOLE),
                      !kWritten,
                      plugin.name,
                      plugin.version,
                      plugin.file.string()};
      for (const std::string& ending : format.endings)
        if (!ending.empty()) info.endings.push_back(ending);
      out.push_back(std::move(info));
    }
  return out;
}

std::string readable_formats() {
  std::string text;
  const std::vector<FormatInfo> formats = known_formats();
  for (const FormatInfo& format : formats) {
    text += text.empty() ? "" : &format == &formats.back() ? " and " : ", ";
    text += format.name;
    std::string endings;
    for (const std::string& ending : format.endings)
      endings += (endings.empty() ? "" : " ") + ending;
    if (!endings.empty()) text += " (" + endings + ")";
  }
  if (const std::size_t n = plugins().skipped.size(); n > 0)
    text += "; " + std::to_string(n) +
            (n == 1 ? " plugin was skipped, see \"gigawarp formats\""
                    : " plugins were skipped, see \"gigawarp formats\"");
  return text;
}

}  // namespace gigawarp::io
