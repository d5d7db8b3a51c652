#include "io/hdf5_source.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <sstream>
#include <string_view>

#include "io/file_support.h"
#include "io/hdf5_file.h"
#include "io/length_units.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr int kMostLevels = 64, kMostChannels = 4096;

/// What both kinds of file are brought to.
struct Pyramid {
  fs::path file;
  std::string format;
  std::vector<std::vector<std::string>> datasets;  ///< [level][channel]
  std::vector<Size3> sizes;   ///< of the levels; Imaris' datasets are larger than the volume
  std::vector<Vec3> factors;  ///< voxels of the finest level per voxel
  Affine world;               ///< from voxels of the finest level, in `unit`
  std::string unit;
  int timepoints = 1;
  bool unsigned_in_disguise = false;
};

std::string numbered(const char* format, int i) {
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), format, i);
  return text.data();
}

/// The time point that was asked for, or the only one.
int chosen_timepoint(const fs::path& path, int count, const std::optional<int>& wanted) {
  if (!wanted && count > 1)
    refuse(path, "holds " + std::to_string(count) + " time points; choose one with --timepoint.");
  if (wanted.value_or(0) < count) return wanted.value_or(0);
  throw Error(ErrorCode::usage,
              "\"" + path.string() + "\" has no time point " + std::to_string(*wanted) +
                  "; it has " + std::to_string(count) + ", counted from 0.",
              path.string());
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

/// The product of the <affine>s of one view: the first one listed is applied last.
Affine registration(const std::string& view, const fs::path& file) {
  Affine out;
  for (auto at = view.find("<affine>"); at != std::string::npos;
       at = view.find("<affine>", at + 1)) {
    const std::vector<double> m = numbers_in(element(view, "affine", at));
    if (m.size() != 12) refuse(file, "has a damaged registration: an affine has twelve numbers.");
    Affine one;
    for (std::size_t r = 0; r < 3; ++r) {
      for (std::size_t c = 0; c < 3; ++c) one.linear[r][c] = m[4 * r + c];
      one.offset[r] = m[4 * r + 3];
    }
    out = out * one;
  }
  return out;
}

/// World and unit of the first setup, from BigDataViewer's .xml.
void read_bdv_world(const fs::path& xml_file, int timepoint, Pyramid& out) {
  const std::string xml = read_text(xml_file, std::size_t{64} << 20);
  out.unit = element(element(xml, "voxelSize"), "unit");
  const std::string marker = "<ViewRegistration timepoint=\"" + std::to_string(timepoint) + "\"";
  const auto view = xml.find(marker);
  if (view == std::string::npos) refuse(xml_file, "registers no view of the time point.");
  out.world = registration(element(xml, "ViewRegistration", view), xml_file);
}

/// The .h5 that an .xml names; it lies in the same folder or below it.
fs::path file_named_by(const fs::path& xml_file) {
  const fs::path name = element(read_text(xml_file, std::size_t{64} << 20), "hdf5");
  if (name.empty() || name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end())
    refuse(xml_file, "names no HDF5 file beside it; only that kind of BigDataViewer file is read.");
  return xml_file.parent_path() / name;
}

Pyramid bdv_pyramid(const fs::path& path, const ReadOptions& options) {
  const bool is_xml = has_extension(path, ".xml");
  Pyramid out;
  out.file = is_xml ? file_named_by(path) : path;
  const Hdf5File file(out.file);
  if (!file.is_open()) {
    checked_file_size(out.file);
    refuse(out.file, "is damaged: it is no HDF5 file.");
  }
  out.format = "BigDataViewer HDF5";
  out.unsigned_in_disguise = true;
  while (out.timepoints < kMostChannels && file.has(numbered("/t%05d", out.timepoints)))
    ++out.timepoints;
  const int timepoint = chosen_timepoint(path, out.timepoints, options.selection.timepoint);
  fs::path xml = is_xml ? path : fs::path(path).replace_extension(".xml");
  std::error_code ignored;
  if (fs::exists(xml, ignored)) read_bdv_world(xml, timepoint, out);
  const std::vector<double> factors = file.numbers("/s00/resolutions");
  int setups = 0;
  const std::string time = numbered("/t%05d", timepoint);
  while (setups < kMostChannels && file.has(time + numbered("/s%02d", setups))) ++setups;
  for (int l = 0; 3 * static_cast<std::size_t>(l) + 2 < factors.size() && l < kMostLevels; ++l) {
    out.factors.push_back({factors[3 * static_cast<std::size_t>(l)],
                           factors[3 * static_cast<std::size_t>(l) + 1],
                           factors[3 * static_cast<std::size_t>(l) + 2]});
    out.datasets.emplace_back();
    for (int s = 0; s < setups; ++s)
      out.datasets.back().push_back(time + numbered("/s%02d", s) + "/" + std::to_string(l) +
                                    "/cells");
  }
  return out;
}

Pyramid imaris_pyramid(const fs::path& path, const ReadOptions& options) {
  const Hdf5File file(path);
  if (!file.is_open()) refuse(path, "is damaged: it is no HDF5 file, as Imaris writes them.");
  Pyramid out;
  out.file = path;
  out.format = "Imaris";
  const std::string finest = "/DataSet/ResolutionLevel 0/TimePoint ";
  while (out.timepoints < kMostChannels && file.has(finest + std::to_string(out.timepoints)))
    ++out.timepoints;
  const int timepoint = chosen_timepoint(path, out.timepoints, options.selection.timepoint);
  const std::string time = "/TimePoint " + std::to_string(timepoint) + "/Channel ";
  const auto number = [&](const std::string& group, const std::string& name) {
    const auto text = file.text(group, name);
    if (!text) refuse(path, "is damaged: it does not state " + name + " of its image.");
    return std::strtod(text->c_str(), nullptr);
  };
  const std::string image = "/DataSetInfo/Image";
  out.unit = file.text(image, "Unit").value_or("um");
  for (int l = 0; l < kMostLevels; ++l) {
    const std::string level = "/DataSet/ResolutionLevel " + std::to_string(l) + time;
    if (!file.has(level + "0")) break;
    out.datasets.emplace_back();
    for (int c = 0; c < kMostChannels && file.has(level + std::to_string(c)); ++c)
      out.datasets.back().push_back(level + std::to_string(c) + "/Data");
    Size3 size{};
    Vec3 factor{};
    for (std::size_t a = 0; a < 3; ++a) {
      const double n = number(level + "0", std::string("ImageSize") + "XYZ"[a]);
      if (!(n >= 1 && n < 1e12)) refuse(path, "is damaged: a level has an impossible size.");
      size[a] = static_cast<std::int64_t>(n);
      factor[a] =
          static_cast<double>(l == 0 ? size[a] : out.sizes[0][a]) / static_cast<double>(size[a]);
    }
    out.sizes.push_back(size);
    out.factors.push_back(factor);
  }
  for (std::size_t a = 0; a < 3; ++a) {
    const double low = number(image, "ExtMin" + std::to_string(a)),
                 high = number(image, "ExtMax" + std::to_string(a));
    const double step = (high - low) / static_cast<double>(out.sizes.at(0)[a]);
    out.world.linear[a][a] = step;
    out.world.offset[a] = low + step / 2;
  }
  return out;
}

class Hdf5Source : public BrickSource {
 public:
  Hdf5Source(Pyramid&& pyramid, const fs::path& path, const ReadOptions& options);
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override {
    file_.read(
        pyramid_.datasets[static_cast<std::size_t>(
            level)][static_cast<std::size_t>(first_channel_) + static_cast<std::size_t>(channel)],
        box, scalar_, out);
  }

 private:
  void choose(const fs::path& path, const ImageSelection& selection);
  void place(const fs::path& path, const ReadOptions& options);

  Pyramid pyramid_;
  Hdf5File file_;
  FileScalar scalar_ = FileScalar::u8;
  int first_channel_ = 0;
  SourceInfo info_;
};

void Hdf5Source::choose(const fs::path& path, const ImageSelection& selection) {
  const auto channels = static_cast<int>(pyramid_.datasets[0].size());
  if (selection.channel.value_or(0) >= channels)
    throw Error(ErrorCode::usage,
                "\"" + path.string() + "\" has no channel " + std::to_string(*selection.channel) +
                    "; it has " + std::to_string(channels) + ", counted from 0.",
                path.string());
  first_channel_ = selection.channel.value_or(0);
  info_.channels = selection.channel ? 1 : channels;
}

void Hdf5Source::place(const fs::path& path, const ReadOptions& options) {
  const auto mm = length_unit_in_mm(pyramid_.unit);
  Affine world = pyramid_.world;
  if (options.spacing_mm) {
    const Vec3 own = Grid{{1, 1, 1}, world}.spacing_mm();
    for (std::size_t r = 0; r < 3; ++r)
      for (std::size_t c = 0; c < 3; ++c) world.linear[r][c] *= (*options.spacing_mm)[c] / own[c];
    if (mm)
      for (double& v : world.offset) v *= *mm;
    info_.notes.emplace_back("The voxel size was given by the user.");
  } else if (!mm) {
    refuse(path, pyramid_.unit.empty()
                     ? std::string("does not say its voxel size; pass --spacing x,y,z in mm.")
                     : "states its voxel size in an unknown unit (" + pyramid_.unit +
                           "); pass --spacing x,y,z in mm.");
  } else {
    for (auto& row : world.linear)
      for (double& v : row) v *= *mm;
    for (double& v : world.offset) v *= *mm;
    info_.notes.emplace_back("Voxel size and origin were converted to mm from the file's unit.");
  }
  info_.notes.emplace_back(
      "The file states no anatomical orientation; x, y, z were taken as L, P, S.");
  for (std::size_t l = 0; l < pyramid_.datasets.size(); ++l) {
    const Hdf5File::Dataset set = file_.describe(pyramid_.datasets[l][0]);
    if (set.shape.size() != 3) refuse(path, "has a level that is no volume.");
    SourceLevel level;
    Affine finest_from_level;
    for (std::size_t a = 0; a < 3; ++a) {
      const double factor = pyramid_.factors[l][a];
      finest_from_level.linear[a][a] = factor;
      finest_from_level.offset[a] = (factor - 1) / 2;
      level.brick[a] = set.chunk[2 - a];
      level.grid.size[a] = l < pyramid_.sizes.size()
                               ? std::min(pyramid_.sizes[l][a], set.shape[2 - a])
                               : set.shape[2 - a];
    }
    level.grid.world_from_voxel = world * finest_from_level;
    check_grid(path, level.grid);
    info_.levels.push_back(level);
    if (l == 0) scalar_ = set.scalar;
    if (set.scalar != scalar_) refuse(path, "has levels of different voxel types.");
  }
}

Hdf5Source::Hdf5Source(Pyramid&& pyramid, const fs::path& path, const ReadOptions& options)
    : pyramid_(std::move(pyramid)), file_(pyramid_.file) {
  if (pyramid_.datasets.empty() || pyramid_.datasets[0].empty())
    refuse(path, "is damaged: it holds no volume.");
  for (const auto& level : pyramid_.datasets)
    if (level.size() != pyramid_.datasets[0].size())
      refuse(path, "is damaged: its levels have different numbers of channels.");
  choose(path, options.selection);
  place(path, options);
  info_.format = pyramid_.format;
  if (pyramid_.unsigned_in_disguise && scalar_ == FileScalar::i16) {
    info_.type = ScalarType::u16;  // the same bits
  } else {
    const auto own = own_scalar({scalar_, 1});
    if (!own) refuse(path, "holds 64-bit integers, which are not read from this format.");
    info_.type = *own;
  }
}
}  // namespace

std::unique_ptr<BrickSource> open_hdf5(const fs::path& path, const ReadOptions& options) {
  checked_file_size(path);
  return std::make_unique<Hdf5Source>(
      has_extension(path, ".ims") ? imaris_pyramid(path, options) : bdv_pyramid(path, options),
      path, options);
}

bool is_hdf5_pyramid(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return false;
  if (has_extension(path, ".ims")) return true;
  if (has_extension(path, ".xml")) {
    const std::vector<std::byte> head = read_head(path, 4096);
    return std::string_view(reinterpret_cast<const char*>(head.data()), head.size())
               .find("<SpimData") != std::string_view::npos;
  }
  if (!has_extension(path, ".h5") && !has_extension(path, ".hdf5")) return false;
  const Hdf5File file(path);
  return file.is_open() && file.has("/s00/resolutions");
}

}  // namespace gigawarp::io
