#include "job/preview_file.h"

#include <cstdint>
#include <cstring>
#include <fstream>
#include <utility>

#include "base/replace_file.h"
#include "gigawarp/error.h"

namespace gigawarp::job {
namespace {

constexpr std::uint64_t kMagic = 0x3130565047574947;  // "GIGWPV01"
constexpr std::int64_t kLargestAxis = 1 << 16, kLargestVoxels = 1 << 28;

struct Header {
  std::uint64_t magic = kMagic;
  double affine[12]{};
  double world_from_voxel[12]{};
  std::int64_t size[3]{};  ///< zero: no displacement
};

void put(const Affine& map, double* out) {
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) out[4 * r + c] = map.linear[r][c];
    out[4 * r + 3] = map.offset[r];
  }
}

Affine get(const double* in) {
  Affine map;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) map.linear[r][c] = in[4 * r + c];
    map.offset[r] = in[4 * r + 3];
  }
  return map;
}

[[noreturn]] void fail(const std::filesystem::path& path) {
  throw Error(
      ErrorCode::bad_input,
      "The preview \"" + path.string() + "\" is missing or damaged; the run may have ended.",
      path.string());
}

}  // namespace

void write_preview(const Affine& moving_from_fixed, const DisplacementField* displacement_mm,
                   const std::filesystem::path& path) {
  Header header;
  put(moving_from_fixed, header.affine);
  if (displacement_mm != nullptr) {
    put(displacement_mm->grid().world_from_voxel, header.world_from_voxel);
    for (int a = 0; a < 3; ++a) header.size[a] = displacement_mm->grid().size[a];
  }
  const bool written = replace_file(path, ".part", [&](const std::filesystem::path& part) {
    std::ofstream stream(part, std::ios::binary | std::ios::trunc);
    stream.write(reinterpret_cast<const char*>(&header), sizeof header);
    if (displacement_mm != nullptr)
      stream.write(
          reinterpret_cast<const char*>(displacement_mm->component_mm(0)),
          static_cast<std::streamsize>(3 * sizeof(float)) * displacement_mm->grid().voxel_count());
    stream.close();
    return static_cast<bool>(stream);
  });
  if (!written)
    throw Error(ErrorCode::output_not_written,
                "The preview \"" + path.string() + "\" could not be written.", path.string());
}

PreviewState read_preview(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  Header header;
  if (!stream.read(reinterpret_cast<char*>(&header), sizeof header) || header.magic != kMagic)
    fail(path);
  PreviewState state;
  state.moving_from_fixed = get(header.affine);
  if (header.size[0] == 0) return state;
  Grid grid;
  for (int a = 0; a < 3; ++a) {
    if (header.size[a] < 1 || header.size[a] > kLargestAxis) fail(path);
    grid.size[a] = header.size[a];
  }
  if (grid.voxel_count() > kLargestVoxels) fail(path);
  grid.world_from_voxel = get(header.world_from_voxel);
  state.displacement_mm.emplace(grid);
  if (!stream.read(reinterpret_cast<char*>(state.displacement_mm->component_mm(0)),
                   static_cast<std::streamsize>(3 * sizeof(float)) * grid.voxel_count()))
    fail(path);
  return state;
}

void look_on(const std::filesystem::path& folder) noexcept {
  // Another length each time would do as well; a new file has a new time on every file system.
  std::ofstream(folder / kOnlooker, std::ios::trunc)
      << std::chrono::steady_clock::now().time_since_epoch().count();
}

void look_away(const std::filesystem::path& folder) noexcept {
  std::error_code ignored;
  for (const char* name : {kOnlooker, kOnlookersPreview})
    std::filesystem::remove(folder / name, ignored);
}

PreviewFile::PreviewFile(const RunSwitch& control, std::filesystem::path folder,
                         std::function<void(const std::string&)> written,
                         std::function<void(const std::string&)> failed)
    : control_(control),
      folder_(std::move(folder)),
      written_(std::move(written)),
      failed_(std::move(failed)) {}

PreviewFile::~PreviewFile() { look_away(folder_); }

/// By changes of the file's time, not by the time itself: clocks of disks elsewhere may be off.
bool PreviewFile::onlooker_is_there() {
  constexpr std::chrono::seconds kBetweenLooks{1}, kPatience{5};
  const Clock::time_point now = Clock::now();
  if (now - last_look_ >= kBetweenLooks) {
    last_look_ = now;
    std::error_code absent;
    const auto mark = std::filesystem::last_write_time(folder_ / kOnlooker, absent);
    if (!absent && mark != std::exchange(onlooker_mark_, mark)) onlooker_seen_ = now;
  }
  return onlooker_seen_ != Clock::time_point{} && now - onlooker_seen_ < kPatience;
}

bool PreviewFile::due() {
  constexpr std::chrono::milliseconds kForOnlooker{400};
  const Clock::time_point now = Clock::now();
  wanted_ = control_.preview();
  for_switch_ = !wanted_.file.empty() && wanted_.file != broken_ &&
                std::chrono::duration<double>(now - last_).count() >= wanted_.interval_s;
  for_onlooker_ = onlooker_is_there() && now - last_for_onlooker_ >= kForOnlooker;
  return for_switch_ || for_onlooker_;
}

void PreviewFile::show(const Affine& moving_from_fixed, const DisplacementField* displacement_mm) {
  if (for_switch_) try {
      write_preview(moving_from_fixed, displacement_mm, wanted_.file);
      written_(wanted_.file);
    } catch (const Error& error) {
      broken_ = wanted_.file;
      failed_(error.what());
    }
  if (for_onlooker_) try {
      write_preview(moving_from_fixed, displacement_mm, folder_ / kOnlookersPreview);
    } catch (const Error&) {
      onlooker_seen_ = {};  // a full disk must not end a run, nor fill its log
    }
  const Clock::time_point now = Clock::now();
  if (for_switch_) last_ = now;
  if (for_onlooker_) last_for_onlooker_ = now;
}

}  // namespace gigawarp::job
