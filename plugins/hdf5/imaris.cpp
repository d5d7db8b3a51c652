#include <cstdlib>

#include "hdf5/pyramid_volume.h"

namespace hdf5 {

namespace {
constexpr const char* kImage = "/DataSetInfo/Image";

std::string group_of(int timepoint, int level, int channel) {
  return numbered("/DataSet/ResolutionLevel %d", level) + numbered("/TimePoint %d", timepoint) +
         numbered("/Channel %d", channel);
}

class Imaris : public PyramidVolume {
 public:
  explicit Imaris(const std::string& path) : PyramidVolume(path) {
    if (!file().is_open())
      plugin::refuse(path, "is damaged: it is no HDF5 file, as Imaris writes them.");
    while (timepoints_ < kMostChannels &&
           file().has("/DataSet/ResolutionLevel 0" + numbered("/TimePoint %d", timepoints_)))
      ++timepoints_;
  }
  std::int32_t timepoints() const override { return timepoints_; }

 private:
  Pyramid pyramid(std::int32_t timepoint) const override;
  std::string dataset(int timepoint, int level, int channel) const override {
    return group_of(timepoint, level, channel) + "/Data";
  }
  double number(const std::string& group, const std::string& name) const;
  std::array<std::int64_t, 3> size_of(const std::string& group) const;

  std::int32_t timepoints_ = 1;
};

double Imaris::number(const std::string& group, const std::string& name) const {
  const auto text = file().text(group, name);
  if (!text)
    plugin::refuse(file().path(), "is damaged: it does not state " + name + " of its image.");
  return std::strtod(text->c_str(), nullptr);
}

std::array<std::int64_t, 3> Imaris::size_of(const std::string& group) const {
  std::array<std::int64_t, 3> size{};
  for (std::size_t a = 0; a < 3; ++a) {
    const double n = number(group, std::string("ImageSize") + "XYZ"[a]);
    if (!(n >= 1 && n < 1e12))
      plugin::refuse(file().path(), "is damaged: a level has an impossible size.");
    size[a] = static_cast<std::int64_t>(n);
  }
  return size;
}

Pyramid Imaris::pyramid(std::int32_t timepoint) const {
  Pyramid out;
  out.format = "Imaris";
  out.unit = file().text(kImage, "Unit").value_or("um");
  while (out.levels < kMostLevels && file().has(group_of(timepoint, out.levels, 0))) {
    int channels = 0;
    while (channels < kMostChannels && file().has(group_of(timepoint, out.levels, channels)))
      ++channels;
    if (out.levels == 0) out.channels = channels;
    if (channels != out.channels)
      plugin::refuse(file().path(), "is damaged: its levels have different numbers of channels.");
    const auto size = size_of(group_of(timepoint, out.levels, 0));
    std::array<double, 3> factor{};
    for (std::size_t a = 0; a < 3; ++a)
      factor[a] = static_cast<double>(out.levels == 0 ? size[a] : out.sizes[0][a]) /
                  static_cast<double>(size[a]);
    out.sizes.push_back(size);
    out.factors.push_back(factor);
    ++out.levels;
  }
  for (int c = 0; c < out.channels; ++c)
    out.channel_names.push_back(
        file().text(numbered("/DataSetInfo/Channel %d", c), "Name").value_or(""));
  for (std::size_t a = 0; a < 3 && out.levels > 0; ++a) {
    const double low = number(kImage, numbered("ExtMin%d", static_cast<int>(a))),
                 high = number(kImage, numbered("ExtMax%d", static_cast<int>(a)));
    const double step = (high - low) / static_cast<double>(out.sizes[0][a]);
    out.world[a][a] = step;
    out.world[a][3] = low + step / 2;
  }
  return out;
}
}  // namespace

std::unique_ptr<plugin::Volume> open_imaris(const std::string& path) {
  return std::make_unique<Imaris>(path);
}

GigawarpProbe probe_imaris(const GigawarpFile& file) {
  return is_hdf5(file) ? GIGAWARP_CONTENT : GIGAWARP_NAME;
}

}  // namespace hdf5
