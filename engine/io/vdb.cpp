#include "io/vdb.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "base/loaded_module.h"
#include "base/parallel.h"
#include "io/convert.h"
#include "io/file_support.h"
#include "io/vdb_module.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
constexpr const char* kFrame = "gigawarp_frame";
constexpr const char* kLps = "LPS mm";
constexpr const char* kCannot = "OpenVDB files cannot be read or written";

/// To IEEE binary16 and back, to the nearest; infinite beyond 65504.
float as_half(float value) {
  if (!std::isfinite(value)) return value;
  const float size = std::abs(value);
  if (size >= 65520) return std::copysign(std::numeric_limits<float>::infinity(), value);
  const int exponent = std::max(-14, size > 0 ? std::ilogb(size) : -14);
  const float step = std::ldexp(1.0F, exponent - 10);
  return std::copysign(std::nearbyint(size / step) * step, value);
}

struct Rounding {
  double largest = 0;  ///< what a half float takes away at most
  double low = std::numeric_limits<double>::max(), high = -low;
};

Rounding rounding_of(const float* values, std::int64_t n) {
  constexpr std::int64_t kBlock = 1 << 18;
  Rounding all;
  std::mutex mutex;
  parallel_for((n + kBlock - 1) / kBlock, [&](std::int64_t b) {
    Rounding mine;
    for (std::int64_t i = b * kBlock; i < std::min(n, (b + 1) * kBlock); ++i) {
      const float v = values[i];
      if (!std::isfinite(v)) continue;
      mine.largest = std::max(mine.largest, std::abs(static_cast<double>(as_half(v)) - v));
      mine.low = std::min<double>(mine.low, v);
      mine.high = std::max<double>(mine.high, v);
    }
    const std::lock_guard lock(mutex);
    all.largest = std::max(all.largest, mine.largest);
    all.low = std::min(all.low, mine.low);
    all.high = std::max(all.high, mine.high);
  });
  return all;
}

/// Of all eight corners when they agree, else 0.
float corner_value(const Volume& volume) {
  const Size3& n = volume.grid().size;
  const double first = volume.value(0, 0, 0);
  for (int c = 1; c < 8; ++c)
    if (volume.value((c & 1) != 0 ? n[0] - 1 : 0, (c & 2) != 0 ? n[1] - 1 : 0,
                     (c & 4) != 0 ? n[2] - 1 : 0) != first)
      return 0;
  return static_cast<float>(first);
}

bool is_mask(const Volume& labels) {
  const auto* v = labels.channel<std::int32_t>();
  return std::all_of(v, v + labels.grid().voxel_count(), [](auto x) { return x == 0 || x == 1; });
}

/// Planar channels as one vector after another.
Buffer interleaved(const Volume& volume) {
  const std::int64_t n = volume.grid().voxel_count();
  Buffer out(volume.bytes());
  auto* to = reinterpret_cast<float*>(out.data());
  for (int c = 0; c < 3; ++c)
    for (std::int64_t i = 0; i < n; ++i) to[3 * i + c] = volume.channel<float>(c)[i];
  return out;
}

/// What goes to the module, and what holds it.
struct Prepared {
  VdbVolume vdb{};
  Volume converted;
  Buffer buffer;
  std::string rounding;
  std::vector<VdbText> texts{{kFrame, kLps}};
};

void prepare_floats(const Volume& volume, double most, Prepared& out) {
  const Rounding rounding =
      rounding_of(volume.channel<float>(), volume.grid().voxel_count() * volume.channels());
  out.vdb.half = rounding.largest <= most ? 1 : 0;
  out.rounding = std::to_string(out.vdb.half != 0 ? rounding.largest : 0.0);
  out.texts.push_back({"gigawarp_rounding", out.rounding.c_str()});
}

void prepare_vectors(const Volume& volume, Prepared& out) {
  const Vec3 spacing = volume.grid().spacing_mm();
  out.vdb.kind = kVdbVector;
  out.vdb.name = "displacement";
  prepare_floats(volume, kVdbMostRounding * *std::min_element(spacing.begin(), spacing.end()), out);
  out.buffer = interleaved(volume);
  out.vdb.voxels = out.buffer.data();
  out.texts.push_back({"gigawarp_direction", "fixed to moving: x -> x + d(x)"});
}

void prepare_values(const Volume& volume, Prepared& out) {
  const bool real = volume.type() == ScalarType::f32 || volume.type() == ScalarType::f64;
  out.vdb.background = corner_value(volume);
  out.converted = to_type(volume, real ? ScalarType::f32 : ScalarType::i32);
  out.vdb.voxels = out.converted.data();
  if (real) {
    out.vdb.kind = kVdbScalar;
    out.vdb.name = "density";
    const Rounding rounding =
        rounding_of(out.converted.channel<float>(), volume.grid().voxel_count());
    return prepare_floats(out.converted,
                          kVdbMostRounding * std::max(0.0, rounding.high - rounding.low), out);
  }
  const bool mask = is_mask(out.converted);
  out.vdb.kind = mask ? kVdbBoolean : kVdbInteger;
  out.vdb.name = mask ? "mask" : "labels";
  if (!mask) return;
  out.converted = to_type(out.converted, ScalarType::u8);
  out.vdb.voxels = out.converted.data();
}

struct Read {
  fs::path path;
  ReadOptions options;
  bool header_only = false;
  int kind = 0;
  ImageHeader header;
  Buffer buffer;  ///< as the module fills it
  std::optional<Error> problem;
};

std::size_t voxel_bytes(int kind) { return kind == kVdbBoolean ? 1 : kind == kVdbVector ? 12 : 4; }

