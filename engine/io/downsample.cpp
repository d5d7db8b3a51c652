#include "io/downsample.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <type_traits>
#include <vector>

#include "base/parallel.h"

namespace gigawarp::io {

namespace {
/// The rows of the finer level that one row of the coarser one covers.
template <class T>
struct Rows {
  std::array<const T*, 4> row{};
  int count = 0;
};

template <class T>
Rows<T> rows_of(const T* from, const Size3& size, const Size3& factor, std::int64_t y,
                std::int64_t z) {
  Rows<T> out;
  for (std::int64_t k = z * factor[2]; k < std::min(size[2], (z + 1) * factor[2]); ++k)
    for (std::int64_t j = y * factor[1]; j < std::min(size[1], (y + 1) * factor[1]); ++j)
      out.row[static_cast<std::size_t>(out.count++)] = from + (k * size[1] + j) * size[0];
  return out;
}

/// Means of `kRows` rows of blocks of `width` voxels, to the nearest whole number, halves upwards.
/// The voxels of a block are a power of two, so that a shift divides, downwards for negative sums.
template <int kRows, class T>
void mean_blocks(const Rows<T>& rows, std::int64_t begin, std::int64_t end, std::int64_t factor,
                 std::int64_t width, T* __restrict to) {
  using Sum = std::conditional_t<(sizeof(T) < 4), std::int32_t, std::int64_t>;
  const auto shift = std::countr_zero(static_cast<unsigned>(kRows * width));
  const Sum half = (Sum{1} << shift) / 2;
  const std::array<const T*, 4> row = rows.row;
  for (std::int64_t x = begin; x < end; ++x) {
    Sum sum = half;
    for (std::size_t r = 0; r < kRows; ++r) {
      const T* p = row[r] + x * factor;
      sum += static_cast<Sum>(p[0]) + (width == 2 ? static_cast<Sum>(p[1]) : Sum{0});
    }
    to[x] = static_cast<T>(sum >> shift);
  }
}

template <class T>
void mean_row(const Rows<T>& rows, std::int64_t n, std::int64_t factor, T* to) {
  const std::int64_t whole = n / factor, all = (n + factor - 1) / factor;
  const auto blocks = [&](std::int64_t begin, std::int64_t end, std::int64_t width) {
    switch (rows.count) {
      case 1: return mean_blocks<1>(rows, begin, end, factor, width, to);
      case 2: return mean_blocks<2>(rows, begin, end, factor, width, to);
      default: return mean_blocks<4>(rows, begin, end, factor, width, to);
    }
  };
  blocks(0, whole, factor);
  blocks(whole, all, 1);
}

template <class T>
void float_mean_row(const Rows<T>& rows, std::int64_t n, std::int64_t factor, T* to) {
  for (std::int64_t x = 0; x * factor < n; ++x) {
    double sum = 0;
    int count = 0;
    for (int r = 0; r < rows.count; ++r)
      for (std::int64_t i = x * factor; i < std::min(n, (x + 1) * factor); ++i) {
        const auto v = static_cast<double>(rows.row[static_cast<std::size_t>(r)][i]);
        if (std::isnan(v)) continue;
        sum += v;
        ++count;
      }
    to[x] = static_cast<T>(count > 0 ? sum / count : std::nan(""));
  }
}

template <class T>
T most_frequent(const std::array<T, 8>& values, std::size_t n) {
  T best = values[0];
  std::size_t most = 0;
  for (std::size_t i = 0; i < n && most <= n / 2; ++i) {
    std::size_t equal = 0;
    for (std::size_t j = 0; j < n; ++j) equal += values[j] == values[i] ? 1 : 0;
    if (equal > most || (equal == most && values[i] < best)) {
      most = equal;
      best = values[i];
    }
  }
  return best;
}

template <class T>
void majority_row(const Rows<T>& rows, std::int64_t n, std::int64_t factor, T* to) {
  for (std::int64_t x = 0; x * factor < n; ++x) {
    std::array<T, 8> values{};
    std::size_t count = 0;
    for (int r = 0; r < rows.count; ++r)
      for (std::int64_t i = x * factor; i < std::min(n, (x + 1) * factor); ++i)
        values[count++] = rows.row[static_cast<std::size_t>(r)][i];
    to[x] = most_frequent(values, count);
  }
}
}  // namespace

Size3 halved_size(const Size3& size, const Size3& factor) {
  Size3 out{};
  for (std::size_t a = 0; a < 3; ++a) out[a] = (size[a] + factor[a] - 1) / factor[a];
  return out;
}

void downsample(ScalarType type, Downsampling how, const std::byte* from, const Size3& size,
                const Size3& factor, std::byte* to) {
  const Size3 half = halved_size(size, factor);
  dispatch(type, [&]<class T>() {
    const T* source = reinterpret_cast<const T*>(from);
    T* target = reinterpret_cast<T*>(to);
    parallel_for(half[1] * half[2], [&](std::int64_t r) {
      const Rows<T> rows = rows_of(source, size, factor, r % half[1], r / half[1]);
      T* row = target + r * half[0];
      if (how == Downsampling::majority)
        majority_row(rows, size[0], factor[0], row);
      else if constexpr (std::is_integral_v<T>)
        mean_row(rows, size[0], factor[0], row);
      else
        float_mean_row(rows, size[0], factor[0], row);
    });
  });
}

}  // namespace gigawarp::io
