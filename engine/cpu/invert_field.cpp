#include "ops/invert_field.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/parallel.h"
#include "cpu/cpu_ops.h"
#include "cpu/multiversion.h"
#include "gigawarp/error.h"
#include "math/inversion.h"
#include "ops/update.h"

namespace gigawarp {

namespace {
constexpr int kBlock = 64;          // voxels iterated together
constexpr std::int64_t kRows = 32;  // rows of a tile: each starts from the row before; fixed, so
                                    // that results do not depend on threads

/// The forward field and what turns its millimetres into voxels.
struct FieldView {
  const float* d[3];
  std::int32_t size[3];
  std::int64_t row, plane;  ///< elements from one to the next
  std::int64_t stride[3];   ///< elements to the upper corner per axis; 0 on flat axes
  float voxel_from_mm[3][3];
  float spacing_mm[3];
  float farthest[3];  ///< no displacement is longer along an axis, voxels
};

FieldView view_of(const Grid& grid, const float* const d[3], std::int64_t row, std::int64_t plane,
                  const std::array<float, 3>& farthest) {
  FieldView view{};
  const Affine voxel_from_world = grid.voxel_from_world();
  view.row = row;
  view.plane = plane;
  const std::int64_t strides[3] = {1, row, plane};
  for (int a = 0; a < 3; ++a) {
    if (grid.size[a] > (std::int64_t{1} << 30))
      throw Error(ErrorCode::bad_input, "A displacement field is too long along one axis.");
    view.d[a] = d[a];
    view.size[a] = static_cast<std::int32_t>(grid.size[a]);
    view.stride[a] = grid.size[a] > 1 ? strides[a] : 0;
    view.spacing_mm[a] = static_cast<float>(grid.spacing_mm()[a]);
    view.farthest[a] = farthest[static_cast<std::size_t>(a)];
    for (int c = 0; c < 3; ++c)
      view.voxel_from_mm[a][c] = static_cast<float>(voxel_from_world.linear[a][c]);
  }
  return view;
}

/// Up to kBlock target voxels in a row: where they lie in the forward grid, as whole voxel and
/// fraction, and the current displacement in forward voxels.
struct Block {
  alignas(64) std::int32_t whole[3][kBlock];
  alignas(64) float fraction[3][kBlock];
  alignas(64) float w[3][kBlock];            ///< where to look next
  alignas(64) float best[3][kBlock];         ///< the displacement with the least residual so far
  alignas(64) float residual[kBlock];        ///< its, mm
  alignas(64) float undefined[kBlock];       ///< NaN where the field is "outside" there
  alignas(64) float ever_undefined[kBlock];  ///< NaN where it was at any look
  alignas(64) std::int32_t worse[kBlock];    ///< looks in a row that were not better
};

/// Lower corner and weight along an axis at whole + s, clamped to the grid.
struct Clamped {
  std::int32_t low;
  float weight;
  float free;  ///< 1, or 0 where clamped: there the value does not change along the axis
};

GIGAWARP_ALWAYS_INLINE Clamped clamp_axis(std::int32_t whole, float s, std::int32_t size) {
  const float bounded = std::min(std::max(s, -1e9F), 1e9F);
  const float floor = std::floor(bounded);
  float weight = bounded - floor;
  std::int32_t low = whole + static_cast<std::int32_t>(floor);
  const std::int32_t last = size > 1 ? size - 2 : 0;
  const bool below = low < 0;
  const bool above = low > last;
  weight = below ? 0.0F : weight;
  weight = above ? 1.0F : weight;
  low = std::min(std::max(low, 0), last);
  return {low, weight, below || above ? 0.0F : 1.0F};
}

/// A component and its derivatives along the axes, per voxel.
struct Sample {
  float value, x, y, z;
};

template <class Index>
GIGAWARP_ALWAYS_INLINE Sample trilinear(const float* d, Index at, const Index stride[3], float wx,
                                        float wy, float wz) {
  const Index sx = stride[0], sy = stride[1], sz = stride[2];
  const float ax = d[at + sx] - d[at], bx = d[at + sy + sx] - d[at + sy],
              cx = d[at + sz + sx] - d[at + sz], ex = d[at + sz + sy + sx] - d[at + sz + sy];
  const float a = d[at] + wx * ax, b = d[at + sy] + wx * bx, c = d[at + sz] + wx * cx,
              e = d[at + sz + sy] + wx * ex;
  const float low_y = b - a, high_y = e - c;
  const float low = a + wy * low_y, high = c + wy * high_y;
  const float low_x = ax + wy * (bx - ax), high_x = cx + wy * (ex - cx);
  return {low + wz * (high - low), low_x + wz * (high_x - low_x), low_y + wz * (high_y - low_y),
          high - low};
}

/// One step of every voxel of the block: Newton's from where the residual is less than it ever was,
/// half way back to there from elsewhere, but for every third time (math/inversion.h). Returns the
/// largest residual, mm.
template <class Index>
GIGAWARP_ALWAYS_INLINE float step_block(const FieldView& f, Block& b) {
  const Index stride[3]{static_cast<Index>(f.stride[0]), static_cast<Index>(f.stride[1]),
                        static_cast<Index>(f.stride[2])};
  const auto row = static_cast<Index>(f.row), plane = static_cast<Index>(f.plane);
  const auto& m = f.voxel_from_mm;
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (int i = 0; i < kBlock; ++i) {
    const Clamped x = clamp_axis(b.whole[0][i], b.fraction[0][i] + b.w[0][i], f.size[0]);
    const Clamped y = clamp_axis(b.whole[1][i], b.fraction[1][i] + b.w[1][i], f.size[1]);
    const Clamped z = clamp_axis(b.whole[2][i], b.fraction[2][i] + b.w[2][i], f.size[2]);
    const Index at = static_cast<Index>(z.low) * plane + static_cast<Index>(y.low) * row +
                     static_cast<Index>(x.low);
    Sample u0 = trilinear(f.d[0], at, stride, x.weight, y.weight, z.weight);
    Sample u1 = trilinear(f.d[1], at, stride, x.weight, y.weight, z.weight);
    Sample u2 = trilinear(f.d[2], at, stride, x.weight, y.weight, z.weight);
    const float sum = u0.value + u1.value + u2.value;
    const bool good = sum == sum;
    const auto of = [&](float value) __attribute__((always_inline)) { return good ? value : 0.0F; };
    u0 = {of(u0.value), of(u0.x) * x.free, of(u0.y) * y.free, of(u0.z) * z.free};
    u1 = {of(u1.value), of(u1.x) * x.free, of(u1.y) * y.free, of(u1.z) * z.free};
    u2 = {of(u2.value), of(u2.x) * x.free, of(u2.y) * y.free, of(u2.z) * z.free};
    float jacobian[3][3], residual[3], step[3];
    for (int r = 0; r < 3; ++r) {
      jacobian[r][0] = m[r][0] * u0.x + m[r][1] * u1.x + m[r][2] * u2.x;
      jacobian[r][1] = m[r][0] * u0.y + m[r][1] * u1.y + m[r][2] * u2.y;
      jacobian[r][2] = m[r][0] * u0.z + m[r][1] * u1.z + m[r][2] * u2.z;
      residual[r] = -(m[r][0] * u0.value + m[r][1] * u1.value + m[r][2] * u2.value) - b.w[r][i];
    }
    math::inversion_step(jacobian, residual, step);
    const float far = std::max(
        std::max(std::abs(residual[0]) * f.spacing_mm[0], std::abs(residual[1]) * f.spacing_mm[1]),
        std::abs(residual[2]) * f.spacing_mm[2]);
    const bool better = far < b.residual[i];
    const std::int32_t worse = better ? 0 : b.worse[i] + 1;
    const bool goes = better || worse == math::kGoesAnyway;
    b.worse[i] = goes ? 0 : worse;
    for (int r = 0; r < 3; ++r) {
      const float w = b.w[r][i], best = better ? w : b.best[r][i];
      const float next = std::min(std::max(w + step[r], -f.farthest[r]), f.farthest[r]);
      b.best[r][i] = best;
      b.w[r][i] = goes ? next : best + 0.5F * (w - best);
    }
    b.residual[i] = better ? far : b.residual[i];
    b.undefined[i] = better ? sum : b.undefined[i];
    b.ever_undefined[i] += sum;
    largest = std::max(largest, b.residual[i]);
  }
  return largest;
}

GIGAWARP_MULTIVERSION
void solve_block_narrow(const FieldView& f, Block& b, int max_iterations, float tolerance_mm) {
  for (int k = 0; k < max_iterations; ++k)
    if (step_block<std::int32_t>(f, b) <= tolerance_mm) return;
}

GIGAWARP_MULTIVERSION
void solve_block_wide(const FieldView& f, Block& b, int max_iterations, float tolerance_mm) {
  for (int k = 0; k < max_iterations; ++k)
    if (step_block<std::int64_t>(f, b) <= tolerance_mm) return;
}

struct InvertTask {
  FieldView view;
  bool narrow;  ///< element offsets fit 32 bits
  Affine forward_from_target;
  Mat3 mm_from_voxel;
  int max_iterations;
  float tolerance_mm;
  Size3 size;  ///< of the target
  float* out[3];
  std::int64_t out_row, out_plane;
};

/// Places `count` voxels from (x, y, z); the block's tail repeats the last one.
void place_block(const InvertTask& task, Block& b, std::int64_t x, std::int64_t y, std::int64_t z,
                 int count) {
  const Affine& t = task.forward_from_target;
  for (int a = 0; a < 3; ++a)
    for (int i = 0; i < kBlock; ++i) {
      const auto xi = static_cast<double>(x + std::min(i, count - 1));
      const double p = t.linear[a][0] * xi + t.linear[a][1] * static_cast<double>(y) +
                       t.linear[a][2] * static_cast<double>(z) + t.offset[a];
      const double whole = std::floor(std::clamp(p, -1e9, 1e9));
      b.whole[a][i] = static_cast<std::int32_t>(whole);
      b.fraction[a][i] = static_cast<float>(p - whole);
    }
}

/// With the search to begin where w is.
void begin_block(Block& b) {
  for (int a = 0; a < 3; ++a) std::copy_n(b.w[a], kBlock, b.best[a]);
  std::fill_n(b.residual, kBlock, std::numeric_limits<float>::max());
  std::fill_n(b.undefined, kBlock, std::numeric_limits<float>::quiet_NaN());
  std::fill_n(b.ever_undefined, kBlock, 0.0F);
  std::fill_n(b.worse, kBlock, 0);
}

void store_block(const InvertTask& task, const Block& b, std::int64_t first, int count) {
  const Mat3& m = task.mm_from_voxel;
  for (int a = 0; a < 3; ++a) {
    float* out = task.out[a] + first;
    const auto m0 = static_cast<float>(m[a][0]), m1 = static_cast<float>(m[a][1]),
               m2 = static_cast<float>(m[a][2]);
    for (int i = 0; i < count; ++i) {
      const float v = m0 * b.best[0][i] + m1 * b.best[1][i] + m2 * b.best[2][i];
      // A search that led "outside" and found nothing was after something there.
      const float known =
          b.residual[i] > task.tolerance_mm ? b.undefined[i] + b.ever_undefined[i] : b.undefined[i];
      out[i] = known == known ? v : std::numeric_limits<float>::quiet_NaN();
    }
  }
}

/// Rows [y0, y1) of plane z, each started from the row before.
void invert_tile(const InvertTask& task, std::int64_t z, std::int64_t y0, std::int64_t y1) {
  const Size3& n = task.size;
  std::array<std::vector<float>, 3> start;
  for (auto& s : start) s.assign(static_cast<std::size_t>(n[0]) + kBlock, 0.0F);
  Block block;
  for (std::int64_t y = y0; y < y1; ++y)
    for (std::int64_t x = 0; x < n[0]; x += kBlock) {
      const int count = static_cast<int>(std::min<std::int64_t>(kBlock, n[0] - x));
      place_block(task, block, x, y, z, count);
      for (std::size_t a = 0; a < 3; ++a) std::copy_n(start[a].data() + x, kBlock, block.w[a]);
      begin_block(block);
      (task.narrow ? solve_block_narrow : solve_block_wide)(task.view, block, task.max_iterations,
                                                            task.tolerance_mm);
      for (std::size_t a = 0; a < 3; ++a) std::copy_n(block.best[a], count, start[a].data() + x);
      store_block(task, block, z * task.out_plane + y * task.out_row + x, count);
    }
}

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested())
    throw Error(ErrorCode::cancelled, "The inversion of a displacement field was cancelled.");
}

