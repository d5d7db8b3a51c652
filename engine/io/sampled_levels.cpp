#include "io/sampled_levels.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/parallel.h"

namespace gigawarp::io {

namespace {
constexpr std::int64_t kShortAxis = 64;
constexpr Size3 kBrick{128, 64, 64};  // rows are what a plain file gives cheaply

/// A level made of the coarsest one that the file has: its voxel i is that one's i * factor +
/// offset.
struct Sampling {
  Size3 factor{1, 1, 1}, offset{0, 0, 0};
};

SourceLevel sampled(const SourceLevel& base, const Sampling& s) {
  SourceLevel out;
  Affine base_from_level;
  for (std::size_t a = 0; a < 3; ++a) {
    out.grid.size[a] = (base.grid.size[a] - s.offset[a] - 1) / s.factor[a] + 1;
    out.brick[a] = std::min<std::int64_t>(out.grid.size[a], kShortAxis);
    base_from_level.linear[a][a] = static_cast<double>(s.factor[a]);
    base_from_level.offset[a] = static_cast<double>(s.offset[a]);
  }
  out.grid.world_from_voxel = base.grid.world_from_voxel * base_from_level;
  return out;
}

/// The next coarser one; the same when no axis is long enough.
Sampling halved(const SourceLevel& base, const Sampling& now) {
  Sampling next = now;
  const Size3 size = sampled(base, now).grid.size;
  for (std::size_t a = 0; a < 3; ++a) {
    if (size[a] <= kShortAxis) continue;
    next.factor[a] = 2 * now.factor[a];
    next.offset[a] = next.factor[a] / 2;
  }
  return next;
}

class SampledLevels : public BrickSource {
 public:
  SampledLevels(std::shared_ptr<const BrickSource> source, std::int64_t most_voxels)
      : source_(std::move(source)), info_(source_->info()), own_(info_.levels.size()) {
    if (info_.any_box)
      for (SourceLevel& level : info_.levels)
        for (std::size_t a = 0; a < 3; ++a)
          level.brick[a] = std::min(kBrick[a], level.grid.size[a]);
    const SourceLevel base = info_.levels.back();
    for (Sampling now; info_.levels.back().grid.voxel_count() > most_voxels;) {
      const Sampling next = halved(base, now);
      if (next.factor == now.factor) break;
      now = next;
      samplings_.push_back(now);
      info_.levels.push_back(sampled(base, now));
    }
    if (!samplings_.empty())
      info_.notes.emplace_back(own_ > 1
                                   ? "Levels coarser than the file's are samples of them."
                                   : "The file has one level; coarser ones are samples of it.");
  }
  const SourceInfo& info() const override { return info_; }
  void read(int level, int channel, const Box& box, std::byte* out) const override {
    if (static_cast<std::size_t>(level) < own_) return source_->read(level, channel, box, out);
    const Sampling& sampling = samplings_[static_cast<std::size_t>(level) - own_];
    info_.any_box ? read_rows(sampling, channel, box, out)
                  : read_chunks(sampling, channel, box, out);
  }

 private:
  int base() const { return static_cast<int>(own_) - 1; }
  void read_rows(const Sampling& s, int channel, const Box& box, std::byte* out) const;
  void read_chunks(const Sampling& s, int channel, const Box& box, std::byte* out) const;
  void sample_chunk(const Sampling& s, int channel, const Box& chunk, const Box& box,
                    std::byte* out) const;

