#include "n5/n5_blocks.h"

namespace {

namespace fs = std::filesystem;

const GigawarpHost* host = nullptr;  // set once, before any volume is opened

class N5Volume : public plugin::Volume {
 public:
  explicit N5Volume(const std::string& path) : pyramid_(n5::read_pyramid(path)) {}
  plugin::Description describe(std::int32_t) override { return pyramid_.description; }
  void read(const GigawarpBox& box, void* out, std::uint64_t) const override {
    n5::read_box(*host, pyramid_.levels[static_cast<std::size_t>(box.level)], box, out);
  }

 private:
  n5::Pyramid pyramid_;
};

std::unique_ptr<plugin::Volume> open(const std::string& path) {
  return std::make_unique<N5Volume>(path);
}

/// Any folder with attributes.json, unless it is a Zarr that has such a file as well.
GigawarpProbe probe(const GigawarpFile& file) {
  const fs::path folder = file.path;
  for (const char* zarr : {".zgroup", ".zarray", "zarr.json"})
    if (fs::exists(folder / zarr)) return GIGAWARP_NO;
  return n5::is_group(folder) ? GIGAWARP_CONTENT : GIGAWARP_NO;
}

constexpr const char* kAnyName[] = {"", nullptr};

}  // namespace

extern "C" {

const std::uint32_t gigawarp_plugin_interface = GIGAWARP_PLUGIN_INTERFACE;

const GigawarpPlugin* gigawarp_plugin_register(const GigawarpHost* gigawarp, GigawarpError*) {
  host = gigawarp;
  static const GigawarpFormat kN5 =
      plugin::format<open, probe>("n5", "N5", kAnyName, GIGAWARP_FOLDERS);
  static const GigawarpFormat* const kFormats[] = {&kN5};
  static const GigawarpPlugin kPlugin{sizeof(GigawarpPlugin), "n5", GIGAWARP_VERSION, 1, kFormats};
  return &kPlugin;
}
}
