#include "ops/jacobian.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "base/beside.h"
#include "base/parallel.h"
#include "cpu/multiversion.h"
#include "gigawarp/error.h"
#include "math/jacobian.h"

namespace gigawarp::ops {
namespace {

/// What one row of determinants needs: neighbouring rows of the three components and the grid.
struct RowStencil {
  const float* centre[3];
  const float* y_low[3];
  const float* y_high[3];
  const float* z_low[3];
  const float* z_high[3];
  float y_factor, z_factor;  ///< 1/2 inside, 1 at a face, 0 on an axis of one voxel
  float world_to_voxel[3][3];
  std::int64_t n;
};

GIGAWARP_ALWAYS_INLINE float determinant_at(const RowStencil& s, std::int64_t low, std::int64_t x,
                                            std::int64_t high, float x_factor) {
  float g[3][3];
  for (int c = 0; c < 3; ++c) {
    g[c][0] = (s.centre[c][high] - s.centre[c][low]) * x_factor;
    g[c][1] = (s.y_high[c][x] - s.y_low[c][x]) * s.y_factor;
    g[c][2] = (s.z_high[c][x] - s.z_low[c][x]) * s.z_factor;
  }
  return math::jacobian_determinant(g, s.world_to_voxel);
}

GIGAWARP_MULTIVERSION
void determinant_row(const RowStencil& s, float* out) {
  const std::int64_t n = s.n;
#pragma omp simd
  for (std::int64_t x = 1; x < n - 1; ++x) out[x] = determinant_at(s, x - 1, x, x + 1, 0.5F);
  out[0] = determinant_at(s, 0, 0, std::min<std::int64_t>(1, n - 1), 1.0F);
  if (n > 1) out[n - 1] = determinant_at(s, n - 2, n - 1, n - 1, 1.0F);
}

float difference_factor(std::int64_t i, std::int64_t n) { return i > 0 && i < n - 1 ? 0.5F : 1.0F; }

class Rows {
 public:
  explicit Rows(const DisplacementField& field) : Rows(field.grid(), field.volume(), 0) {}
  /// `planes`: those of a field on `grid` from `first` on.
  Rows(const Grid& grid, const Volume& planes, std::int64_t first)
      : planes_(planes), first_(first), size_(grid.size) {
    const Affine voxel_from_world = grid.voxel_from_world();
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c)
        world_to_voxel_[r][c] = static_cast<float>(voxel_from_world.linear[r][c]);
  }

  void operator()(std::int64_t y, std::int64_t z, float* out) const {
    RowStencil s{};
    s.n = size_[0];
    s.y_factor = difference_factor(y, size_[1]);
    s.z_factor = difference_factor(z, size_[2]);
    std::copy(&world_to_voxel_[0][0], &world_to_voxel_[0][0] + 9, &s.world_to_voxel[0][0]);
    for (int c = 0; c < 3; ++c) {
      s.centre[c] = row(c, y, z);
      s.y_low[c] = row(c, std::max<std::int64_t>(y - 1, 0), z);
      s.y_high[c] = row(c, std::min(y + 1, size_[1] - 1), z);
      s.z_low[c] = row(c, y, std::max<std::int64_t>(z - 1, 0));
      s.z_high[c] = row(c, y, std::min(z + 1, size_[2] - 1));
    }
    determinant_row(s, out);
    // Central differences skip the voxel itself: a voxel that is outside has no determinant either.
    for (const float* component : s.centre)
      for (std::int64_t x = 0; x < s.n; ++x)
        if (std::isnan(component[x])) out[x] = std::numeric_limits<float>::quiet_NaN();
  }

 private:
  const float* row(int c, std::int64_t y, std::int64_t z) const {
    return planes_.channel<float>(c) + ((z - first_) * size_[1] + y) * size_[0];
  }
  const Volume& planes_;
  std::int64_t first_;
  Size3 size_;
  float world_to_voxel_[3][3]{};
};

/// Sums of one plane; planes are added in order, so the threads do not matter.
struct Sums {
  std::int64_t voxels = 0, folds = 0, undefined = 0, positive = 0;
  double minimum = std::numeric_limits<double>::infinity();
  double maximum = -std::numeric_limits<double>::infinity();
  double sum = 0, log_sum = 0, log_square_sum = 0;

