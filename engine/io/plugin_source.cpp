#include "io/plugin_source.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <utility>

#include "io/convert.h"
#include "io/file_support.h"
#include "io/length_units.h"
#include "io/plugin_host.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr int kMostLevels = 64, kMostChannels = 4096, kMostNotes = 64;
constexpr std::int64_t kLongest = std::int64_t{1} << 40;
constexpr std::size_t kHeadBytes = 4096, kLongestNote = 500;

/// GigawarpType as what files hold, which has the same order.
std::optional<FileScalar> file_scalar(std::int32_t type) {
  constexpr FileScalar kScalars[] = {
      FileScalar::u8,  FileScalar::i8,  FileScalar::u16, FileScalar::i16, FileScalar::u32,
      FileScalar::i32, FileScalar::f32, FileScalar::f64, FileScalar::u64, FileScalar::i64};
  if (type < 0 || type >= static_cast<std::int32_t>(std::size(kScalars))) return std::nullopt;
  return kScalars[type];
}

/// One call at a time where the plugin wants it so.
class Turn {
 public:
  explicit Turn(const PluginFormat& format) {
    if (!format.turn) return;
    lock_ = std::unique_lock(*format.turn);
    section_.emplace();
  }

 private:
  std::unique_lock<std::mutex> lock_;
  std::optional<SerialSection> section_;
};

/// Calls into the plugin; what goes wrong becomes an Error that names it.
template <class Call>
void call(const PluginFormat& format, const fs::path& path, Call&& work) {
  GigawarpError error{};
  std::int32_t code = GIGAWARP_FAILED;
  try {
    const Turn turn(format);
    code = work(&error);
  } catch (...) {  // forbidden, and no reason to end the session
    std::memcpy(error.text, "", 1);
  }
  if (code == GIGAWARP_OK) return;
  std::string sentence = shown_text(error.text, sizeof error.text - 1);
  while (!sentence.empty() && sentence.back() == '.') sentence.pop_back();
  if (sentence.empty())
    sentence = "The file \"" + path.string() + "\" cannot be read, and the plugin does not say why";
  throw Error(code == GIGAWARP_NO_MEMORY ? ErrorCode::does_not_fit : ErrorCode::bad_input,
              sentence + " (told by the plugin \"" + format.plugin + "\").", path.string());
}

class PluginSource : public BrickSource {
 public:
  PluginSource(const PluginFormat& format, const fs::path& path, const ReadOptions& options);
  ~PluginSource() override;
  PluginSource(const PluginSource&) = delete;
  PluginSource& operator=(const PluginSource&) = delete;
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override;

 private:
  [[noreturn]] void nonsense(const std::string& what) const;
  void open(const ImageSelection& selection);
  void take(const GigawarpDescription& said, const ReadOptions& options);
  void take_levels(const GigawarpDescription& said);
  void place_levels(const GigawarpDescription& said, const ReadOptions& options);
  void call_read(const GigawarpBox& box, void* out, std::uint64_t bytes) const;
  template <class From, class To>
  void read_narrow(const GigawarpBox& box, std::byte* out) const;

  const PluginFormat& format_;
  fs::path path_;
  GigawarpVolume* volume_ = nullptr;
  std::int32_t timepoint_ = 0, first_channel_ = 0;
  FileScalar scalar_ = FileScalar::u8;
  SourceInfo info_;
};

PluginSource::PluginSource(const PluginFormat& format, const fs::path& path,
                           const ReadOptions& options)
    : format_(format), path_(path) {
  try {
    open(options.selection);
    GigawarpDescription said{};
    said.struct_bytes = sizeof said;
    call(format_, path_, [&](GigawarpError* error) {
      return format_.calls.describe(volume_, timepoint_, &said, error);
    });
    take(said, options);
  } catch (...) {
    if (volume_ != nullptr) {
      const Turn turn(format_);
      format_.calls.close(volume_);
    }
    throw;
  }
}

PluginSource::~PluginSource() {
  const Turn turn(format_);
  format_.calls.close(volume_);
}

void PluginSource::nonsense(const std::string& what) const {
  throw Error(ErrorCode::bad_input,
              "The plugin \"" + format_.plugin + "\" says of \"" + path_.string() + "\" that " +
                  what + "; the file is damaged, or the plugin needs repair.",
              path_.string());
}

void PluginSource::open(const ImageSelection& selection) {
  std::int32_t timepoints = 0;
  const std::string name = path_.string();
  call(format_, path_, [&](GigawarpError* error) {
    return format_.calls.open(name.c_str(), &volume_, &timepoints, error);
  });
  if (volume_ == nullptr) nonsense("it is open, but hands nothing out");
  if (timepoints < 1) nonsense("it has " + std::to_string(timepoints) + " time points");
  timepoint_ = static_cast<std::int32_t>(
      chosen_part(path_, timepoints, selection.timepoint, "time point", "--timepoint"));
  info_.parts.timepoints = timepoints;
}

