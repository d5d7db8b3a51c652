#pragma once
#include <cstdint>

#include "cuda/fold_march.cuh"

/// Sets of voxels as bitmaps with lists of the words that are not zero, and what the repair of
/// folds does with them. Lists are in any order, but what is computed from them is a set, or a
/// Jacobi step: scheduling cannot show. All threads of a launch share the work of each function.
namespace gigawarp::cuda {

constexpr int kFoldThreads = 256, kFoldListWarps = kFoldThreads / 32;  ///< of a block

using FoldCount = unsigned long long;

struct WordPlace {
  int column, y, z;
};

__device__ inline WordPlace place_of(const FoldField& f, unsigned word) {
  const unsigned words = static_cast<unsigned>(f.words), ny = static_cast<unsigned>(f.ny);
  const unsigned row = word / words;
  return {static_cast<int>(word % words), static_cast<int>(row % ny), static_cast<int>(row / ny)};
}

/// Appends words that are not zero to a list.
__device__ inline void list_words(const unsigned* bits, std::int64_t first, std::int64_t end,
                                  unsigned* list, FoldCount* count) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kFoldThreads;
  for (std::int64_t i = first + static_cast<std::int64_t>(blockIdx.x) * kFoldThreads + threadIdx.x;
       i < end; i += step)
    if (bits[i] != 0) list[atomicAdd(count, FoldCount{1})] = static_cast<unsigned>(i);
}

/// A warp per listed word; its lanes share the rows around it.
struct WarpWork {
  std::int64_t begin, end, step;
  __device__ explicit WarpWork(const FoldCount* count)
      : begin(static_cast<std::int64_t>(blockIdx.x) * kFoldListWarps + (threadIdx.x >> 5U)),
        end(static_cast<std::int64_t>(*count)),
        step(static_cast<std::int64_t>(gridDim.x) * kFoldListWarps) {}
};

/// out = every voxel within `radius` (largest coordinate difference) of one in `in`.
__device__ inline void dilate_words(const FoldField f, const unsigned* in, const unsigned* in_list,
                                    const FoldCount* in_count, int radius, unsigned* out,
                                    unsigned* out_list, FoldCount* out_count) {
  const WarpWork work(in_count);
  const int lane = static_cast<int>(threadIdx.x & 31U), side = 2 * radius + 1;
  for (std::int64_t i = work.begin; i < work.end; i += work.step) {
    const WordPlace p = place_of(f, in_list[i]);
    const unsigned b = in[in_list[i]];
    unsigned middle = b, left = 0, right = 0;
    for (int k = 1; k <= radius; ++k) {
      middle |= b << k | b >> k;
      left |= b << (32 - k);
      right |= b >> (32 - k);
    }
    const auto add = [&](int column, int y, int z, unsigned bits) {
      if (column < 0 || column >= f.words) return;
      bits &= f.inside(column);
      if (bits == 0) return;
      const std::int64_t w = f.word(column, y, z);
      if (atomicOr(out + w, bits) == 0)
        out_list[atomicAdd(out_count, FoldCount{1})] = static_cast<unsigned>(w);
    };
    for (int r = lane; r < side * side; r += 32) {
      const int y = p.y + r % side - radius, z = p.z + r / side - radius;
      if (y < 0 || y >= f.ny || z < 0 || z >= f.nz) continue;
      add(p.column, y, z, middle);
      add(p.column - 1, y, z, left);
      add(p.column + 1, y, z, right);
    }
  }
}

/// body(number in the list, lane, x, place of the word) for every voxel of the listed words.
template <class Body>
__device__ inline void for_each_voxel(const FoldField& f, const unsigned* bits,
                                      const unsigned* list, const FoldCount* count,
                                      const Body& body) {
  const WarpWork work(count);
  const int lane = static_cast<int>(threadIdx.x & 31U);
  for (std::int64_t i = work.begin; i < work.end; i += work.step) {
    if ((bits[list[i]] >> lane & 1U) == 0) continue;
    const WordPlace p = place_of(f, list[i]);
    body(i, lane, 32 * p.column + lane, p);
  }
}

/// The 3×3×3 binomial mean of u at the voxels of the listed words, kept beside u: `beside` says
/// where, from the number in the list, the lane and the voxel.
template <class Beside>
__device__ inline void relax_words(const FoldField f, const unsigned* bits, const unsigned* list,
                                   const FoldCount* count, const Beside& beside) {
  for_each_voxel(f, bits, list, count, [&](std::int64_t i, int lane, int x, const WordPlace& p) {
    math::Float3 sum;
    for (int dz = -1; dz <= 1; ++dz)
      for (int dy = -1; dy <= 1; ++dy)
#pragma unroll
        for (int dx = -1; dx <= 1; ++dx) {
          const math::Float3 v =
              f.steps(min(max(x + dx, 0), f.nx - 1), min(max(p.y + dy, 0), f.ny - 1),
                      min(max(p.z + dz, 0), f.nz - 1));
          const auto w = static_cast<float>((2 - dz * dz) * (2 - dy * dy) * (2 - dx * dx));
          sum = {sum.x + v.x * w, sum.y + v.y * w, sum.z + v.z * w};
        }
    constexpr float kScale = 1.0F / (64.0F * math::kPackedSteps);
    *beside(i, lane, f.at(x, p.y, p.z)) =
        math::pack_vector({sum.x * kScale, sum.y * kScale, sum.z * kScale});
  });
}

template <class Beside>
__device__ inline void store_words(const FoldField f, const unsigned* bits, const unsigned* list,
                                   const FoldCount* count, const Beside& beside) {
  for_each_voxel(f, bits, list, count, [&](std::int64_t i, int lane, int x, const WordPlace& p) {
    const std::int64_t at = f.at(x, p.y, p.z);
    f.u[at] = *beside(i, lane, at);
  });
}

/// Determinants again at the listed words' voxels; `bad` is overwritten there.
__device__ inline void check_words(const FoldField f, const unsigned* bits, const unsigned* list,
                                   const FoldCount* count, float minimum_steps, unsigned* bad,
                                   unsigned* bad_list, FoldCount* bad_words,
                                   FoldCount* bad_voxels) {
  const WarpWork work(count);
  const int lane = static_cast<int>(threadIdx.x & 31U);
  for (std::int64_t i = work.begin; i < work.end; i += work.step) {
    const WordPlace p = place_of(f, list[i]);
    const bool below = (bits[list[i]] >> lane & 1U) != 0 &&
                       !(determinant_at(f, 32 * p.column + lane, p.y, p.z) >= minimum_steps);
    const unsigned word = __ballot_sync(0xffffffffU, below);
    if (lane != 0) continue;
    bad[list[i]] = word;
    if (word == 0) continue;
    bad_list[atomicAdd(bad_words, FoldCount{1})] = list[i];
    atomicAdd(bad_voxels, static_cast<FoldCount>(__popc(word)));
  }
}

__device__ inline void clear_words(unsigned* bits, const unsigned* list, const FoldCount* count) {
  const std::int64_t end = static_cast<std::int64_t>(*count);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kFoldThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kFoldThreads + threadIdx.x; i < end;
       i += step)
    bits[list[i]] = 0;
}

}  // namespace gigawarp::cuda