  void add(float det) { add(det, det > 0 ? std::log(det) : 0.0F); }
  /// `logarithm`: of a determinant above zero.
  void add(float det, float logarithm_of_det) {
    if (std::isnan(det)) {
      ++undefined;
      return;
    }
    ++voxels;
    const double d = det;
    minimum = std::min(minimum, d);
    maximum = std::max(maximum, d);
    sum += d;
    if (det <= 0) {
      ++folds;
      return;
    }
    ++positive;
    const double logarithm = logarithm_of_det;
    log_sum += logarithm;
    log_square_sum += logarithm * logarithm;
  }

  void add(const Sums& o) {
    voxels += o.voxels;
    folds += o.folds;
    undefined += o.undefined;
    positive += o.positive;
    minimum = std::min(minimum, o.minimum);
    maximum = std::max(maximum, o.maximum);
    sum += o.sum;
    log_sum += o.log_sum;
    log_square_sum += o.log_square_sum;
  }
};

JacobianSummary summary_of(const Sums& s) {
  JacobianSummary out;
  out.voxels = s.voxels;
  out.folds = s.folds;
  out.undefined = s.undefined;
  if (s.voxels == 0) return out;
  const auto n = static_cast<double>(s.voxels);
  out.folds_percent = 100.0 * static_cast<double>(s.folds) / n;
  out.minimum = s.minimum;
  out.maximum = s.maximum;
  out.mean = s.sum / n;
  if (s.positive > 1) {
    const auto p = static_cast<double>(s.positive);
    const double mean = s.log_sum / p;
    out.sd_log = std::sqrt(std::max(0.0, s.log_square_sum / p - mean * mean));
  }
  return out;
}

/// Planes in memory at once for the threads' sake.
constexpr std::int64_t kMostPlanes = 16;

std::int64_t border_of(std::int64_t n) { return std::min<std::int64_t>(2, (n - 1) / 2); }

}  // namespace

Volume jacobian_determinant(const DisplacementField& displacement_mm) {
  const Size3& n = displacement_mm.grid().size;
  Volume out(displacement_mm.grid(), ScalarType::f32);
  const Rows rows(displacement_mm);
  parallel_for(n[2], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < n[1]; ++y)
      rows(y, z, out.channel<float>() + (z * n[1] + y) * n[0]);
  });
  return out;
}

namespace {
/// Of the inside of plane z, which is plane `mask_z` of `mask`, if there is one.
Sums sums_of_plane(const Rows& rows, const Size3& n, std::int64_t z, const Volume* mask,
                   std::int64_t mask_z) {
  const std::int64_t border[2] = {border_of(n[0]), border_of(n[1])};
  std::vector<float> det(static_cast<std::size_t>(n[0]));
  Sums sums;
  for (std::int64_t y = border[1]; y < n[1] - border[1]; ++y) {
    rows(y, z, det.data());
    for (std::int64_t x = border[0]; x < n[0] - border[0]; ++x)
      if (!mask || mask->value(x, y, mask_z) != 0) sums.add(det[static_cast<std::size_t>(x)]);
  }
  return sums;
}

void require_mask_on(const Grid& field, const Grid& mask) {
  if (!mask.same_lattice(field))
    throw Error(ErrorCode::bad_input,
                "The mask for det J is not on the grid of the displacement field.", "mask");
}

class JacobianFeed final : public VolumeFeed {
 public:
  explicit JacobianFeed(std::shared_ptr<const VolumeFeed> displacement_mm)
      : displacement_(std::move(displacement_mm)) {}
  const Grid& grid() const override { return displacement_->grid(); }
  ScalarType type() const override { return ScalarType::f32; }
  std::int64_t brick_planes() const override { return displacement_->brick_planes(); }
  std::int64_t slab_planes() const override { return displacement_->slab_planes(); }
  /// Rows are computed whole, whatever of them the box wants.
  void read(const Box& box, std::byte* out) const override {
    const Size3& n = grid().size;
    auto* to = reinterpret_cast<float*>(out);
    for (std::int64_t z = 0; z < box.size[2]; z += slab_planes()) {
      const std::int64_t begin = box.begin[2] + z;
      const std::int64_t end = std::min(begin + slab_planes(), box.begin[2] + box.size[2]);
      const std::int64_t low = std::max<std::int64_t>(0, begin - 1);
      const Volume planes = read_planes(*displacement_, low, std::min(n[2], end + 1) - low);
      const Rows rows(grid(), planes, low);
      parallel_for((end - begin) * box.size[1], [&](std::int64_t r) {
        std::vector<float> row(static_cast<std::size_t>(n[0]));
        rows(box.begin[1] + r % box.size[1], begin + r / box.size[1], row.data());
        std::copy_n(row.data() + box.begin[0], box.size[0],
                    to + (z * box.size[1] + r) * box.size[0]);
      });
    }
  }

