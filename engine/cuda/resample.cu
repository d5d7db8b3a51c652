#include <algorithm>
#include <cmath>
#include <vector>

#include "cuda/cuda_ops.h"
#include "cuda/sampler.cuh"
#include "ops/taps.h"

/// Pyramid steps: images down, displacements up.
namespace gigawarp::cuda {
namespace {

constexpr int kColumns = 32, kRows = 8;
constexpr std::int64_t kScratchBytes = std::int64_t{64} << 20U;  ///< but one plane at least
constexpr std::int64_t kMostPlanesOfGrid = 65535;

struct Taps {
  const float* weight;
  int first, count, shrink;
  __device__ int place(int i, int k, int n) const {
    return min(max(i * shrink + first + k, 0), n - 1);
  }
};

/// Per voxel of an input plane: reads the planes under the taps, writes 4 bytes of scratch. Planes
/// under the taps of the next output plane come from the cache in part.
__global__ void __launch_bounds__(kColumns* kRows)
    filter_z(const __grid_constant__ DeviceImage in, const Taps taps, int z_first, float* scratch) {
  const int x = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  if (x >= in.nx || y >= in.ny) return;
  const int z = z_first + static_cast<int>(blockIdx.z);
  float sum = 0;
  for (int k = 0; k < taps.count; ++k)
    sum += taps.weight[k] * in.value(in.index(x, y, taps.place(z, k, in.nz)));
  const std::int64_t plane = static_cast<std::int64_t>(in.nx) * in.ny;
  scratch[blockIdx.z * plane + static_cast<std::int64_t>(y) * in.nx + x] = sum;
}

/// Per output voxel: reads the scratch under the taps of y and x, writes 4 bytes.
__global__ void __launch_bounds__(kColumns* kRows)
    filter_yx(const float* scratch, int nx, int ny, const Taps tx, const Taps ty, int z_first,
              const ops::SlabView<float> out) {
  const int x = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  if (x >= out.extent.nx || y >= out.extent.ny) return;
  const float* plane = scratch + blockIdx.z * (static_cast<std::int64_t>(nx) * ny);
  float sum = 0;
  for (int k = 0; k < tx.count; ++k) {
    const float* column = plane + tx.place(x, k, nx);
    float s = 0;
    for (int j = 0; j < ty.count; ++j)
      s += ty.weight[j] * column[static_cast<std::int64_t>(ty.place(y, j, ny)) * nx];
    sum += tx.weight[k] * s;
  }
  out.row(y, z_first + static_cast<int>(blockIdx.z))[x] = sum;
}

/// The coarse position of a fine index along one axis.
struct AxisMap {
  double fine_to_coarse, shift;
  float ratio;  ///< fine voxels per coarse voxel, in words' steps to voxels
  int coarse;

