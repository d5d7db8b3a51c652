#include "solve/found_fields.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/parallel.h"
#include "ops/invert_field.h"
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

/// body(back end) by one thread at a time, and timed.
template <class Body>
void transfer(FoundFields& fields, const Body& body) {
  isolated([&] {
    const std::lock_guard lock(fields.mutex);
    const TimeSum::Piece piece(*fields.transfer_time);
    body(*fields.backend);
  });
}

/// Voxels of the grid to mm, in place.
void to_millimetres(const Grid& grid, float* const component[3], std::int64_t planes) {
  float t[3][3];
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) t[r][c] = static_cast<float>(grid.world_from_voxel.linear[r][c]);
  parallel_for(planes * grid.size[1], [&](std::int64_t row) {  // a plane may be all there is
    float* p[3];
    for (int c = 0; c < 3; ++c) p[c] = component[c] + row * grid.size[0];
    for (std::int64_t i = 0; i < grid.size[0]; ++i) {
      const float a = p[0][i], b = p[1][i], c = p[2][i];
      for (int r = 0; r < 3; ++r) p[r][i] = t[r][0] * a + t[r][1] * b + t[r][2] * c;
    }
  });
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
  transfer(*fields_, [&](ops::Backend& backend) {
    download_planes(displacement_, range, backend, component);
  });
  to_millimetres(grid(), component, planes);
}

/// FoundFields::inverse_mm.
class InverseFeed final : public VolumeFeed {
 public:
  explicit InverseFeed(std::shared_ptr<FoundFields> fields) : fields_(std::move(fields)) {}
  const Grid& grid() const override { return fields_->grid; }
  ScalarType type() const override { return ScalarType::f32; }
  int channels() const override { return 3; }
  void read(const Box& box, std::byte* out) const override {
    const Size3 n{grid().size[0], grid().size[1], box.size[2]};
    const std::size_t plane = plane_bytes() / 3;
    std::vector<std::byte> stored(static_cast<std::size_t>(n[2]) * 3 * plane);
    transfer(*fields_, [&](ops::Backend& backend) {
      backend.download(
          stored.data(),
          fields_->inverse_mm.data() + static_cast<std::size_t>(box.begin[2]) * 3 * plane,
          stored.size());
    });
    Volume planes(Grid{n, {}}, ScalarType::f32, 3);
    for (std::size_t z = 0; z < static_cast<std::size_t>(n[2]); ++z)
      for (std::size_t c = 0; c < 3; ++c)
        std::memcpy(planes.data() + (c * static_cast<std::size_t>(n[2]) + z) * plane,
                    stored.data() + (z * 3 + c) * plane, plane);
    crop(planes, box, out);
  }

 private:
  std::shared_ptr<FoundFields> fields_;
};

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

namespace {
/// Planes that are inverted at once.
constexpr std::int64_t kInvertedPlanes = 32;

/// Planes [begin, end) of a displacement in voxels, in mm.
Volume window_mm(const FoundFields& fields, std::int64_t begin, std::int64_t end) {
  const Size3 n{fields.grid.size[0], fields.grid.size[1], end - begin};
  Volume window(Grid{n, {}}, ScalarType::f32, 3);
  float* component[3];
  for (int c = 0; c < 3; ++c) {
    component[c] = window.channel<float>(c);
    std::copy_n(fields.forward.component[c].row(0, begin), n[0] * n[1] * n[2], component[c]);
  }
  to_millimetres(fields.grid, component, n[2]);
  return window;
}
}  // namespace

std::shared_ptr<const VolumeFeed> inverse_by_planes(std::shared_ptr<FoundFields> fields,
                                                    int iterations, double tolerance_mm,
                                                    const std::stop_token& stop) {
  ops::Backend& backend = *fields->backend;
  const Grid& grid = fields->grid;
  const Size3& n = grid.size;
  const std::int64_t plane = n[0] * n[1];
  const std::array<float, 3> farthest =
      ops::InvertArgs::within(backend.displacement_range(fields->forward, {0, n[2]}));
  const std::int64_t halo =
      static_cast<std::int64_t>(std::min(farthest[2], static_cast<float>(n[2]))) + 3;
  backend.hold_planes(fields->forward, halo);
  const std::size_t plane_bytes = static_cast<std::size_t>(plane) * 3 * sizeof(float);
  fields->inverse_mm =
      backend.allocate_volume(static_cast<std::size_t>(n[2]) * plane_bytes, grid.voxel_count());
  const ops::ZRange own = backend.own_planes(n[2]);
  const auto bring = [&](const ops::Backend::PutPlanes& put) {
    for (std::int64_t z = own.begin, end = 0; z < own.end; z = end) {
      end = std::min(own.end, z + kInvertedPlanes);
      const std::int64_t first = std::max<std::int64_t>(0, z - halo);
      const Volume window = window_mm(*fields, first, std::min(n[2], end + halo));
      std::vector<float> inverse(static_cast<std::size_t>((end - z) * plane * 3));
      float* const out[3] = {inverse.data(), inverse.data() + (end - z) * plane,
                             inverse.data() + 2 * (end - z) * plane};
      invert_planes(grid, window, first, farthest, {z, end}, iterations, tolerance_mm, out, stop);
      std::vector<float> by_plane(inverse.size());
      for (std::int64_t p = 0; p < end - z; ++p)
        for (std::int64_t c = 0; c < 3; ++c)
          std::copy_n(out[c] + p * plane, plane, by_plane.data() + (3 * p + c) * plane);
      put(z, end - z, by_plane.data());
    }
  };
  backend.upload_planes(fields->inverse_mm.data(), plane_bytes, n[2], bring);
  return std::make_shared<InverseFeed>(std::move(fields));
}

std::shared_ptr<const VolumeFeed> fitted_feed(std::shared_ptr<const VolumeFeed> exact) {
  return std::make_shared<FittedFeed>(std::move(exact));
}

std::shared_ptr<const VolumeFeed> kept_with(std::shared_ptr<void> owner,
                                            std::shared_ptr<const VolumeFeed> feed) {
  return std::make_shared<KeptFeed>(std::move(owner), std::move(feed));
}

}  // namespace gigawarp::solve