 private:
  std::shared_ptr<const VolumeFeed> displacement_;
};

JacobianSummary summary_of_planes(const std::vector<Sums>& planes) {
  Sums total;
  for (const Sums& plane : planes) total.add(plane);
  return summary_of(total);
}
}  // namespace

std::shared_ptr<const VolumeFeed> jacobian_feed(std::shared_ptr<const VolumeFeed> displacement_mm) {
  return std::make_shared<JacobianFeed>(std::move(displacement_mm));
}

namespace {
/// Planes [begin, end) of a field with one neighbour on either side, in memory that is used again.
struct FieldSlab {
  std::int64_t begin = 0, end = 0, low = 0;
  Volume planes;

  void read(const VolumeFeed& field, std::int64_t first, std::int64_t behind) {
    const Size3& n = field.grid().size;
    begin = first;
    end = behind;
    low = std::max<std::int64_t>(0, begin - 1);
    const Box box{{0, 0, low}, {n[0], n[1], std::min(n[2], end + 1) - low}};
    if (planes.grid().size != box.size) planes = Volume(Grid{box.size, {}}, ScalarType::f32, 3);
    field.read(box, planes.data());
  }
};

/// Adds the sums of the slab's planes.
void sum_slab(const FieldSlab& slab, const Grid& grid, const VolumeFeed* mask,
              std::vector<Sums>& planes) {
  const std::int64_t count = slab.end - slab.begin;
  const Rows rows(grid, slab.planes, slab.low);
  const Volume mask_planes = mask != nullptr ? read_planes(*mask, slab.begin, count) : Volume();
  parallel_for(count, [&](std::int64_t k) {
    planes[static_cast<std::size_t>(slab.begin + k)] =
        sums_of_plane(rows, grid.size, slab.begin + k, mask != nullptr ? &mask_planes : nullptr, k);
  });
}
}  // namespace

JacobianSummary summarise_jacobian(const VolumeFeed& displacement_mm, const VolumeFeed* mask) {
  const Grid& grid = displacement_mm.grid();
  const std::int64_t planes = grid.size[2], border = border_of(planes);
  if (mask != nullptr) require_mask_on(grid, mask->grid());
  std::vector<Sums> sums(static_cast<std::size_t>(planes));
  if (const Volume* whole = displacement_mm.whole()) {
    const Rows rows(grid, *whole, 0);
    const Volume mask_planes = mask != nullptr ? read_all(*mask) : Volume();
    parallel_for(planes - 2 * border, [&](std::int64_t k) {
      const std::int64_t z = k + border;
      sums[static_cast<std::size_t>(z)] =
          sums_of_plane(rows, grid.size, z, mask != nullptr ? &mask_planes : nullptr, z);
    });
    return summary_of_planes(sums);
  }
  // Of a plane for each thread, where planes are so large that a slab has fewer.
  const std::int64_t step = std::max<std::int64_t>(
      displacement_mm.slab_planes(), std::min<std::int64_t>(available_threads(), kMostPlanes));
  FieldSlab slabs[2];  // one is brought while the other is summed
  const auto bring = [&](FieldSlab& slab, std::int64_t z) {
    slab.read(displacement_mm, z, std::min(z + step, planes - border));
  };
  if (border < planes - border) bring(slabs[0], border);
  for (std::int64_t z = border, i = 0; z < planes - border; z += step, ++i) {
    const FieldSlab& here = slabs[i % 2];
    const auto sum = [&] { sum_slab(here, grid, mask, sums); };
    if (here.end < planes - border)
      beside([&] { bring(slabs[(i + 1) % 2], here.end); }, sum);
    else
      sum();
  }
  return summary_of_planes(sums);
}

JacobianSummary summarise_jacobian(const DisplacementField& displacement_mm, const Volume* mask) {
  const Size3& n = displacement_mm.grid().size;
  if (mask) require_mask_on(displacement_mm.grid(), mask->grid());
  const Rows rows(displacement_mm);
  const std::int64_t border = border_of(n[2]);
  std::vector<Sums> planes(static_cast<std::size_t>(n[2]));
  parallel_for(n[2] - 2 * border, [&](std::int64_t k) {
    planes[static_cast<std::size_t>(k + border)] =
        sums_of_plane(rows, n, k + border, mask, k + border);
  });
  return summary_of_planes(planes);
}