void PluginSource::take(const GigawarpDescription& said, const ReadOptions& options) {
  const auto scalar = file_scalar(said.type);
  if (!scalar) nonsense("its voxels are of type " + std::to_string(said.type));
  scalar_ = *scalar;
  if (said.channels < 1 || said.channels > kMostChannels)
    nonsense("it has " + std::to_string(said.channels) + " channels");
  if (said.note_count < 0 || said.note_count > kMostNotes ||
      (said.note_count > 0 && said.notes == nullptr))
    nonsense("there are " + std::to_string(said.note_count) + " notes on it");
  if (const auto own = own_scalar({scalar_, 1})) {
    info_.type = *own;
  } else {
    info_.type = scalar_ == FileScalar::u64 ? ScalarType::u32 : ScalarType::i32;
    info_.notes.emplace_back("64-bit integers are read as 32-bit ones.");
  }
  const std::optional<int> channel = options.selection.channel;
  if (channel && (*channel < 0 || *channel >= said.channels))
    throw Error(ErrorCode::usage,
                "\"" + path_.string() + "\" has no channel " + std::to_string(*channel) +
                    "; it has " + std::to_string(said.channels) + ", counted from 0.",
                path_.string());
  first_channel_ = channel.value_or(0);
  info_.channels = channel ? 1 : said.channels;
  info_.parts.channels = said.channels;
  for (int c = 0; said.channel_names != nullptr && c < said.channels; ++c)
    info_.parts.channel_names.push_back(shown_text(said.channel_names[c], kLongestNote));
  info_.labels = said.labels != 0;
  info_.format = shown_text(said.format, kLongestNote);
  if (info_.format.empty()) info_.format = format_.description;
  for (int i = 0; i < said.note_count; ++i)
    if (std::string note = shown_text(said.notes[i], kLongestNote); !note.empty())
      info_.notes.push_back(std::move(note));
  take_levels(said);
  place_levels(said, options);
}

void PluginSource::take_levels(const GigawarpDescription& said) {
  if (said.level_count < 1 || said.level_count > kMostLevels || said.levels == nullptr)
    nonsense("it has " + std::to_string(said.level_count) + " levels");
  std::uint64_t finer = std::uint64_t{1} << 62;
  for (int l = 0; l < said.level_count; ++l) {
    const GigawarpLevel& from = said.levels[l];
    SourceLevel level;
    const std::string name = "level " + std::to_string(l);
    for (std::size_t a = 0; a < 3; ++a) {
      if (from.size[a] < 1 || from.size[a] > kLongest)
        nonsense(name + " has " + std::to_string(from.size[a]) + " voxels along " + "xyz"[a]);
      if (from.brick[a] < 1)
        nonsense(name + " is made of bricks of " + std::to_string(from.brick[a]) +
                 " voxels along " + "xyz"[a]);
      level.grid.size[a] = from.size[a];
      level.brick[a] = std::min(from.brick[a], from.size[a]);
      for (std::size_t c = 0; c < 3; ++c)
        level.grid.world_from_voxel.linear[a][c] = from.world_from_voxel[a][c];
      level.grid.world_from_voxel.offset[a] = from.world_from_voxel[a][3];
      for (const double v : from.world_from_voxel[a])
        if (!std::isfinite(v) || std::abs(v) > 1e15)
          nonsense(name + " lies nowhere in the world (a voxel size or position is no number)");
    }
    const auto bytes = volume_bytes(level.grid.size, info_.channels, width_of(scalar_));
    if (!bytes) nonsense(name + " has more voxels than any disk holds");
    if (*bytes > finer) nonsense(name + " is larger than the one before it");
    finer = *bytes;
    const double determinant = level.grid.world_from_voxel.determinant();
    if (!std::isfinite(determinant) || determinant == 0)
      nonsense(name + " has voxels without an extent");
    info_.levels.push_back(level);
  }
}

