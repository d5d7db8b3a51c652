#include "io/downsample.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace gigawarp::io {

namespace {
/// The rows of the finer level that one row of the coarser one covers.
template <class T>
struct Rows {
  std::array<const T*, 4> row{};
  int count = 0;
};

template <class T>
Rows<T> rows_of(const T* from, const Size3& size, const Size3& lattice, const Size3& factor,
                std::int64_t y, std::int64_t z) {
  Rows<T> out;
  for (std::int64_t k = z * factor[2]; k < std::min(size[2], (z + 1) * factor[2]); ++k)
    for (std::int64_t j = y * factor[1]; j < std::min(size[1], (y + 1) * factor[1]); ++j)
      out.row[static_cast<std::size_t>(out.count++)] = from + (k * lattice[1] + j) * lattice[0];
  return out;
}

/// An integer of twice the width and the same sign.
template <class T>
using Twice = std::conditional_t<
    std::is_signed_v<T>,
    std::conditional_t<sizeof(T) == 1, std::int16_t,
                       std::conditional_t<sizeof(T) == 2, std::int32_t, std::int64_t>>,
    std::conditional_t<sizeof(T) == 1, std::uint16_t,
                       std::conditional_t<sizeof(T) == 2, std::uint32_t, std::uint64_t>>>;

/// Means of `kRows` rows of pairs of voxels, to the nearest whole number, halves upwards: a shift
/// divides, downwards for negative sums. A pair is loaded as one number of twice the width, whose
/// halves two shifts take apart (little-endian), so that vectors need no shuffles.
template <int kRows, class T>
void mean_pairs(const Rows<T>& rows, std::int64_t n, T* __restrict to) {
  using Pair = Twice<T>;
  constexpr int kBits = 8 * sizeof(T);
  constexpr int kShift = std::bit_width(2U * kRows) - 1;
  constexpr Pair kHalf = kRows;
  const std::array<const T*, 4> row = rows.row;
#pragma omp simd
  for (std::int64_t x = 0; x < n; ++x) {
    Pair sum = kHalf;
#pragma GCC unroll 4
    for (std::size_t r = 0; r < kRows; ++r) {
      Pair pair;
      std::memcpy(&pair, row[r] + 2 * x, sizeof pair);
      const Pair low = static_cast<Pair>(static_cast<std::make_unsigned_t<Pair>>(pair) << kBits);
      sum = static_cast<Pair>(sum + (low >> kBits) + (pair >> kBits));
    }
    to[x] = static_cast<T>(sum >> kShift);
  }
}

/// The same of single voxels.
template <int kRows, class T>
void mean_columns(const Rows<T>& rows, std::int64_t begin, std::int64_t end, std::int64_t factor,
                  T* __restrict to) {
  constexpr int kShift = std::bit_width(1U * kRows) - 1;
  const std::array<const T*, 4> row = rows.row;
#pragma omp simd
  for (std::int64_t x = begin; x < end; ++x) {
    Twice<T> sum = kRows / 2;
#pragma GCC unroll 4
    for (std::size_t r = 0; r < kRows; ++r) sum = static_cast<Twice<T>>(sum + row[r][x * factor]);
    to[x] = static_cast<T>(sum >> kShift);
  }
}

template <int kRows, class T>
void mean_rows(const Rows<T>& rows, std::int64_t n, std::int64_t factor, T* to) {
  if (factor == 1) return mean_columns<kRows>(rows, 0, n, 1, to);
  mean_pairs<kRows>(rows, n / 2, to);
  mean_columns<kRows>(rows, n / 2, (n + 1) / 2, 2, to);
}

template <class T>
void mean_row(const Rows<T>& rows, std::int64_t n, std::int64_t factor, T* to) {
  switch (rows.count) {
    case 1: return mean_rows<1>(rows, n, factor, to);
    case 2: return mean_rows<2>(rows, n, factor, to);
    default: return mean_rows<4>(rows, n, factor, to);
  }
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
                const Size3& lattice, const Size3& factor, std::byte* to, const Size3& to_lattice) {
  const Size3 half = halved_size(size, factor);
  dispatch(type, [&]<class T>() {
    const T* source = reinterpret_cast<const T*>(from);
    T* target = reinterpret_cast<T*>(to);
    for (std::int64_t z = 0; z < half[2]; ++z)
      for (std::int64_t y = 0; y < half[1]; ++y) {
        const Rows<T> rows = rows_of(source, size, lattice, factor, y, z);
        T* row = target + (z * to_lattice[1] + y) * to_lattice[0];
        if (how == Downsampling::majority)
          majority_row(rows, size[0], factor[0], row);
        else if constexpr (std::is_integral_v<T>)
          mean_row(rows, size[0], factor[0], row);
        else
          float_mean_row(rows, size[0], factor[0], row);
      }
  });
}

}  // namespace gigawarp::io
