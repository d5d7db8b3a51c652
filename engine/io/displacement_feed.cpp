#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "io/brick_source.h"
#include "io/gzip.h"
#include "io/import_cache.h"
#include "io/nifti.h"
#include "io/plane_reader.h"
#include "io/transform_io.h"

namespace gigawarp::io {
namespace {

class DisplacementFile final : public VolumeFeed {
 public:
  explicit DisplacementFile(std::unique_ptr<BrickSource> source) : source_(std::move(source)) {}
  std::int64_t brick_planes() const override {
    const SourceInfo& info = source_->info();
    return info.any_box ? 1 : info.levels.front().brick[2];
  }
  const Grid& grid() const override { return source_->info().levels.front().grid; }
  ScalarType type() const override { return ScalarType::f32; }
  int channels() const override { return 3; }
  void read(const Box& box, std::byte* out) const override {
    const std::int64_t voxels = box.voxel_count();
    std::array<float*, 3> d{};
    for (int c = 0; c < 3; ++c) {
      d[static_cast<std::size_t>(c)] = reinterpret_cast<float*>(out) + c * voxels;
      source_->read(0, c, box, reinterpret_cast<std::byte*>(d[static_cast<std::size_t>(c)]));
    }
    const std::int64_t row = box.size[0];
    parallel_for(box.size[1] * box.size[2], [&](std::int64_t r) {
      for (std::int64_t i = r * row; i < (r + 1) * row; ++i) {
        bool good = true;
        for (const float* p : d)
          good = good && std::abs(static_cast<double>(p[i])) <= kLargestDisplacementMm;
        if (good) continue;
        for (float* p : d) p[i] = std::numeric_limits<float>::quiet_NaN();
      }
    });
  }

 private:
  std::unique_ptr<BrickSource> source_;
};

/// A compressed NIfTI that Gigawarp wrote. Rows of a box are expanded with what lies between them,
/// so that it is one to read by whole planes.
class OwnCompressedFile final : public BrickSource {
 public:
  OwnCompressedFile(std::unique_ptr<GzipMembers> bytes, const NiftiHeader& header)
      : bytes_(std::move(bytes)), offset_(header.offset) {
    info_.type = ScalarType::f32;
    info_.channels = 3;
    info_.any_box = true;
    info_.levels = {{header.grid, {header.grid.size[0], header.grid.size[1], 1}}};
  }
  const SourceInfo& info() const override { return info_; }
  void read(int, int channel, const Box& box, std::byte* out) const override {
    const Size3& n = info_.levels.front().grid.size;
    const auto at = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
      return sizeof(float) * static_cast<std::size_t>(((channel * n[2] + z) * n[1] + y) * n[0] + x);
    };
    if (box.size[0] == n[0] && box.size[1] == n[1])
      return bytes_->read(offset_ + at(0, 0, box.begin[2]),
                          {out, sizeof(float) * static_cast<std::size_t>(box.voxel_count())});
    const auto row = sizeof(float) * static_cast<std::size_t>(box.size[0]);
    const std::size_t between = at(0, 1, 0) - at(0, 0, 0);
    std::vector<std::byte> rows(between * static_cast<std::size_t>(box.size[1] - 1) + row);
    for (std::int64_t z = 0; z < box.size[2]; ++z) {
      bytes_->read(offset_ + at(box.begin[0], box.begin[1], box.begin[2] + z), rows);
      for (std::int64_t y = 0; y < box.size[1]; ++y, out += row)
        std::memcpy(out, rows.data() + static_cast<std::size_t>(y) * between, row);
    }
  }

 private:
  std::unique_ptr<GzipMembers> bytes_;
  std::uint64_t offset_;
  SourceInfo info_;
};

/// Null for files of other programs.
std::unique_ptr<BrickSource> open_own_compressed(const NiftiHeader& header,
                                                 const std::filesystem::path& path) {
  if (!header.compressed || header.swapped || header.scaled() || header.times > 1 ||
      header.components != 3 || own_scalar(nifti_file_type(header, path)) != ScalarType::f32)
    return nullptr;
  auto bytes = GzipMembers::open(header.voxels);
  const std::uint64_t voxels =
      3 * sizeof(float) * static_cast<std::uint64_t>(header.grid.voxel_count());
  if (bytes == nullptr || bytes->size() < header.offset || bytes->size() - header.offset != voxels)
    return nullptr;
  return std::make_unique<OwnCompressedFile>(std::move(bytes), header);
}

/// Voxels 0, step, 2 step … of an axis and its last one: beyond a field the displacement is zero,
/// so that what is held must not end before it. The last cell may be shorter in the file; the value
/// at its end then stands up to step - 1 voxels further out.
class HeldVoxels {
 public:
  HeldVoxels(const Grid& file, std::int64_t step) : file_(file.size), step_(step) {
    grid_ = file;
    Affine file_from_held;
    for (std::size_t a = 0; a < 3; ++a) {
      grid_.size[a] = (file_[a] - 2 + step) / step + 1;
      file_from_held.linear[a][a] = static_cast<double>(step);
    }
    grid_.world_from_voxel = file.world_from_voxel * file_from_held;
  }
  const Grid& grid() const { return grid_; }
  std::int64_t in_file(std::size_t axis, std::int64_t i) const {
    return std::min(i * step_, file_[axis] - 1);
  }
  std::int64_t bytes() const { return grid_.voxel_count() * std::int64_t{3 * sizeof(float)}; }
  /// The held voxels of one plane of the file to plane `z` of what is held.
  void take(const float* plane, std::int64_t z, float* channel) const {
    const Size3& n = grid_.size;
    float* to = channel + z * n[0] * n[1];
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x)
        *to++ = plane[in_file(1, y) * file_[0] + in_file(0, x)];
  }