namespace {
constexpr std::int64_t kRowsAtOnce = 16;
}

struct JacobianOfSlabs::State {
  Grid grid;
  std::vector<Sums> planes;
  std::int64_t seen = 0;  ///< planes so far
  Volume joint;           ///< the last two of them, and room for the first two of the next slab
  std::vector<float> det, logarithm;

  explicit State(const Grid& of) : grid(of), planes(static_cast<std::size_t>(of.size[2])) {
    joint = Volume(Grid{{of.size[0], of.size[1], 4}, {}}, ScalarType::f32, 3);
  }
  /// Planes [begin, end), inside the border or not, of which `held` has the neighbours; it begins
  /// with plane `first`. Rows side by side, since a slab may have few planes.
  void sum(const Volume& held, std::int64_t first, std::int64_t begin, std::int64_t end) {
    const Size3& n = grid.size;
    const std::int64_t border[3] = {border_of(n[0]), border_of(n[1]), border_of(n[2])};
    begin = std::max(begin, border[2]);
    end = std::min(end, n[2] - border[2]);
    if (begin >= end) return;
    const Rows rows(grid, held, first);
    const auto values = static_cast<std::size_t>((end - begin) * n[0] * n[1]);
    if (det.size() < values) {
      det.resize(values);
      logarithm.resize(values);
    }
    const std::int64_t all = (end - begin) * n[1];
    parallel_for((all + kRowsAtOnce - 1) / kRowsAtOnce, [&](std::int64_t block) {
      for (std::int64_t r = block * kRowsAtOnce; r < std::min(all, (block + 1) * kRowsAtOnce);
           ++r) {
        float* const d = det.data() + r * n[0];
        float* const l = logarithm.data() + r * n[0];
        rows(r % n[1], begin + r / n[1], d);
        for (std::int64_t x = 0; x < n[0]; ++x) l[x] = d[x] > 0 ? std::log(d[x]) : 0.0F;
      }
    });
    parallel_for(end - begin, [&](std::int64_t k) {
      Sums sums;
      for (std::int64_t y = border[1]; y < n[1] - border[1]; ++y)
        for (std::int64_t x = border[0]; x < n[0] - border[0]; ++x) {
          const auto i = static_cast<std::size_t>((k * n[1] + y) * n[0] + x);
          sums.add(det[i], logarithm[i]);
        }
      planes[static_cast<std::size_t>(begin + k)] = sums;
    });
  }
  /// Copies planes of one volume to another, each channel by channel.
  void copy(const Volume& from, std::int64_t at, Volume& to, std::int64_t place,
            std::int64_t count) const {
    const std::int64_t plane = grid.size[0] * grid.size[1];
    parallel_for(3 * count, [&](std::int64_t i) {
      const auto c = static_cast<int>(i / count);
      std::copy_n(from.channel<float>(c) + (at + i % count) * plane, plane,
                  to.channel<float>(c) + (place + i % count) * plane);
    });
  }
};

JacobianOfSlabs::JacobianOfSlabs(const Grid& grid) : state_(std::make_unique<State>(grid)) {}
JacobianOfSlabs::~JacobianOfSlabs() = default;

void JacobianOfSlabs::add(const Volume& slab) {
  State& s = *state_;
  const std::int64_t count = slab.grid().size[2], z = s.seen;
  const std::int64_t tail = std::min<std::int64_t>(2, z), head = std::min<std::int64_t>(2, count);
  if (tail > 0) {
    s.copy(slab, 0, s.joint, tail, head);
    s.sum(s.joint, z - tail, z - tail + 1, z + head - 1);
  }
  s.sum(slab, z, z + 1, z + count - 1);
  s.seen += count;
  if (count >= 2) {
    s.copy(slab, count - 2, s.joint, 0, 2);
  } else {  // the last of before, and this one
    if (tail == 2) s.copy(s.joint, 1, s.joint, 0, 1);
    s.copy(slab, 0, s.joint, std::min<std::int64_t>(1, z), 1);
  }
}

JacobianSummary JacobianOfSlabs::summary() const { return summary_of_planes(state_->planes); }

}  // namespace gigawarp::ops
