#include "hdf5/pyramid_volume.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

namespace hdf5 {

namespace {
constexpr std::int64_t kVoxelsPerBrick = std::int64_t{1} << 20;

/// A chunk; of a dataset in one piece some whole rows.
void choose_brick(const File::Dataset& set, GigawarpLevel& level) {
  for (std::size_t a = 0; a < 3; ++a)
    level.brick[a] = set.chunk.empty() ? 1 : std::max<std::int64_t>(1, set.chunk[2 - a]);
  if (!set.chunk.empty()) return;
  level.brick[0] = level.size[0];
  level.brick[1] = std::clamp<std::int64_t>(kVoxelsPerBrick / level.size[0], 1, level.size[1]);
}

GigawarpLevel level_of(const Pyramid& pyramid, const File::Dataset& set, std::size_t index) {
  GigawarpLevel level{};
  for (std::size_t a = 0; a < 3; ++a) {
    level.size[a] = index < pyramid.sizes.size()
                        ? std::min(pyramid.sizes[index][a], set.shape[2 - a])
                        : set.shape[2 - a];
    for (std::size_t r = 0; r < 3; ++r) {
      const double step = pyramid.world[r][a], factor = pyramid.factors[index][a];
      level.world_from_voxel[r][a] = step * factor;
      level.world_from_voxel[r][3] += step * (factor - 1) / 2;  // corners meet
    }
  }
  for (std::size_t r = 0; r < 3; ++r) level.world_from_voxel[r][3] += pyramid.world[r][3];
  choose_brick(set, level);
  return level;
}
}  // namespace

plugin::Description PyramidVolume::describe(std::int32_t timepoint) {
  const Pyramid pyramid = this->pyramid(timepoint);
  if (pyramid.levels < 1 || pyramid.channels < 1)
    plugin::refuse(file_.path(), "is damaged: it holds no volume.");
  plugin::Description out;
  out.format = pyramid.format;
  out.channels = pyramid.channels;
  out.channel_names = pyramid.channel_names;
  out.has_unit = !pyramid.unit.empty();
  out.unit = pyramid.unit;
  out.notes = {"The file states no anatomical orientation; x, y, z were taken as L, P, S."};
  for (int l = 0; l < pyramid.levels; ++l) {
    const File::Dataset set = file_.describe(dataset(timepoint, l, 0));
    if (set.shape.size() != 3) plugin::refuse(file_.path(), "has a level that is no volume.");
    if (l == 0) type_ = set.type;
    if (set.type != type_) plugin::refuse(file_.path(), "has levels of different voxel types.");
    out.levels.push_back(level_of(pyramid, set, static_cast<std::size_t>(l)));
  }
  out.type = pyramid.unsigned_in_disguise && type_ == GIGAWARP_I16 ? GIGAWARP_U16 : type_;
  return out;
}

void PyramidVolume::read(const GigawarpBox& box, void* out, std::uint64_t) const {
  file_.read(*host, dataset(box.timepoint, box.level, box.channel), box, type_, out);
}

std::string numbered(const char* format, int i) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, i);
  return text.data();
}

bool ends_with(const std::string& name, const std::string& ending) {
  return name.size() >= ending.size() &&
         std::equal(ending.rbegin(), ending.rend(), name.rbegin(), [](char a, char b) {
           return std::tolower(static_cast<unsigned char>(b)) == a;
         });
}

}  // namespace hdf5
