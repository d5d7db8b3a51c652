#include "solve/found_fields.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"
#include "solve/inverse_samples.h"

namespace gigawarp::solve {
namespace {

/// Whole planes of three channels, of which a box is wanted.
void crop(const Volume& planes, const Box& box, std::byte* out) {
  const Box inside{{box.begin[0], box.begin[1], 0}, box.size};
  WholeVolume(&planes).read(inside, out);
}

bool has_whole_planes(const Box& box, const Grid& grid) {
  return box.size[0] == grid.size[0] && box.size[1] == grid.size[1];
}

class DisplacementFeed final : public VolumeFeed {
 public:
  DisplacementFeed(std::shared_ptr<FoundFields> fields, const ops::FieldView& displacement)
      : fields_(std::move(fields)), displacement_(displacement) {}
  const Grid& grid() const override { return fields_->grid; }
  ScalarType type() const override { return ScalarType::f32; }
  int channels() const override { return 3; }
  void read(const Box& box, std::byte* out) const override {
    if (has_whole_planes(box, grid())) {
      read_planes_mm({box.begin[2], box.begin[2] + box.size[2]}, reinterpret_cast<float*>(out));
      return;
    }
    Volume planes(Grid{{grid().size[0], grid().size[1], box.size[2]}, {}}, ScalarType::f32, 3);
    read_planes_mm({box.begin[2], box.begin[2] + box.size[2]}, planes.channel<float>());
    crop(planes, box, out);
  }

 private:
  void read_planes_mm(ops::ZRange range, float* out) const;

  std::shared_ptr<FoundFields> fields_;
  ops::FieldView displacement_;
};

void DisplacementFeed::read_planes_mm(ops::ZRange range, float* out) const {
  const std::int64_t plane = grid().size[0] * grid().size[1];
  const std::int64_t planes = range.end - range.begin;
  float* const component[3] = {out, out + planes * plane, out + 2 * planes * plane};
  {
    const std::lock_guard lock(fields_->mutex);
    const TimeSum::Piece piece(*fields_->transfer_time);
    download_planes(displacement_, range, *fields_->backend, component);
  }
  float t[3][3];
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) t[r][c] = static_cast<float>(grid().world_from_voxel.linear[r][c]);
  parallel_for(planes, [&](std::int64_t z) {
    float* p[3];
    for (int c = 0; c < 3; ++c) p[c] = component[c] + z * plane;
    for (std::int64_t i = 0; i < plane; ++i) {
      const float a = p[0][i], b = p[1][i], c = p[2][i];
      for (int r = 0; r < 3; ++r) p[r][i] = t[r][0] * a + t[r][1] * b + t[r][2] * c;
    }
  });
}

class FittedFeed final : public VolumeFeed {
 public:
  explicit FittedFeed(std::shared_ptr<const VolumeFeed> exact) : exact_(std::move(exact)) {}
  const Grid& grid() const override { return exact_->grid(); }
  ScalarType type() const override { return ScalarType::f32; }
  int channels() const override { return 3; }
  void read(const Box& box, std::byte* out) const override {
    const std::int64_t begin = box.begin[2], end = begin + box.size[2];
    const std::int64_t low = std::max<std::int64_t>(0, begin - 1);
    const std::int64_t high = std::min(grid().size[2], end + 1);
    Volume stored = read_planes(*exact_, low, high - low);
    if (has_whole_planes(box, grid())) {
      fit_planes(grid(), stored, low, {begin, end}, reinterpret_cast<float*>(out));
      return;
    }
    Volume planes(Grid{{grid().size[0], grid().size[1], box.size[2]}, {}}, ScalarType::f32, 3);
    fit_planes(grid(), stored, low, {begin, end}, planes.channel<float>());
    crop(planes, box, out);
  }

 private:
  std::shared_ptr<const VolumeFeed> exact_;
};

class KeptFeed final : public VolumeFeed {
 public:
  KeptFeed(std::shared_ptr<void> owner, std::shared_ptr<const VolumeFeed> feed)
      : owner_(std::move(owner)), feed_(std::move(feed)) {}
  const Grid& grid() const override { return feed_->grid(); }
  ScalarType type() const override { return feed_->type(); }
  int channels() const override { return feed_->channels(); }
  void read(const Box& box, std::byte* out) const override { feed_->read(box, out); }
  const Volume* whole() const override { return feed_->whole(); }

 private:
  std::shared_ptr<void> owner_;  // destroyed last
  std::shared_ptr<const VolumeFeed> feed_;
};

}  // namespace

std::shared_ptr<const VolumeFeed> displacement_feed(std::shared_ptr<FoundFields> fields,
                                                    const ops::FieldView& displacement) {
  return std::make_shared<DisplacementFeed>(std::move(fields), displacement);
}

std::shared_ptr<const VolumeFeed> fitted_feed(std::shared_ptr<const VolumeFeed> exact) {
  return std::make_shared<FittedFeed>(std::move(exact));
}

std::shared_ptr<const VolumeFeed> kept_with(std::shared_ptr<void> owner,
                                            std::shared_ptr<const VolumeFeed> feed) {
  return std::make_shared<KeptFeed>(std::move(owner), std::move(feed));
}

}  // namespace gigawarp::solve
