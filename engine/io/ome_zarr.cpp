#include "io/ome_zarr.h"

#include <algorithm>
#include <cmath>

#include "io/file_support.h"
#include "io/http.h"
#include "io/length_units.h"
#include "io/ome_metadata.h"
#include "io/zarr_array.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
/// Says why there is nothing at an address: that it may not be read, or that it is not there.
void check_address(const fs::path& address, const std::stop_token& stop) {
  if (!is_address(address) || is_zarr_folder(address, stop)) return;
  for (const char* name : {"zarr.json", ".zattrs"}) fetch(address / name, {}, stop);
  throw Error(ErrorCode::bad_input,
              "The address \"" + address.string() +
                  "\" leads to no volume: there is no Zarr metadata below it. Check it; over the "
                  "network OME-Zarr and Zarr arrays are read, other files have to be downloaded.",
              address.string());
}

OmeMultiscale metadata_of(const fs::path& folder, const std::stop_token& stop) {
  check_address(folder, stop);
  return is_zarr_array(folder, stop)
             ? plain_array(read_zarr_layout(folder, stop).shape.size(), folder)
             : read_ome_metadata(folder, stop);
}

class OmeZarrSource : public BrickSource {
 public:
  OmeZarrSource(const fs::path& folder, const ReadOptions& options);
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override;

 private:
  void open_levels(const std::stop_token& stop);
  void choose(const ImageSelection& selection);
  Vec3 mm_per_unit(const ReadOptions& options);
  Size3 space_sizes(const std::vector<std::int64_t>& sizes) const;
  void place_levels(const ReadOptions& options);
  void infer_scales();

  fs::path folder_;
  OmeMultiscale ome_;
  std::vector<ZarrArray> arrays_;
  std::int64_t first_channel_ = 0, timepoint_ = 0;
  SourceInfo info_;
};

Size3 OmeZarrSource::space_sizes(const std::vector<std::int64_t>& sizes) const {
  Size3 out{1, 1, 1};
  for (std::size_t a = 0; a < 3; ++a)
    if (ome_.space[a]) out[a] = sizes[*ome_.space[a]];
  return out;
}

void OmeZarrSource::open_levels(const std::stop_token& stop) {
  if (is_address(folder_))  // which then are known: levels are many, and servers far
    many_at_once(static_cast<std::int64_t>(ome_.levels.size()), [&](std::int64_t l) {
      read_zarr_layout(folder_ / ome_.levels[static_cast<std::size_t>(l)].path, stop);
    });
  for (const OmeMultiscale::Level& level : ome_.levels) {
    arrays_.emplace_back(folder_ / level.path, stop);
    const ZarrLayout& layout = arrays_.back().layout();
    if (layout.shape.size() != ome_.rank)
      refuse(folder_ / level.path, "has " + std::to_string(layout.shape.size()) +
                                       " dimensions where the image has " +
                                       std::to_string(ome_.rank) + " axes.");
    if (arrays_.back().type() != arrays_.front().type())
      refuse(folder_, "has levels of different voxel types.");
    for (const auto& d : {ome_.channel, ome_.time})
      if (d && layout.shape[*d] != arrays_.front().layout().shape[*d])
        refuse(folder_, "has levels with different numbers of channels or time points.");
  }
  const ZarrLayout& finest = arrays_.front().layout();
  info_.type = arrays_.front().type();
  const std::string kind =
      ome_.version.empty() ? "Zarr v" + std::to_string(finest.format) : "OME-Zarr " + ome_.version;
  info_.format = kind + " (" + finest.codec_text() + ")";
  info_.labels = ome_.labels;
  info_.notes = ome_.notes;
  info_.remote = is_address(folder_);
  if (info_.remote)
    info_.notes.emplace_back("Read over the network; its checksum is that of its metadata.");
  if (finest.scalar == ZarrScalar::f16) info_.notes.emplace_back("Half floats were read as f32.");
  if (finest.scalar == ZarrScalar::boolean) info_.notes.emplace_back("Booleans were read as u8.");
  if (finest.scalar == ZarrScalar::u64 || finest.scalar == ZarrScalar::i64)
    info_.notes.emplace_back("64-bit integers are read as 32-bit ones.");
}

void OmeZarrSource::choose(const ImageSelection& selection) {
  const std::vector<std::int64_t>& shape = arrays_.front().layout().shape;
  const std::int64_t timepoints = ome_.time ? shape[*ome_.time] : 1;
  timepoint_ = chosen_part(folder_, timepoints, selection.timepoint, "time point", "--timepoint");
  const std::int64_t channels = ome_.channel ? shape[*ome_.channel] : 1;
  if (selection.channel)
    first_channel_ = chosen_part(folder_, channels, selection.channel, "channel", "--channel");
  const std::int64_t delivered = selection.channel ? 1 : channels;
  if (delivered > 4096)
    refuse(folder_, "has " + std::to_string(channels) + " channels; choose one with --channel.");
  info_.channels = static_cast<int>(delivered);
  constexpr std::int64_t kMost = 1 << 30;
  info_.parts = {static_cast<int>(std::min(channels, kMost)),
                 static_cast<int>(std::min(timepoints, kMost)), ome_.channel_names};
}