 private:
  Size3 file_;
  std::int64_t step_;
  Grid grid_;
};

void read_out_of_order(const VolumeFeed& file, const HeldVoxels& held, DisplacementField& out) {
  const Size3& n = file.grid().size;
  const std::int64_t plane = n[0] * n[1];
  std::vector<float> three(static_cast<std::size_t>(3 * plane));
  for (std::int64_t z = 0; z < held.grid().size[2]; ++z) {
    file.read({{0, 0, held.in_file(2, z)}, {n[0], n[1], 1}},
              reinterpret_cast<std::byte*>(three.data()));
    for (int c = 0; c < 3; ++c) held.take(three.data() + c * plane, z, out.component_mm(c));
  }
}

void read_in_order(PlaneReader& file, const HeldVoxels& held, DisplacementField& out) {
  const Size3& n = file.header().grid.size;
  std::vector<float> plane(static_cast<std::size_t>(n[0] * n[1]));
  for (int c = 0; c < 3; ++c)
    for (std::int64_t z = 0, next = 0; z < n[2]; ++z) {
      file.read(1, reinterpret_cast<std::byte*>(plane.data()));
      if (z == held.in_file(2, next)) held.take(plane.data(), next++, out.component_mm(c));
    }
  file.finish();
  for (std::int64_t i = 0; i < out.grid().voxel_count(); ++i) {
    bool good = true;
    for (int c = 0; c < 3; ++c)
      good =
          good && std::abs(static_cast<double>(out.component_mm(c)[i])) <= kLargestDisplacementMm;
    for (int c = 0; c < 3 && !good; ++c)
      out.component_mm(c)[i] = std::numeric_limits<float>::quiet_NaN();
  }
}

std::shared_ptr<const VolumeFeed> feed_of(std::unique_ptr<BrickSource> source) {
  if (source == nullptr || source->info().channels != 3 || source->info().type != ScalarType::f32)
    return nullptr;
  return std::make_shared<DisplacementFile>(std::move(source));
}

bool holds_lps_vectors(const std::filesystem::path& path) {
  if (!is_nifti_name(path) || read_nifti_header(path).intent != kNiftiIntentVector) return false;
  check_intent(path);
  return true;
}

}  // namespace

std::shared_ptr<const VolumeFeed> open_displacement(const std::filesystem::path& path) {
  if (!holds_lps_vectors(path)) return nullptr;
  if (auto source = open_source(path)) return feed_of(std::move(source));
  return feed_of(open_own_compressed(read_nifti_header(path), path));
}

bool can_import_displacement(const std::filesystem::path& path) {
  if (!holds_lps_vectors(path) || open_in_order(path) == nullptr) return false;
  const NiftiHeader header = read_nifti_header(path);
  return header.components == 3 && describe(header, path).type == ScalarType::f32;
}

std::shared_ptr<const VolumeFeed> import_displacement(const std::filesystem::path& path,
                                                      const Fraction& progress,
                                                      const std::stop_token& stop) {
  if (!can_import_displacement(path)) return nullptr;
  return feed_of(ImportCache().open(path, {}, progress, stop));
}

HeldTransform read_transform_within(const std::filesystem::path& path, std::uint64_t most_bytes) {
  if (!is_nifti_name(path) || read_nifti_header(path).intent != kNiftiIntentVector)
    return {read_transform(path)};
  check_intent(path);
  const std::shared_ptr<const VolumeFeed> feed = open_displacement(path);
  const std::unique_ptr<PlaneReader> planes = feed == nullptr ? open_in_order(path) : nullptr;
  if (feed == nullptr && (planes == nullptr || planes->header().channels != 3 ||
                          planes->header().type != ScalarType::f32))
    return {read_transform(path)};
  const Grid& grid = feed != nullptr ? feed->grid() : planes->header().grid;
  int step = 1;
  while (static_cast<std::uint64_t>(HeldVoxels(grid, step).bytes()) > most_bytes &&
         step < *std::max_element(grid.size.begin(), grid.size.end()))
    ++step;
  if (step == 1) return {read_transform(path)};
  const HeldVoxels held(grid, step);
  DisplacementField field(held.grid());
  feed != nullptr ? read_out_of_order(*feed, held, field) : read_in_order(*planes, held, field);
  HeldTransform out{{}, step};
  out.transform.stages.emplace_back(std::move(field));
  out.transform.sources.push_back(path.string());
  return out;
}

}  // namespace gigawarp::io
