#include <algorithm>
#include <cfloat>
#include <cstddef>
#include <span>

#include "cuda/cuda_ops.h"
#include "cuda/queued.h"
#include "math/inversion.h"
#include "math/packed.h"

/// Whole-field helpers: inversion, voxels two warped volumes share, filling, copying.
namespace gigawarp::cuda {
namespace {

constexpr int kColumns = 32, kRows = 4;
constexpr std::int64_t kMostPlanesOfGrid = 65535;

/// Blocks of kColumns × kRows over (x, y); blockIdx.z strides over the planes.
dim3 plane_grid(const ops::Extent& e, std::int64_t planes) {
  return {blocks_for(e.nx, kColumns), blocks_for(e.ny, kRows),
          static_cast<unsigned>(std::min(planes, kMostPlanesOfGrid))};
}

/// Lower corner and weight at voxel i + s along an axis of n voxels, clamped. Offsets from the
/// voxel keep their precision in large volumes.
struct Corner {
  int low;
  float weight;
  bool free;  ///< not clamped: elsewhere the value does not change along the axis
};

__device__ inline Corner corner_of(int i, float s, int n) {
  const float whole = floorf(s);
  Corner c{i + static_cast<int>(whole), s - whole, true};
  const int last = max(n - 2, 0);
  if (c.low < 0) c = {0, 0.0F, false};
  if (c.low > last) c = {last, n > 1 ? 1.0F : 0.0F, false};
  return c;
}

struct PackedField {
  const std::uint64_t* data;
  std::int64_t stride_y, stride_z, z_begin;
  int nx, ny, nz;