/// Millimetres per unit of the file along x, y, z.
Vec3 OmeZarrSource::mm_per_unit(const ReadOptions& options) {
  Vec3 out{1, 1, 1};
  bool converted = false;
  for (std::size_t a = 0; a < 3; ++a) {
    if (!ome_.space[a]) continue;
    if (options.spacing_mm) {
      out[a] = (*options.spacing_mm)[a] / std::abs(ome_.levels[0].scale[a]);
      continue;
    }
    const std::string& unit = ome_.unit[a];
    const auto mm = length_unit_in_mm(unit);
    if (!ome_.levels[0].placed)
      refuse(folder_, "does not say its voxel size; pass --spacing x,y,z in mm.");
    if (!mm)
      refuse(folder_, (unit.empty() ? std::string("does not state the unit of its voxel size")
                                    : "states its voxel size in an unknown unit (" + unit + ")") +
                          "; pass --spacing x,y,z in mm.");
    out[a] = *mm;
    converted = converted || *mm != 1;
  }
  if (options.spacing_mm) info_.notes.emplace_back("The voxel size was given by the user.");
  if (converted)
    info_.notes.emplace_back("Voxel size and origin were converted to mm from the file's unit.");
  return out;
}

/// Levels of versions that state no scale: from the ratio of sizes, corners aligned.
void OmeZarrSource::infer_scales() {
  const Size3 finest = space_sizes(arrays_[0].layout().shape);
  for (std::size_t l = 1; l < arrays_.size(); ++l) {
    OmeMultiscale::Level& level = ome_.levels[l];
    if (level.placed || ome_.levels[0].placed) continue;
    const Size3 size = space_sizes(arrays_[l].layout().shape);
    for (std::size_t a = 0; a < 3; ++a) {
      level.scale[a] =
          std::max(1.0, std::round(static_cast<double>(finest[a]) / static_cast<double>(size[a])));
      level.translation[a] = (level.scale[a] - 1) / 2;
    }
  }
}

void OmeZarrSource::place_levels(const ReadOptions& options) {
  for (const OmeMultiscale::Level& level : ome_.levels)
    for (const double s : level.scale)
      if (!std::isfinite(s) || s == 0)
        refuse(folder_, "has no usable voxel size; pass --spacing x,y,z in mm or repair it.");
  infer_scales();
  const Vec3 mm = mm_per_unit(options);
  const Mat3 direction = ome_.direction.value_or(Affine{}.linear);
  if (!ome_.direction)
    info_.notes.emplace_back(
        "The file states no anatomical orientation; x, y, z were taken as L, P, S.");
  for (std::size_t l = 0; l < arrays_.size(); ++l) {
    const OmeMultiscale::Level& level = ome_.levels[l];
    const ZarrLayout& layout = arrays_[l].layout();
    SourceLevel out;
    Affine frame;  // the file's own axes, mm
    for (std::size_t a = 0; a < 3; ++a) {
      frame.linear[a][a] = level.scale[a] * mm[a];
      frame.offset[a] = level.translation[a] * mm[a];
    }
    if (!ome_.space[2]) frame.linear[2][2] = std::abs(frame.linear[0][0]);  // a picture
    out.grid = {space_sizes(layout.shape), Affine{direction, {}} * frame};
    out.brick = space_sizes(layout.chunk);
    check_grid(folder_ / level.path, out.grid);
    info_.levels.push_back(out);
  }
}

OmeZarrSource::OmeZarrSource(const fs::path& folder, const ReadOptions& options)
    : folder_(folder), ome_(metadata_of(folder, options.stop)) {
  open_levels(options.stop);
  choose(options.selection);
  place_levels(options);
}

void OmeZarrSource::read(int level, int channel, const Box& box, std::byte* out) const {
  std::vector<std::int64_t> begin(ome_.rank, 0), count(ome_.rank, 1), stride(ome_.rank, 0);
  std::int64_t step = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    if (ome_.space[a]) {
      begin[*ome_.space[a]] = box.begin[a];
      count[*ome_.space[a]] = box.size[a];
      stride[*ome_.space[a]] = step;
    }
    step *= box.size[a];
  }
  if (ome_.channel) begin[*ome_.channel] = first_channel_ + channel;
  if (ome_.time) begin[*ome_.time] = timepoint_;
  arrays_[static_cast<std::size_t>(level)].read(begin, count, out, stride);
}
}  // namespace

std::unique_ptr<BrickSource> open_ome_zarr(const fs::path& folder, const ReadOptions& options) {
  return std::make_unique<OmeZarrSource>(folder, options);
}

}  // namespace gigawarp::io
