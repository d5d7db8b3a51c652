#include "cuda/reduce.cuh"

#include <algorithm>

namespace gigawarp::cuda {
namespace {

/// One block per segment: thread t adds slots t, t + 128, …, then the threads in order of a tree.
__global__ void __launch_bounds__(128)
    add_slots(const double* slots, int per_segment, double* totals) {
  __shared__ double part[128][kSums];
  const double* mine = slots + static_cast<std::int64_t>(blockIdx.x) * per_segment * kSums;
  double s[kSums] = {};
  for (int i = static_cast<int>(threadIdx.x); i < per_segment; i += 128)
#pragma unroll
    for (int k = 0; k < kSums; ++k) s[k] += mine[static_cast<std::int64_t>(i) * kSums + k];
#pragma unroll
  for (int k = 0; k < kSums; ++k) part[threadIdx.x][k] = s[k];
  __syncthreads();
  for (unsigned half = 64; half > 0; half >>= 1) {
    if (threadIdx.x < half)
#pragma unroll
      for (int k = 0; k < kSums; ++k) part[threadIdx.x][k] += part[threadIdx.x + half][k];
    __syncthreads();
  }
  if (threadIdx.x < kSums)
    totals[static_cast<std::int64_t>(blockIdx.x) * kSums + threadIdx.x] = part[0][threadIdx.x];
}

/// In the order of the planes, as the host adds them.
__global__ void add_values(const double* totals, int segments, double* value) {
  double sum = 0;
  for (int s = 0; s < segments; ++s) sum += totals[static_cast<std::int64_t>(s) * kSums];
  *value = sum;
}

}  // namespace

void Segments::spread(const double* totals, std::vector<ops::PlaneSums>& sums) const {
  for (std::int64_t z = range.begin; z < range.end; ++z) sums[static_cast<std::size_t>(z)] = {};
  for (int s = 0; s < count; ++s) {
    const double* v = totals + static_cast<std::int64_t>(s) * kSums;
    const std::int64_t z = std::max(range.begin, std::int64_t{first + s} * planes);
    ops::PlaneSums& out = sums[static_cast<std::size_t>(z)];
    out.value = v[0];
    out.count = v[1];
    for (std::size_t r = 0; r < 3; ++r) {
      out.gradient[r] = v[2 + r];
      for (std::size_t c = 0; c < 3; ++c) out.moment[r][c] = v[5 + 3 * r + c];
    }
  }
}

SegmentSums::SegmentSums(Device& device, const Segments& segments, double* totals)
    : device_(device),
      segments_(segments),
      slots_(device.allocate(segments.total_bytes() * static_cast<std::size_t>(segments.blocks))),
      totals_(totals) {
  if (totals_ != nullptr) return;
  own_totals_ = device.allocate(segments.total_bytes());
  totals_ = own_totals_.as<double>();
}

void SegmentSums::add_up() {
  add_slots<<<static_cast<unsigned>(segments_.count), 128, 0, device_.stream()>>>(
      slots(), segments_.blocks, totals_);
  check_launch("adding partial sums");
}

void SegmentSums::queue_value(double* value) {
  add_up();
  add_values<<<1, 1, 0, device_.stream()>>>(totals_, segments_.count, value);
  check_launch("adding partial sums");
}

void SegmentSums::collect(std::vector<ops::PlaneSums>& sums) {
  add_up();
  std::vector<double> host(segments_.total_bytes() / sizeof(double));
  device_.read(host.data(), totals_, segments_.total_bytes(), "reading sums");
  segments_.spread(host.data(), sums);
}

}  // namespace gigawarp::cuda
