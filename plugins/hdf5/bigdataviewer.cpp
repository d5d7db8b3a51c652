#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>

#include "hdf5/pyramid_volume.h"

namespace hdf5 {

namespace fs = std::filesystem;

namespace {
constexpr std::uintmax_t kMostXml = std::uintmax_t{64} << 20;

std::string read_text(const fs::path& file) {
  std::error_code failure;
  if (fs::file_size(file, failure) > kMostXml || failure)
    plugin::refuse(file.string(), "cannot be read; it should describe the volume.");
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// Text between <name …> and </name> from `from` on; empty when there is none.
std::string element(const std::string& xml, const std::string& name, std::size_t from = 0) {
  auto begin = xml.find("<" + name, from);
  if (begin == std::string::npos) return {};
  begin = xml.find('>', begin);
  const auto end = xml.find("</" + name + ">", begin);
  if (begin == std::string::npos || end == std::string::npos) return {};
  return xml.substr(begin + 1, end - begin - 1);
}

std::vector<double> numbers_in(const std::string& text) {
  std::istringstream stream(text);
  std::vector<double> out;
  for (double v = 0; stream >> v;) out.push_back(v);
  return out;
}

using World = decltype(Pyramid::world);

/// a ∘ b.
World product(const World& a, const World& b) {
  World out{};
  for (std::size_t r = 0; r < 3; ++r)
    for (std::size_t c = 0; c < 4; ++c) {
      out[r][c] = c == 3 ? a[r][3] : 0;
      for (std::size_t k = 0; k < 3; ++k) out[r][c] += a[r][k] * b[k][c];
    }
  return out;
}

/// The product of the <affine>s of one view: the first one listed is applied last.
World registration(const std::string& view, const std::string& file) {
  World out = Pyramid().world;
  for (auto at = view.find("<affine>"); at != std::string::npos;
       at = view.find("<affine>", at + 1)) {
    const std::vector<double> m = numbers_in(element(view, "affine", at));
    if (m.size() != 12)
      plugin::refuse(file, "has a damaged registration: an affine has twelve numbers.");
    World one{};
    for (std::size_t i = 0; i < 12; ++i) one[i / 4][i % 4] = m[i];
    out = product(out, one);
  }
  return out;
}

/// The .h5 that an .xml names; it lies in the same folder or below it.
std::string file_named_by(const fs::path& xml_file) {
  const fs::path name = element(read_text(xml_file), "hdf5");
  if (name.empty() || name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end())
    plugin::refuse(xml_file.string(),
                   "names no HDF5 file beside it; only that kind of BigDataViewer file is read.");
  return (xml_file.parent_path() / name).string();
}

class BigDataViewer : public PyramidVolume {
 public:
  /// `xml` may be a file that is not there.
  BigDataViewer(const std::string& h5, fs::path xml);
  std::int32_t timepoints() const override { return timepoints_; }

 private:
  Pyramid pyramid(std::int32_t timepoint) const override;
  std::string dataset(int timepoint, int level, int channel) const override {
    return numbered("/t%05d", timepoint) + numbered("/s%02d", channel) + numbered("/%d", level) +
           "/cells";
  }
  void read_world(std::int32_t timepoint, Pyramid& out) const;

  fs::path xml_;
  std::int32_t timepoints_ = 1;
};

BigDataViewer::BigDataViewer(const std::string& h5, fs::path xml)
    : PyramidVolume(h5), xml_(std::move(xml)) {
  std::error_code ignored;
  if (!file().is_open())
    plugin::refuse(h5, fs::exists(h5, ignored) ? "is damaged: it is no HDF5 file."
                                               : "is missing, but its .xml names it.");
  while (timepoints_ < kMostChannels && file().has(numbered("/t%05d", timepoints_))) ++timepoints_;
}

/// World and unit of the first setup.
void BigDataViewer::read_world(std::int32_t timepoint, Pyramid& out) const {
  std::error_code ignored;
  if (!fs::exists(xml_, ignored)) return;
  const std::string xml = read_text(xml_);
  out.unit = element(element(xml, "voxelSize"), "unit");
  for (auto at = xml.find("<ViewSetup>"); at != std::string::npos;
       at = xml.find("<ViewSetup>", at + 1))
    out.channel_names.push_back(element(element(xml, "ViewSetup", at), "name"));
  const auto view = xml.find(numbered("<ViewRegistration timepoint=\"%d\"", timepoint));
  if (view == std::string::npos)
    plugin::refuse(xml_.string(), "registers no view of the time point.");
  out.world = registration(element(xml, "ViewRegistration", view), xml_.string());
}

Pyramid BigDataViewer::pyramid(std::int32_t timepoint) const {
  Pyramid out;
  out.format = "BigDataViewer HDF5";
  out.unsigned_in_disguise = true;
  read_world(timepoint, out);
  const std::string time = numbered("/t%05d", timepoint);
  while (out.channels < kMostChannels && file().has(time + numbered("/s%02d", out.channels)))
    ++out.channels;
  out.channel_names.resize(out.channel_names.empty() ? 0 : static_cast<std::size_t>(out.channels));
  const std::vector<double> factors = file().numbers("/s00/resolutions");
  for (std::size_t i = 0; i + 2 < factors.size() && out.levels < kMostLevels; i += 3) {
    out.factors.push_back({factors[i], factors[i + 1], factors[i + 2]});
    ++out.levels;
  }
  return out;
}
}  // namespace

std::unique_ptr<plugin::Volume> open_bigdataviewer(const std::string& path) {
  if (ends_with(path, ".xml")) return std::make_unique<BigDataViewer>(file_named_by(path), path);
  return std::make_unique<BigDataViewer>(path, fs::path(path).replace_extension(".xml"));
}

GigawarpProbe probe_bigdataviewer(const GigawarpFile& file) {
  const std::string path = file.path;
  if (ends_with(path, ".xml")) {
    const std::string_view head(reinterpret_cast<const char*>(file.head), file.head_bytes);
    if (head.find("<SpimData") == std::string_view::npos) return GIGAWARP_NO;
    // Its other kinds are told what is read, unless another plugin knows them.
    return head.find("bdv.hdf5") != std::string_view::npos ? GIGAWARP_CONTENT : GIGAWARP_NAME;
  }
  if (!is_hdf5(file)) return GIGAWARP_NO;
  const File opened(path);
  return opened.is_open() && opened.has("/s00/resolutions") ? GIGAWARP_CONTENT : GIGAWARP_NO;
}

}  // namespace hdf5