  /// u at voxel (x, y, z) + s, voxels, and ∂u_c/∂x_k there.
  __device__ math::Float3 at(int x, int y, int z, const float (&s)[3],
                             float (&jacobian)[3][3]) const {
    const Corner i = corner_of(x, s[0], nx), j = corner_of(y, s[1], ny), k = corner_of(z, s[2], nz);
    const int sx = nx > 1 ? 1 : 0;
    const std::int64_t sy = ny > 1 ? stride_y : 0, sz = nz > 1 ? stride_z : 0;
    const std::uint64_t* p = data + (k.low - z_begin) * stride_z + j.low * stride_y + i.low;
    const std::uint64_t word[8] = {p[0],  p[sx],      p[sy],      p[sy + sx],
                                   p[sz], p[sz + sx], p[sz + sy], p[sz + sy + sx]};
    math::Float3 c[8];
#pragma unroll
    for (int n = 0; n < 8; ++n) c[n] = math::unpack_vector_steps(word[n]);
    constexpr float kStep = 1.0F / math::kPackedSteps;
    const float along_x = i.free ? kStep : 0.0F, along_y = j.free ? kStep : 0.0F,
                along_z = k.free ? kStep : 0.0F;
    const auto component = [&](float math::Float3::*of, float(&derivative)[3]) {
      const float ax = c[1].*of - c[0].*of, bx = c[3].*of - c[2].*of, cx = c[5].*of - c[4].*of,
                  ex = c[7].*of - c[6].*of;
      const float a = c[0].*of + i.weight * ax, b = c[2].*of + i.weight * bx,
                  d = c[4].*of + i.weight * cx, e = c[6].*of + i.weight * ex;
      const float low_y = b - a, high_y = e - d;
      const float low = a + j.weight * low_y, high = d + j.weight * high_y;
      const float low_x = ax + j.weight * (bx - ax), high_x = cx + j.weight * (ex - cx);
      derivative[0] = along_x * (low_x + k.weight * (high_x - low_x));
      derivative[1] = along_y * (low_y + k.weight * (high_y - low_y));
      derivative[2] = along_z * (high - low);
      return kStep * (low + k.weight * (high - low));
    };
    return {component(&math::Float3::x, jacobian[0]), component(&math::Float3::y, jacobian[1]),
            component(&math::Float3::z, jacobian[2])};
  }
};

struct InvertRule {
  int iterations;
  float tolerance;
  float farthest[3];
};

/// Per voxel: 8 words of u per step (neighbours share them in the cache), writes one word. The
/// estimate stays in registers. The steps are those of ops/invert_field.h, from nothing.
__global__ void __launch_bounds__(kColumns* kRows)
    invert_field(const PackedField u, std::uint64_t* out, std::int64_t out_y, std::int64_t out_z,
                 std::int64_t out_begin, int z_begin, int z_end, const InvertRule rule) {
  const int x = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  if (x >= u.nx || y >= u.ny) return;
  for (int z = z_begin + static_cast<int>(blockIdx.z); z < z_end;
       z += static_cast<int>(gridDim.z)) {
    float v[3] = {}, best[3] = {}, least = FLT_MAX;
    int worse = 0;
    for (int k = 0; k < rule.iterations; ++k) {
      float jacobian[3][3];
      const math::Float3 d = u.at(x, y, z, v, jacobian);
      const float residual[3] = {-d.x - v[0], -d.y - v[1], -d.z - v[2]};
      const float far = fmaxf(fmaxf(fabsf(residual[0]), fabsf(residual[1])), fabsf(residual[2]));
      const bool better = far < least;
      worse = better ? 0 : worse + 1;
      if (better) {
        least = far;
#pragma unroll
        for (int r = 0; r < 3; ++r) best[r] = v[r];
        if (far <= rule.tolerance) break;
      }
      if (better || worse == math::kGoesAnyway) {
        worse = 0;
        float step[3];
        math::inversion_step(jacobian, residual, step);
#pragma unroll
        for (int r = 0; r < 3; ++r)
          v[r] = fminf(fmaxf(v[r] + step[r], -rule.farthest[r]), rule.farthest[r]);
      } else {
#pragma unroll
        for (int r = 0; r < 3; ++r) v[r] = best[r] + 0.5F * (v[r] - best[r]);
      }
    }
    out[(z - out_begin) * out_z + y * out_y + x] = math::pack_vector({best[0], best[1], best[2]});
  }
}

/// Per voxel: reads two floats; writes one where only the other is NaN. Integer sums: the order in
/// which blocks add theirs cannot show.
__global__ void __launch_bounds__(kColumns* kRows)
    keep_common_voxels(const ops::SlabView<float> a, const ops::SlabView<float> b, int z_begin,
                       int z_end, unsigned long long* count) {
  const int x = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  unsigned mine = 0;
  if (x < a.extent.nx && y < a.extent.ny)
    for (int z = z_begin + static_cast<int>(blockIdx.z); z < z_end;
         z += static_cast<int>(gridDim.z)) {
      float* const f = a.row(y, z) + x;
      float* const m = b.row(y, z) + x;
      const float fv = *f, mv = *m;
      const bool has_f = fv == fv, has_m = mv == mv;
      if (has_f && has_m) ++mine;
      if (has_f && !has_m) *f = mv;
      if (has_m && !has_f) *m = fv;
    }
  mine = __reduce_add_sync(0xffffffffU, mine);
  if (threadIdx.x == 0 && mine != 0) atomicAdd(count, static_cast<unsigned long long>(mine));
}

__global__ void __launch_bounds__(256)
    fill(std::uint64_t* to, std::uint64_t word, std::int64_t count) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * 256;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * 256 + threadIdx.x; i < count;
       i += step)
    to[i] = word;
}

using Piece = ops::Backend::Piece;

/// A warp takes a piece.
template <class Word>
__global__ void __launch_bounds__(256) copy_pieces_kernel(std::byte* to, const std::byte* from,
                                                          const Piece* pieces, std::int64_t count) {
  const std::int64_t warps = static_cast<std::int64_t>(gridDim.x) * 8;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * 8 + threadIdx.x / 32; i < count;
       i += warps) {
    const Piece piece = pieces[i];
    const auto* const source = reinterpret_cast<const Word*>(from + piece.from);
    auto* const target = reinterpret_cast<Word*>(to + piece.to);
    const auto words = piece.bytes / static_cast<std::int64_t>(sizeof(Word));
    for (std::int64_t k = threadIdx.x % 32; k < words; k += 32) target[k] = source[k];
  }
}

}  // namespace