void take_header(Read& read, const VdbVolume& vdb) {
  std::map<std::string, std::string> texts;
  for (std::size_t i = 0; i < vdb.text_count; ++i) texts[vdb.texts[i].key] = vdb.texts[i].value;
  ImageHeader& header = read.header;
  read.kind = vdb.kind;
  header.type = vdb.kind == kVdbBoolean   ? ScalarType::u8
                : vdb.kind == kVdbInteger ? ScalarType::i32
                                          : ScalarType::f32;
  header.channels = vdb.kind == kVdbVector ? 3 : 1;
  header.format = "OpenVDB grid \"" + std::string(vdb.name) + "\"";
  for (std::size_t a = 0; a < 3; ++a) {
    header.grid.size[a] = vdb.size[a];
    for (std::size_t c = 0; c < 3; ++c)
      header.grid.world_from_voxel.linear[a][c] = vdb.world_from_index[a][c];
    header.grid.world_from_voxel.offset[a] = vdb.world_from_index[a][3];
  }
  const bool ours = texts[kFrame] == kLps;
  if (!ours && !read.options.spacing_mm)
    refuse(read.path, "does not say in which unit its grid lies; pass --spacing x,y,z in mm.");
  check_grid(read.path, header.grid);
  if (read.options.spacing_mm) {
    override_spacing(header.grid, *read.options.spacing_mm);
    header.notes.emplace_back("The voxel size was given by the user.");
  }
  if (!ours) header.notes.emplace_back("Its axes were taken as LPS.");
  if (const std::string& lost = texts["gigawarp_rounding"]; !lost.empty() && std::stod(lost) > 0)
    header.notes.push_back("Its values are rounded to 16 bits, by " + lost + " at most.");
}

void* take_volume(void* owner, const VdbVolume* vdb) {
  Read& read = *static_cast<Read*>(owner);
  try {
    take_header(read, *vdb);
    if (read.header_only) return nullptr;
    const auto bytes = volume_bytes(read.header.grid.size, 1, voxel_bytes(vdb->kind));
    check_memory(read.path, 2 * bytes.value_or(std::uint64_t{1} << 61));
    read.buffer = Buffer(static_cast<std::size_t>(*bytes));
    return read.buffer.data();
  } catch (const Error& error) {
    read.problem = error;
  } catch (const std::exception& error) {
    read.problem =
        Error(ErrorCode::bad_input, "The file \"" + read.path.string() + "\" has damaged metadata.",
              read.path.string());
  }
  return nullptr;
}

Read read_with_module(const fs::path& path, const ReadOptions& options, bool header_only) {
  checked_file_size(path);
  static const auto work =
      reinterpret_cast<ReadVdb>(function_of_module(kVdbModule, kReadVdb, kCannot));
  Read read{path, options, header_only, 0, {}, {}, {}};
  const VdbTaker taker{&read, take_volume};
  std::array<char, 512> why{};
  const int good = work(path.c_str(), &taker, why.data(), why.size());
  if (read.problem) throw *read.problem;
  if (good == 0)
    refuse(path, "is not an OpenVDB file that can be read (" + std::string(why.data()) + ").");
  return read;
}
}  // namespace

bool is_vdb_name(const fs::path& path) { return has_extension(path, ".vdb"); }

ImageHeader read_vdb_header(const fs::path& path, const ReadOptions& options) {
  return read_with_module(path, options, true).header;
}

Volume read_vdb(const fs::path& path, const ReadOptions& options) {
  const Read read = read_with_module(path, options, false);
  const ImageHeader& header = read.header;
  Volume volume(header.grid, header.type, header.channels);
  if (read.kind == kVdbVector) {
    const auto* from = reinterpret_cast<const float*>(read.buffer.data());
    for (int c = 0; c < 3; ++c)
      for (std::int64_t i = 0; i < header.grid.voxel_count(); ++i)
        volume.channel<float>(c)[i] = from[3 * i + c];
  } else {
    std::memcpy(volume.data(), read.buffer.data(), volume.bytes());
  }
  volume.notes() = header.notes;
  return volume;
}

void write_vdb(const Volume& volume, const fs::path& path) {
  const bool vectors = volume.channels() == 3 && volume.type() == ScalarType::f32;
  const Size3& n = volume.grid().size;
  if (!vectors && volume.channels() != 1)
    throw Error(ErrorCode::usage,
                "OpenVDB is written for one channel, or for three of f32 (displacements); choose "
                "one with --channel.",
                path.string());
  if (*std::max_element(n.begin(), n.end()) > std::numeric_limits<std::int32_t>::max())
    throw Error(ErrorCode::usage, "The volume is too long for an OpenVDB file.", path.string());
  static const auto work =
      reinterpret_cast<WriteVdb>(function_of_module(kVdbModule, kWriteVdb, kCannot));
  Prepared prepared;
  vectors ? prepare_vectors(volume, prepared) : prepare_values(volume, prepared);
  VdbVolume& vdb = prepared.vdb;
  const Affine& world = volume.grid().world_from_voxel;
  for (std::size_t r = 0; r < 3; ++r) {
    vdb.size[r] = n[r];
    for (std::size_t c = 0; c < 3; ++c) vdb.world_from_index[r][c] = world.linear[r][c];
    vdb.world_from_index[r][3] = world.offset[r];
  }
  vdb.texts = prepared.texts.data();
  vdb.text_count = prepared.texts.size();
  AtomicFile file(path);
  file.close();
  std::array<char, 512> why{};
  if (work(&vdb, file.temporary().c_str(), why.data(), why.size()) == 0)
    refuse_output(path, std::string(why.data()) + "; is the disk full?");
  file.commit();
}

}  // namespace gigawarp::io