void run_task(const InvertTask& task, std::int64_t begin, std::int64_t end,
              const std::stop_token& stop) {
  const std::int64_t tiles = (task.size[1] + kRows - 1) / kRows;
  parallel_for((end - begin) * tiles, [&](std::int64_t i) {
    check_stop(stop);
    const std::int64_t y0 = (i % tiles) * kRows;
    invert_tile(task, begin + i / tiles, y0, std::min(task.size[1], y0 + kRows));
  });
}
}  // namespace

namespace {
/// From planes of millimetres, the first of which is plane 0.
InvertTask task_of(const Grid& forward, const float* const d[3],
                   const std::array<float, 3>& farthest, const Grid& target, int max_iterations,
                   double tolerance_mm, float* const out[3]) {
  const Size3& n = forward.size;
  return {view_of(forward, d, n[0], n[0] * n[1], farthest),
          forward.voxel_count() < std::numeric_limits<std::int32_t>::max(),
          forward.voxel_from_world() * target.world_from_voxel,
          forward.world_from_voxel.linear,
          std::max(1, max_iterations),
          static_cast<float>(tolerance_mm),
          target.size,
          {out[0], out[1], out[2]},
          target.size[0],
          target.size[0] * target.size[1]};
}
}  // namespace

DisplacementField invert(const DisplacementField& forward, const Grid& target, int max_iterations,
                         double tolerance_mm, std::stop_token stop) {
  return invert_within(forward, farthest_voxels(forward), target, max_iterations, tolerance_mm,
                       stop);
}