void invert(Device& device, const ops::InvertArgs& args) {
  const Range range("invert");
  const ops::Extent &e = args.displacement.packed.extent, &o = args.out.packed.extent;
  if (e.nx <= 0 || e.ny <= 0 || args.range.begin >= args.range.end) return;
  const PackedField u{args.displacement.packed.data,
                      e.stride_y,
                      e.stride_z,
                      e.z_begin,
                      static_cast<int>(e.nx),
                      static_cast<int>(e.ny),
                      static_cast<int>(e.nz)};
  invert_field<<<plane_grid(e, args.range.end - args.range.begin), dim3(kColumns, kRows), 0,
                 device.stream()>>>(u, args.out.packed.data, o.stride_y, o.stride_z, o.z_begin,
                                    static_cast<int>(args.range.begin),
                                    static_cast<int>(args.range.end),
                                    {std::max(1, args.iterations),
                                     static_cast<float>(args.tolerance_voxels),
                                     {args.farthest[0], args.farthest[1], args.farthest[2]}});
  check_launch("inversion");
}

void queue_keep_common(Device& device, const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                       ops::ZRange range, unsigned long long* count) {
  const Range marker("keep_common");
  if (range.begin >= range.end) return;
  // Several planes per thread: fewer additions to the one count.
  const dim3 grid = plane_grid(a.extent, (range.end - range.begin + 7) / 8);
  keep_common_voxels<<<grid, dim3(kColumns, kRows), 0, device.stream()>>>(
      a, b, static_cast<int>(range.begin), static_cast<int>(range.end), count);
  check_launch("common voxels");
}

double keep_common(Device& device, const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                   ops::ZRange range) {
  const ops::Array count = device.allocate(sizeof(unsigned long long));
  check(cudaMemsetAsync(count.data(), 0, count.bytes(), device.stream()), "clearing a count");
  queue_keep_common(device, a, b, range, count.as<unsigned long long>());
  return static_cast<double>(device.read<unsigned long long>(count.data(), "reading a count"));
}

void fill_words(Device& device, std::uint64_t* to, std::uint64_t word, std::int64_t count) {
  if (count <= 0) return;
  const auto most = static_cast<std::int64_t>(device.multiprocessors()) * 16;
  const auto blocks = static_cast<unsigned>(std::min((count + 255) / 256, most));
  fill<<<blocks, 256, 0, device.stream()>>>(to, word, count);
  check_launch("filling");
}

void copy_pieces(Device& device, void* to, const void* from, std::span<const Piece> pieces,
                 const Piece* there) {
  if (pieces.empty()) return;
  const Range marker("copy_pieces");
  // The widest words that all begin and end with.
  auto bits = reinterpret_cast<std::uintptr_t>(to) | reinterpret_cast<std::uintptr_t>(from);
  for (const Piece& piece : pieces)
    bits |= static_cast<std::uintptr_t>(piece.from | piece.to | piece.bytes);
  const auto count = static_cast<std::int64_t>(pieces.size());
  const auto most = static_cast<std::int64_t>(device.multiprocessors()) * 16;
  const auto blocks = static_cast<unsigned>(std::min((count + 7) / 8, most));
  const auto go = [&]<class Word>() {
    copy_pieces_kernel<Word><<<blocks, 256, 0, device.stream()>>>(
        static_cast<std::byte*>(to), static_cast<const std::byte*>(from), there, count);
  };
  if (bits % 4 == 0)
    go.template operator()<std::uint32_t>();
  else if (bits % 2 == 0)
    go.template operator()<std::uint16_t>();
  else
    go.template operator()<std::uint8_t>();
  check_launch("copying pieces");
}

}  // namespace gigawarp::cuda
