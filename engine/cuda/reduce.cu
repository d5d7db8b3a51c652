#include "cuda/reduce.cuh"

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

SegmentSums::SegmentSums(Device& device, int segments, int per_segment)
    : device_(device),
      segments_(segments),
      per_segment_(per_segment),
      slots_(device.allocate(static_cast<std::size_t>(segments) *
                             static_cast<std::size_t>(per_segment) * kSums * sizeof(double))),
      totals_(device.allocate(static_cast<std::size_t>(segments) * kSums * sizeof(double))) {}

void SegmentSums::add_up() {
  add_slots<<<static_cast<unsigned>(segments_), 128, 0, device_.stream()>>>(slots(), per_segment_,
                                                                            totals_.as<double>());
  check_launch("adding partial sums");
}

void SegmentSums::queue_value(double* value) {
  add_up();
  add_values<<<1, 1, 0, device_.stream()>>>(totals_.as<double>(), segments_, value);
  check_launch("adding partial sums");
}

std::vector<ops::PlaneSums> SegmentSums::collect() {
  add_up();
  std::vector<double> host(static_cast<std::size_t>(segments_) * kSums);
  device_.read(host.data(), totals_.data(), host.size() * sizeof(double), "reading sums");
  std::vector<ops::PlaneSums> out(static_cast<std::size_t>(segments_));
  for (std::size_t s = 0; s < out.size(); ++s) {
    const double* v = host.data() + s * kSums;
    out[s].value = v[0];
    out[s].count = v[1];
    for (std::size_t r = 0; r < 3; ++r) {
      out[s].gradient[r] = v[2 + r];
      for (std::size_t c = 0; c < 3; ++c) out[s].moment[r][c] = v[5 + 3 * r + c];
    }
  }
  return out;
}

}  // namespace gigawarp::cuda
