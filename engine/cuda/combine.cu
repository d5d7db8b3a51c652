#include "cuda/combine.h"

namespace gigawarp::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
__device__ const T* of_member(const OfMembers<T>& of, int member) {
  return reinterpret_cast<const T*>(reinterpret_cast<const char*>(of.first) +
                                    static_cast<std::size_t>(member) * of.step);
}

__global__ void __launch_bounds__(kThreads)
    add_up(const OfMembers<unsigned long long> of, int count, unsigned long long* sums) {
  const int i = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (i >= count) return;
  unsigned long long sum = 0;
  for (int m = 0; m < of.members; ++m) sum += of_member(of, m)[i];
  sums[i] = sum;
}

__global__ void take_maximum(const OfMembers<unsigned> of, unsigned* maximum) {
  unsigned most = 0;
  for (int m = 0; m < of.members; ++m) most = max(most, *of_member(of, m));
  *maximum = most;
}

}  // namespace

void queue_sums(Device& device, const OfMembers<unsigned long long>& of, int count,
                unsigned long long* sums) {
  add_up<<<blocks_for(count, kThreads), kThreads, 0, device.stream()>>>(of, count, sums);
  check_launch("adding up the GPUs' counts");
}

void queue_maximum(Device& device, const OfMembers<unsigned>& of, unsigned* maximum) {
  take_maximum<<<1, 1, 0, device.stream()>>>(of, maximum);
  check_launch("taking the GPUs' maximum");
}

}  // namespace gigawarp::cuda
