#include "hdf5/pyramid_volume.h"

const GigawarpHost* hdf5::host = nullptr;

namespace {

using hdf5::open_bigdataviewer;
using hdf5::open_imaris;
using hdf5::probe_bigdataviewer;
using hdf5::probe_imaris;

constexpr const char* kBigDataViewerEndings[] = {".xml", ".h5", ".hdf5", nullptr};
constexpr const char* kImarisEndings[] = {".ims", nullptr};

/// Files only; one call at a time where the library was built without threads.
std::uint32_t flags() {
  hbool_t threadsafe = false;
  const bool known = H5is_library_threadsafe(&threadsafe) >= 0;
  return GIGAWARP_FILES | (known && threadsafe ? 0U : std::uint32_t{GIGAWARP_SERIAL});
}

}  // namespace

extern "C" {

const std::uint32_t gigawarp_plugin_interface = GIGAWARP_PLUGIN_INTERFACE;

const GigawarpPlugin* gigawarp_plugin_register(const GigawarpHost* gigawarp, GigawarpError*) {
  hdf5::host = gigawarp;
  static const GigawarpFormat kBigDataViewer =
      plugin::format<open_bigdataviewer, probe_bigdataviewer>("bdv-hdf5", "BigDataViewer HDF5",
                                                              kBigDataViewerEndings, flags());
  static const GigawarpFormat kImaris =
      plugin::format<open_imaris, probe_imaris>("imaris", "Imaris", kImarisEndings, flags());
  static const GigawarpFormat* const kFormats[] = {&kBigDataViewer, &kImaris};
  static const GigawarpPlugin kPlugin{sizeof(GigawarpPlugin), "hdf5", GIGAWARP_VERSION, 2,
                                      kFormats};
  return &kPlugin;
}
}