  std::shared_ptr<const BrickSource> source_;
  SourceInfo info_;
  std::size_t own_;  ///< levels of the file
  std::vector<Sampling> samplings_;
};

void SampledLevels::read_rows(const Sampling& s, int channel, const Box& box,
                              std::byte* out) const {
  const std::size_t width = size_of(info_.type);
  const auto row_voxels = (box.size[0] - 1) * s.factor[0] + 1;
  parallel_for(box.size[2], [&](std::int64_t z) {
    std::vector<std::byte> row(static_cast<std::size_t>(row_voxels) * width);
    for (std::int64_t y = 0; y < box.size[1]; ++y) {
      const Box part{
          {box.begin[0] * s.factor[0] + s.offset[0], (box.begin[1] + y) * s.factor[1] + s.offset[1],
           (box.begin[2] + z) * s.factor[2] + s.offset[2]},
          {row_voxels, 1, 1}};
      source_->read(base(), channel, part, row.data());
      std::byte* to = out + static_cast<std::size_t>((z * box.size[1] + y) * box.size[0]) * width;
      const std::size_t step = static_cast<std::size_t>(s.factor[0]) * width;
      for (std::size_t x = 0; x < static_cast<std::size_t>(box.size[0]); ++x)
        std::memcpy(to + x * width, row.data() + x * step, width);
    }
  });
}

/// Chunk by chunk, so that memory is that of a chunk per thread.
void SampledLevels::read_chunks(const Sampling& s, int channel, const Box& box,
                                std::byte* out) const {
  const SourceLevel& level = info_.levels[own_ - 1];
  Size3 first{}, count{};
  for (std::size_t a = 0; a < 3; ++a) {
    first[a] = (box.begin[a] * s.factor[a] + s.offset[a]) / level.brick[a];
    count[a] = ((box.begin[a] + box.size[a] - 1) * s.factor[a] + s.offset[a]) / level.brick[a] + 1 -
               first[a];
  }
  parallel_for(count[0] * count[1] * count[2], [&](std::int64_t i) {
    const Size3 index{first[0] + i % count[0], first[1] + i / count[0] % count[1],
                      first[2] + i / (count[0] * count[1])};
    Box chunk;
    for (std::size_t a = 0; a < 3; ++a) {
      chunk.begin[a] = index[a] * level.brick[a];
      chunk.size[a] = std::min(level.brick[a], level.grid.size[a] - chunk.begin[a]);
    }
    sample_chunk(s, channel, chunk, box, out);
  });
}

/// The voxels of `box`, a box of the sampled level, that lie in one chunk of the base level.
void SampledLevels::sample_chunk(const Sampling& s, int channel, const Box& chunk, const Box& box,
                                 std::byte* out) const {
  const std::size_t width = size_of(info_.type);
  Size3 begin{}, end{};  // in voxels of the sampled level
  Box part;
  for (std::size_t a = 0; a < 3; ++a) {
    const auto at_or_after = [&](std::int64_t base_voxel) {
      return (std::max<std::int64_t>(base_voxel - s.offset[a], 0) + s.factor[a] - 1) / s.factor[a];
    };
    begin[a] = std::max(box.begin[a], at_or_after(chunk.begin[a]));
    end[a] = std::min(box.begin[a] + box.size[a], at_or_after(chunk.begin[a] + chunk.size[a]));
    if (begin[a] >= end[a]) return;
    part.begin[a] = begin[a] * s.factor[a] + s.offset[a];
    part.size[a] = (end[a] - 1 - begin[a]) * s.factor[a] + 1;
  }
  std::vector<std::byte> voxels(static_cast<std::size_t>(part.voxel_count()) * width);
  source_->read(base(), channel, part, voxels.data());
  for (std::int64_t z = begin[2]; z < end[2]; ++z)
    for (std::int64_t y = begin[1]; y < end[1]; ++y) {
      const std::byte* from =
          voxels.data() + static_cast<std::size_t>(((z - begin[2]) * s.factor[2] * part.size[1] +
                                                    (y - begin[1]) * s.factor[1]) *
                                                   part.size[0]) *
                              width;
      std::byte* to =
          out + static_cast<std::size_t>(((z - box.begin[2]) * box.size[1] + y - box.begin[1]) *
                                             box.size[0] +
                                         begin[0] - box.begin[0]) *
                    width;
      for (std::int64_t x = 0; x < end[0] - begin[0]; ++x)
        std::memcpy(to + static_cast<std::size_t>(x) * width,
                    from + static_cast<std::size_t>(x * s.factor[0]) * width, width);
    }
}
}  // namespace

std::shared_ptr<const BrickSource> with_coarse_levels(std::shared_ptr<const BrickSource> source,
                                                      std::int64_t most_voxels) {
  const SourceInfo& info = source->info();
  if (!info.any_box && info.levels.back().grid.voxel_count() <= most_voxels) return source;
  return std::make_shared<SampledLevels>(std::move(source), most_voxels);
}

}  // namespace gigawarp::io