/// Lengths become mm. A spacing of the user's is that of the finest level: the others keep their
/// place relative to it, and its origin stays, or goes with the spacing where its unit is unknown.
void PluginSource::place_levels(const GigawarpDescription& said, const ReadOptions& options) {
  const std::string unit = shown_text(said.unit, 40);
  const auto mm = said.unit == nullptr ? std::nullopt : length_unit_in_mm(said.unit);
  const Affine finest = info_.levels[0].grid.world_from_voxel;
  Affine placed = finest;
  const double scale = mm.value_or(1);
  for (double& v : placed.offset) v *= scale;
  if (options.spacing_mm) {
    const Vec3 own = info_.levels[0].grid.spacing_mm();
    for (auto& row : placed.linear)
      for (std::size_t c = 0; c < 3; ++c) row[c] *= (*options.spacing_mm)[c] / own[c];
    if (!mm) placed.offset = placed.map_vector(finest.inverse().map_vector(finest.offset));
    info_.notes.emplace_back("The voxel size was given by the user.");
  } else if (!mm) {
    refuse(path_, said.unit == nullptr ? "does not say its voxel size; pass --spacing x,y,z in mm."
                  : unit.empty()
                      ? std::string("does not state the unit of its voxel size; pass --spacing "
                                    "x,y,z in mm.")
                      : "states its voxel size in an unknown unit (" + unit +
                            "); pass --spacing x,y,z in mm.");
  } else if (scale != 1) {
    info_.notes.emplace_back("Voxel size and origin were converted to mm from the file's unit.");
  }
  for (SourceLevel& level : info_.levels) {
    Affine& world = level.grid.world_from_voxel;
    if (options.spacing_mm) {
      world = placed * (finest.inverse() * world);
    } else {
      for (auto& row : world.linear)
        for (double& v : row) v *= scale;
      for (double& v : world.offset) v *= scale;
    }
    check_grid(path_, level.grid);
  }
}

void PluginSource::call_read(const GigawarpBox& box, void* out, std::uint64_t bytes) const {
  call(format_, path_,
       [&](GigawarpError* error) { return format_.calls.read(volume_, &box, out, bytes, error); });
}

template <class From, class To>
void PluginSource::read_narrow(const GigawarpBox& box, std::byte* out) const {
  std::vector<From> wide(static_cast<std::size_t>(box.size[0] * box.size[1] * box.size[2]));
  call_read(box, wide.data(), wide.size() * sizeof(From));
  for (std::size_t i = 0; i < wide.size(); ++i) {
    const To value = static_cast<To>(wide[i]);
    if (!std::cmp_equal(value, wide[i]))
      refuse(path_, "holds 64-bit integers that do not fit in 32 bits; renumber its labels first.");
    std::memcpy(out + i * sizeof value, &value, sizeof value);
  }
}

void PluginSource::read(int level, int channel, const Box& box, std::byte* out) const {
  const Size3& size = info_.levels.at(static_cast<std::size_t>(level)).grid.size;
  GigawarpBox wanted{timepoint_, level, first_channel_ + channel, {}, {}};
  for (std::size_t a = 0; a < 3; ++a) {
    if (box.begin[a] < 0 || box.size[a] < 1 || box.begin[a] > size[a] - box.size[a])
      throw Error(ErrorCode::internal, "A box outside a volume was to be read.", path_.string());
    wanted.begin[a] = box.begin[a];
    wanted.size[a] = box.size[a];
  }
  if (scalar_ == FileScalar::u64) return read_narrow<std::uint64_t, std::uint32_t>(wanted, out);
  if (scalar_ == FileScalar::i64) return read_narrow<std::int64_t, std::int32_t>(wanted, out);
  call_read(wanted, out, static_cast<std::uint64_t>(box.voxel_count()) * size_of(info_.type));
}

/// GigawarpProbe of one format. A plugin that throws here does not know the file.
std::int32_t probed(const PluginFormat& format, const GigawarpFile& file) {
  try {
    const Turn turn(format);
    return format.calls.probe(&file);
  } catch (...) {
    return GIGAWARP_NO;
  }
}

bool may_be(const PluginFormat& format, const fs::path& path, bool folder) {
  return format.has(folder ? GIGAWARP_FOLDERS : GIGAWARP_FILES) &&
         std::any_of(format.endings.begin(), format.endings.end(),
                     [&](const std::string& ending) { return has_extension(path, ending); });
}
}  // namespace

const PluginFormat* plugin_format_of(const fs::path& path) {
  std::error_code failure;
  const bool folder = fs::is_directory(path, failure);
  if (!folder && !fs::is_regular_file(path, failure)) return nullptr;
  const PluginFormat* by_name = nullptr;
  std::optional<std::vector<std::byte>> head;
  const std::string name = path.string();
  for (const LoadedPlugin& plugin : plugins().loaded)
    for (const PluginFormat& format : plugin.formats) {
      if (!may_be(format, path, folder)) continue;
      if (!head) head = folder ? std::vector<std::byte>() : read_head(path, kHeadBytes);
      const GigawarpFile file{name.c_str(), reinterpret_cast<const std::uint8_t*>(head->data()),
                              head->size(), folder ? 1 : 0};
      const std::int32_t sure = probed(format, file);
      if (sure == GIGAWARP_CONTENT) return &format;
      if (sure == GIGAWARP_NAME && by_name == nullptr) by_name = &format;
    }
  return by_name != nullptr && !has_builtin_ending(path) ? by_name : nullptr;
}

std::unique_ptr<BrickSource> open_plugin(const PluginFormat& format, const fs::path& path,
                                         const ReadOptions& options) {
  return std::make_unique<PluginSource>(format, path, options);
}

}  // namespace gigawarp::io
