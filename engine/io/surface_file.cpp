#include "io/surface_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/parallel.h"
#include "io/surface_parts.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
/// RAS and LPS differ in the signs of x and y.
Affine flipped() {
  Affine flip;
  flip.linear[0][0] = flip.linear[1][1] = -1;
  return flip;
}

const char* name_of(SurfaceSpace space) { return space == SurfaceSpace::ras ? "RAS" : "LPS"; }

struct Kind {
  const char* ending;
  std::unique_ptr<SurfaceFile> (*make)(const fs::path& path);
};
constexpr Kind kKinds[] = {{".ply", make_ply},       {".obj", make_obj},
                           {".stl", make_stl},       {".vtk", make_poly_data},
                           {".vtp", make_poly_data}, {".gii", make_gifti}};
}  // namespace

void SurfaceFile::take_frame(std::optional<SurfaceSpace> given) {
  if (stated_ && given && *stated_ != *given)
    throw Error(ErrorCode::usage,
                "\"" + path_.string() + "\" says itself that its coordinates are " +
                    name_of(*stated_) + "; leave --mesh-space out.",
                "--mesh-space");
  if (!stated_ && !given)
    notes_.emplace_back(
        "It does not say whether its coordinates are LPS or RAS; they were taken as LPS "
        "(--mesh-space ras for the other).");
  const SurfaceSpace space = stated_ ? *stated_ : given.value_or(SurfaceSpace::lps);
  world_from_file_ = space == SurfaceSpace::ras ? flipped() : Affine{};
  // Who says "ras" of a file that is RAS in a frame of its own says that it is the scanner's.
  if (stated_from_file_ && !given) world_from_file_ = world_from_file_ * *stated_from_file_;
  for (Vec3& p : points_) p = world_from_file_(p);
}

std::int64_t SurfaceFile::write(const fs::path& out, const std::stop_token& stop) {
  const Affine file_from_world = world_from_file_.inverse();
  std::vector<std::int64_t> new_index;
  std::int64_t kept = 0;
  for (std::size_t i = 0; i < points_.size(); ++i) {
    if (is_left_out(i)) {
      if (new_index.empty()) {
        new_index.resize(points_.size());
        for (std::size_t k = 0; k < i; ++k) new_index[k] = static_cast<std::int64_t>(k);
      }
      new_index[i] = -1;
      continue;
    }
    points_[i] = file_from_world(points_[i]);
    if (!new_index.empty()) new_index[i] = kept;
    ++kept;
  }
  if (kept == 0)
    refuse(path_,
           "has no point where the transform is defined; check that the surface lies in "
           "the fixed space, and its --mesh-space.");
  return write_file(out, new_index, stop);
}

std::string surface_ending(const fs::path& path) {
  for (const Kind& kind : kKinds)
    if (has_extension(path, kind.ending)) return kind.ending;
  return {};
}

std::unique_ptr<SurfaceFile> open_surface(const fs::path& path, std::optional<SurfaceSpace> given,
                                          const std::stop_token& stop) {
  checked_file_size(path);
  for (const Kind& kind : kKinds) {
    if (!has_extension(path, kind.ending)) continue;
    std::unique_ptr<SurfaceFile> file = kind.make(path);
    file->open(stop);
    if (file->points_.empty()) refuse(path, "holds no points.");
    for (const Vec3& p : file->points_)
      for (const double v : p)
        if (!std::isfinite(v)) refuse(path, "holds a point whose position is not a number.");
    file->take_frame(given);
    return file;
  }
  std::string endings;
  for (const Kind& kind : kKinds) {
    if (!endings.empty()) endings += &kind == std::end(kKinds) - 1 ? " and " : ", ";
    endings += kind.ending;
  }
  refuse(path, "is no surface that can be read: " + endings +
                   " are known; FreeSurfer's own are made GIFTI by mris_convert --to-scanner.");
}

std::optional<SurfaceSpace> space_in(std::string_view text) {
  if (text.find("SPACE=RAS") != std::string_view::npos) return SurfaceSpace::ras;
  if (text.find("SPACE=LPS") != std::string_view::npos) return SurfaceSpace::lps;
  return std::nullopt;
}

void check_surface_memory(const fs::path& path, std::uint64_t bytes) {
  check_memory(path, bytes, {"surface", "may need", "thin the surface out"});
}

void check_points(const fs::path& path, std::uint64_t points, std::uint64_t bytes_each) {
  const std::uint64_t size = checked_file_size(path);
  if (points > size / std::max<std::uint64_t>(bytes_each, 1))
    refuse(path, "is too short for the " + std::to_string(points) +
                     " points that it announces; it was probably not written completely.");
  check_surface_memory(path, points * sizeof(Vec3));
}

void split_words(std::string_view line, std::vector<std::string_view>& words) {
  constexpr std::string_view kBetween = " \t\r";
  words.clear();
  for (std::size_t at = line.find_first_not_of(kBetween); at != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBetween, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBetween, end);
  }
}

namespace {
template <class T>
std::optional<T> parsed(std::string_view word) {
  if (word.starts_with('+')) word.remove_prefix(1);
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
  return value;
}
}  // namespace

std::optional<double> finite_number(std::string_view word) {
  const std::optional<double> value = parsed<double>(word);
  return value && std::isfinite(*value) ? value : std::nullopt;
}

std::optional<std::int64_t> whole_number(std::string_view word) {
  return parsed<std::int64_t>(word);
}

void append_number(std::string& text, double value, int digits) {
  std::array<char, 40> word{};
  const auto end = std::to_chars(word.data(), word.data() + word.size(), value == 0 ? 0.0 : value,
                                 std::chars_format::general, digits);
  text.append(word.data(), end.ptr);
}

void refuse_changed(const fs::path& path) {
  refuse(path, "changed while it was read; try again when nothing writes to it.");
}

ForwardFile::ForwardFile(const fs::path& path) : path_(path), buffer_(std::size_t{1} << 20) {
  checked_file_size(path);
  stream_.rdbuf()->pubsetbuf(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
  stream_.open(path, std::ios::binary);
  if (!stream_) refuse(path, "cannot be opened; check its permissions.");
}

bool ForwardFile::line(std::string& text) {
  if (!std::getline(stream_, text)) {
    if (stream_.bad()) refuse(path_, "cannot be read; the disk or the connection to it failed.");
    return false;
  }
  if (text.ends_with('\r')) text.pop_back();
  ++lines_;
  return true;
}

void ForwardFile::bytes(void* to, std::size_t count) {
  if (!stream_.read(static_cast<char*>(to), static_cast<std::streamsize>(count)))
    refuse(path_, "ends too early; it was probably not written completely.");
}

}  // namespace gigawarp::io