DisplacementField invert_within(const DisplacementField& forward,
                                const std::array<float, 3>& farthest, const Grid& target,
                                int max_iterations, double tolerance_mm,
                                const std::stop_token& stop) {
  DisplacementField field(target);
  const float* const d[3] = {forward.component_mm(0), forward.component_mm(1),
                             forward.component_mm(2)};
  float* const out[3] = {field.component_mm(0), field.component_mm(1), field.component_mm(2)};
  run_task(task_of(forward.grid(), d, farthest, target, max_iterations, tolerance_mm, out), 0,
           target.size[2], stop);
  return field;
}

std::array<float, 3> farthest_voxels(const DisplacementField& field) {
  const Grid& grid = field.grid();
  const std::int64_t plane = grid.size[0] * grid.size[1];
  const Affine voxel_from_world = grid.voxel_from_world();
  std::vector<Vec3> most(static_cast<std::size_t>(grid.size[2]), Vec3{0, 0, 0});
  parallel_for(grid.size[2], [&](std::int64_t z) {
    Vec3& here = most[static_cast<std::size_t>(z)];
    for (std::int64_t i = z * plane; i < (z + 1) * plane; ++i) {
      const Vec3 u = voxel_from_world.map_vector(
          {field.component_mm(0)[i], field.component_mm(1)[i], field.component_mm(2)[i]});
      for (std::size_t a = 0; a < 3; ++a)
        if (std::abs(u[a]) > here[a]) here[a] = std::abs(u[a]);  // not where it is NaN, "outside"
    }
  });
  std::array<float, 3> out{};
  for (const Vec3& here : most)
    for (std::size_t a = 0; a < 3; ++a)
      out[a] = std::max(out[a], ops::InvertArgs::within(static_cast<float>(here[a])));
  return out;
}