  __device__ int low(int i, float& fraction, int& step) const {
    const double p = fmin(fmax(static_cast<double>(i) * fine_to_coarse + shift, 0.0),
                          static_cast<double>(coarse - 1));
    const int at = static_cast<int>(p);
    fraction = static_cast<float>(p - static_cast<double>(at));
    step = at + 1 < coarse ? 1 : 0;
    return at;
  }
};

/// Per fine voxel: reads 8 coarse words (neighbours share them), writes one.
__global__ void __launch_bounds__(kColumns* kRows)
    upsample(const ops::SlabView<std::uint64_t> in, const ops::SlabView<std::uint64_t> out,
             const AxisMap ax, const AxisMap ay, const AxisMap az, int z_begin, int z_end) {
  const int x = static_cast<int>(blockIdx.x * kColumns + threadIdx.x);
  const int y = static_cast<int>(blockIdx.y * kRows + threadIdx.y);
  if (x >= out.extent.nx || y >= out.extent.ny) return;
  float fx, fy, fz;
  int sx, sy, sz;
  const int i = ax.low(x, fx, sx), j = ay.low(y, fy, sy);
  const auto blend = [](const math::Float3& a, const math::Float3& b, float w) {
    return math::Float3{a.x + (b.x - a.x) * w, a.y + (b.y - a.y) * w, a.z + (b.z - a.z) * w};
  };
  for (int z = z_begin + static_cast<int>(blockIdx.z); z < z_end;
       z += static_cast<int>(gridDim.z)) {
    const int k = az.low(z, fz, sz);
    const std::uint64_t* a = in.row(j, k) + i;
    const std::uint64_t* b = in.row(j + sy, k) + i;
    const std::uint64_t* c = in.row(j, k + sz) + i;
    const std::uint64_t* d = in.row(j + sy, k + sz) + i;
    const auto at = [&](int dx) {  // along y, then z, as cpu/resample.cpp
      return blend(blend(math::unpack_vector_steps(a[dx]), math::unpack_vector_steps(b[dx]), fy),
                   blend(math::unpack_vector_steps(c[dx]), math::unpack_vector_steps(d[dx]), fy),
                   fz);
    };
    const math::Float3 v = blend(at(0), at(sx), fx);
    out.row(y, z)[x] = math::pack_vector({v.x * ax.ratio, v.y * ay.ratio, v.z * az.ratio});
  }
}

}  // namespace

void downsample(Device& device, const ops::DownsampleArgs& args) {
  const Range range("downsample");
  const ops::Extent &in = args.in.extent, &out = args.out.extent;
  std::vector<float> weights;
  std::vector<Taps> taps;
  for (std::size_t a = 0; a < 3; ++a) {
    const ops::StridedTaps t(args.shrink[a], args.sigma[a]);
    taps.push_back({nullptr, t.first, static_cast<int>(t.weight.size()), args.shrink[a]});
    weights.insert(weights.end(), t.weight.begin(), t.weight.end());
  }
  const ops::Array stored = device.allocate(weights.size() * sizeof(float));
  check(cudaMemcpyAsync(stored.data(), weights.data(), stored.bytes(), cudaMemcpyHostToDevice,
                        device.stream()),
        "sending filter weights");
  const float* next = stored.as<float>();
  for (Taps& t : taps) {
    t.weight = next;
    next += t.count;
  }
  const std::int64_t plane_bytes = in.nx * in.ny * static_cast<std::int64_t>(sizeof(float));
  const std::int64_t planes = std::clamp<std::int64_t>(
      kScratchBytes / std::max<std::int64_t>(plane_bytes, 1), 1,
      std::clamp<std::int64_t>(args.range.end - args.range.begin, 1, kMostPlanesOfGrid));
  const ops::Array scratch = device.allocate(static_cast<std::size_t>(planes * plane_bytes));
  for (std::int64_t z = args.range.begin; z < args.range.end; z += planes) {
    const auto depth = static_cast<unsigned>(std::min(planes, args.range.end - z));
    filter_z<<<dim3(blocks_for(in.nx, kColumns), blocks_for(in.ny, kRows), depth),
               dim3(kColumns, kRows), 0, device.stream()>>>(
        DeviceImage(args.in), taps[2], static_cast<int>(z), scratch.as<float>());
    check_launch("downsampling along z");
    filter_yx<<<dim3(blocks_for(out.nx, kColumns), blocks_for(out.ny, kRows), depth),
                dim3(kColumns, kRows), 0, device.stream()>>>(
        scratch.as<float>(), static_cast<int>(in.nx), static_cast<int>(in.ny), taps[0], taps[1],
        static_cast<int>(z), args.out);
    check_launch("downsampling along y and x");
  }
}

void upsample_field(Device& device, const ops::UpsampleArgs& args) {
  const Range range("upsample_field");
  if (args.range.begin >= args.range.end) return;
  const ops::Extent &in = args.in.packed.extent, &out = args.out.packed.extent;
  const auto axis = [&](std::size_t a, std::int64_t coarse) {
    return AxisMap{args.fine_to_coarse[a], args.shift[a],
                   static_cast<float>(1.0 / args.fine_to_coarse[a]) / math::kPackedSteps,
                   static_cast<int>(coarse)};
  };
  const auto planes =
      static_cast<unsigned>(std::min(args.range.end - args.range.begin, kMostPlanesOfGrid));
  upsample<<<dim3(blocks_for(out.nx, kColumns), blocks_for(out.ny, kRows), planes),
             dim3(kColumns, kRows), 0, device.stream()>>>(
      args.in.packed, args.out.packed, axis(0, in.nx), axis(1, in.ny), axis(2, in.nz),
      static_cast<int>(args.range.begin), static_cast<int>(args.range.end));
  check_launch("upsampling");
}

}  // namespace gigawarp::cuda
