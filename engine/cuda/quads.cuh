#pragma once
#include <cstddef>
#include <cstdint>

/// Four neighbouring numbers of a row to a lane: loaded, stored and added up along x at once. A
/// warp has a strip of 128 columns so, and what lanes need of one another goes by shuffles.
namespace gigawarp::cuda {

/// What one load brings of a row.
template <class T>
struct alignas(4 * sizeof(T)) Quad {
  T v[4];
};

/// Whether every row begins where a quad of numbers of `size` bytes may be loaded or stored at
/// once.
inline bool holds_quads(const void* data, int stride_y, int stride_z, std::size_t size) {
  return reinterpret_cast<std::uintptr_t>(data) % (4 * size) == 0 && stride_y % 4 == 0 &&
         stride_z % 4 == 0;
}

constexpr int kStripColumns = 128;

#if defined(__CUDACC__)

/// The first `count` of four numbers; at once where there are four and rows are `wide`
/// (holds_quads()).
template <class T>
__device__ inline void store_quad(T* at, int count, bool wide, const T (&v)[4]) {
  if (wide && count >= 4) {
    Quad<T> quad;
#pragma unroll
    for (int i = 0; i < 4; ++i) quad.v[i] = v[i];
    *reinterpret_cast<Quad<T>*>(at) = quad;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (i < count) at[i] = v[i];
}

/// Of a quad whose middle windows of radius R stand on: how many columns of the quad `distance`
/// further right reach into the window of column i (left: of column 3 - i).
template <int R>
constexpr int columns_in_window(int distance, int i) {
  const int reach = R + i + 1 - 4 * distance;
  return reach < 0 ? 0 : (reach > 4 ? 4 : reach);
}

template <int R>
constexpr bool is_in_windows(int distance, int columns) {
  for (int i = 0; i < 4; ++i)
    if (columns_in_window<R>(distance, i) == columns) return true;
  return false;
}

/// out[i]: the sum over the window of 2R + 1 columns about v[i] (1 <= R <= 5). Whole for lanes with
/// (R + 3) / 4 others on either side; every lane of the warp takes part.
template <int R, class N>
__device__ inline void sum_windows(const N (&v)[4], N (&out)[4]) {
  static_assert(R >= 1 && R <= 5);
  constexpr unsigned kAll = 0xffffffffU;
  // Of the first and the last 1…4 columns of the own quad, and of the quads on both sides.
  const N first[5] = {N{}, v[0], v[0] + v[1], v[0] + v[1] + v[2], v[0] + v[1] + v[2] + v[3]};
  const N last[5] = {N{}, v[3], v[2] + v[3], v[1] + (v[2] + v[3]), first[4]};
  N right[3][5], left[3][5];
#pragma unroll
  for (int d = 1; d <= 2; ++d)
#pragma unroll
    for (int n = 1; n <= 4; ++n)
      if (is_in_windows<R>(d, n)) {
        right[d][n] = __shfl_down_sync(kAll, first[n], static_cast<unsigned>(d));
        left[d][n] = __shfl_up_sync(kAll, last[n], static_cast<unsigned>(d));
      }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int to_right = columns_in_window<R>(0, i), to_left = columns_in_window<R>(0, 3 - i);
    // The window's part of the own quad begins or ends with it, or both.
    out[i] = to_left == 4 ? first[to_right] : last[to_left];
    // Whole quads first: those sums are shared.
#pragma unroll
    for (int whole = 1; whole >= 0; --whole)
#pragma unroll
      for (int d = 1; d <= 2; ++d) {
        const int r = columns_in_window<R>(d, i), l = columns_in_window<R>(d, 3 - i);
        if (l > 0 && (l == 4) == (whole == 1)) out[i] += left[d][l];
        if (r > 0 && (r == 4) == (whole == 1)) out[i] += right[d][r];
      }
  }
}

#endif

}  // namespace gigawarp::cuda