void invert_planes(const Grid& grid, const Volume& forward_mm, std::int64_t first,
                   const std::array<float, 3>& farthest, ops::ZRange planes, int max_iterations,
                   double tolerance_mm, float* const out[3], const std::stop_token& stop) {
  const std::int64_t plane = grid.size[0] * grid.size[1];
  const float* d[3];
  float* to[3];
  for (int c = 0; c < 3; ++c) {  // as if all planes were there
    d[c] = forward_mm.channel<float>(c) - first * plane;
    to[c] = out[c] - planes.begin * plane;
  }
  run_task(task_of(grid, d, farthest, grid, max_iterations, tolerance_mm, to), planes.begin,
           planes.end, stop);
}

/// On a lattice of unit spacing, where the millimetres of the general inversion are voxels.
void cpu::invert(const ops::InvertArgs& args) {
  const ops::Extent &e = args.displacement.extent(), &out = args.out.extent();
  Grid lattice;
  lattice.size = {e.nx, e.ny, e.nz};
  const float* d[3];
  InvertTask task{};
  for (int c = 0; c < 3; ++c) {
    d[c] = args.displacement.component[c].row(0, 0);
    task.out[c] = args.out.component[c].row(0, 0);
  }
  task.view = view_of(lattice, d, e.stride_y, e.stride_z, args.farthest);
  task.narrow = e.stride_z * e.nz < std::numeric_limits<std::int32_t>::max();
  task.mm_from_voxel = lattice.world_from_voxel.linear;
  task.max_iterations = std::max(1, args.iterations);
  task.tolerance_mm = static_cast<float>(args.tolerance_voxels);
  task.size = lattice.size;
  task.out_row = out.stride_y;
  task.out_plane = out.stride_z;
  run_task(task, args.range.begin, args.range.end, {});
}

}  // namespace gigawarp
