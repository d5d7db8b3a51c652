#include <algorithm>

#include "cpu/warp_row.h"
#include "gigawarp/error.h"

namespace gigawarp::cpu {
namespace {

constexpr float kOutside = std::numeric_limits<float>::quiet_NaN();

template <class T, class Index>
GIGAWARP_ALWAYS_INLINE void value_row_of(const MovingGeometry& g, const void* moving,
                                         const RowPlace& row, float* __restrict out) {
  const auto sink = [out](std::int64_t x, float v, bool inside, float, float, float)
      __attribute__((always_inline)) {
    out[x] = inside ? v : kOutside;
  };
  if (row.u[0] != nullptr)
    sample_row<T, Index, true, false>(g, static_cast<const T*>(moving), row, sink);
  else
    sample_row<T, Index, false, false>(g, static_cast<const T*>(moving), row, sink);
}

template <class T, class Index, bool kAccumulate>
GIGAWARP_ALWAYS_INLINE void gradient_row_of(const MovingGeometry& g, const void* moving,
                                            const RowPlace& row, const float* __restrict dl_dm,
                                            float weight, float* const field[3]) {
  float* __restrict gx = field[0];
  float* __restrict gy = field[1];
  float* __restrict gz = field[2];
  const float t00 = g.linear[0][0], t01 = g.linear[0][1], t02 = g.linear[0][2];
  const float t10 = g.linear[1][0], t11 = g.linear[1][1], t12 = g.linear[1][2];
  const float t20 = g.linear[2][0], t21 = g.linear[2][1], t22 = g.linear[2][2];
  const auto sink = [=](std::int64_t x, float, bool, float mx, float my, float mz)
      __attribute__((always_inline)) {
    const float s = weight * dl_dm[x];
    const float a = (t00 * mx + t10 * my + t20 * mz) * s;
    const float b = (t01 * mx + t11 * my + t21 * mz) * s;
    const float c = (t02 * mx + t12 * my + t22 * mz) * s;
    if constexpr (kAccumulate) {
      gx[x] += a;
      gy[x] += b;
      gz[x] += c;
    } else {
      gx[x] = a;
      gy[x] = b;
      gz[x] = c;
    }
  };
  sample_row<T, Index, true, true>(g, static_cast<const T*>(moving), row, sink);
}

template <class T, class Index>
GIGAWARP_ALWAYS_INLINE void affine_row_of(const MovingGeometry& g, const void* moving,
                                          const RowPlace& row, const float* __restrict dl_dm,
                                          float weight, ops::PlaneSums& sums) {
  // In blocks, so that float sums stay short; a block's lanes are added in a fixed order.
  constexpr std::int64_t kBlock = 128;
  float gx[kBlock], gy[kBlock], gz[kBlock];
  for (std::int64_t start = 0; start < row.n; start += kBlock) {
    RowPlace part = row;
    part.n = std::min(kBlock, row.n - start);
    // Shifting the row's origin keeps x small; the affine part takes the shift in double.
    MovingGeometry shifted = g;
    for (int r = 0; r < 3; ++r) shifted.affine[r][3] += g.affine[r][0] * static_cast<double>(start);
    const float* __restrict s = dl_dm + start;
    const auto sink = [&](std::int64_t x, float, bool, float mx, float my, float mz)
        __attribute__((always_inline)) {
      const float w = weight * s[x];
      gx[x] = mx * w;
      gy[x] = my * w;
      gz[x] = mz * w;
    };
    sample_row<T, Index, false, true>(shifted, static_cast<const T*>(moving), part, sink);
    double sum[3] = {}, moment[3] = {};
    for (std::int64_t x = 0; x < part.n; ++x) {
      sum[0] += gx[x];
      sum[1] += gy[x];
      sum[2] += gz[x];
      const auto position = static_cast<double>(x);
      moment[0] += gx[x] * position;
      moment[1] += gy[x] * position;
      moment[2] += gz[x] * position;
    }
    for (int r = 0; r < 3; ++r) {
      sums.gradient[r] += sum[r];
      sums.moment[r][0] += moment[r] + sum[r] * static_cast<double>(start);
      sums.moment[r][1] += sum[r] * static_cast<double>(row.y);
      sums.moment[r][2] += sum[r] * static_cast<double>(row.z);
    }
  }
}

#define GIGAWARP_ROWS_OF(T, name)                                                               \
  GIGAWARP_MULTIVERSION void value_row_##name(const MovingGeometry& g, const void* m,           \
                                              const RowPlace& row, float* out) {                \
    if (g.rows != nullptr)                                                                      \
      value_row_of<T, ByTable>(g, m, row, out);                                                 \
    else if (g.small)                                                                           \
      value_row_of<T, std::int32_t>(g, m, row, out);                                            \
    else                                                                                        \
      value_row_of<T, std::int64_t>(g, m, row, out);                                            \
  }                                                                                             \
  GIGAWARP_MULTIVERSION void gradient_row_##name(                                               \
      const MovingGeometry& g, const void* m, const RowPlace& row, const float* dl_dm,          \
      float weight, bool accumulate, float* const field[3]) {                                   \
    if (g.rows != nullptr && accumulate)                                                        \
      gradient_row_of<T, ByTable, true>(g, m, row, dl_dm, weight, field);                       \
    else if (g.rows != nullptr)                                                                 \
      gradient_row_of<T, ByTable, false>(g, m, row, dl_dm, weight, field);                      \
    else if (g.small && !accumulate)                                                            \
      gradient_row_of<T, std::int32_t, false>(g, m, row, dl_dm, weight, field);                 \
    else if (g.small)                                                                           \
      gradient_row_of<T, std::int32_t, true>(g, m, row, dl_dm, weight, field);                  \
    else if (!accumulate)                                                                       \
      gradient_row_of<T, std::int64_t, false>(g, m, row, dl_dm, weight, field);                 \
    else                                                                                        \
      gradient_row_of<T, std::int64_t, true>(g, m, row, dl_dm, weight, field);                  \
  }                                                                                             \
  GIGAWARP_MULTIVERSION void affine_row_##name(const MovingGeometry& g, const void* m,          \
                                               const RowPlace& row, const float* dl_dm,         \
                                               float weight, ops::PlaneSums& sums) {            \
    if (g.rows != nullptr)                                                                      \
      affine_row_of<T, ByTable>(g, m, row, dl_dm, weight, sums);                                \
    else if (g.small)                                                                           \
      affine_row_of<T, std::int32_t>(g, m, row, dl_dm, weight, sums);                           \
    else                                                                                        \
      affine_row_of<T, std::int64_t>(g, m, row, dl_dm, weight, sums);                           \
  }                                                                                             \
  GIGAWARP_MULTIVERSION void load_row_##name(const void* image, std::int64_t n, float offset,   \
                                             float scale, float* __restrict out) {              \
    const auto* __restrict in = static_cast<const T*>(image);                                   \
    for (std::int64_t x = 0; x < n; ++x) out[x] = (static_cast<float>(in[x]) - offset) * scale; \
  }

GIGAWARP_ROWS_OF(std::uint8_t, u8)
GIGAWARP_ROWS_OF(std::int8_t, i8)
GIGAWARP_ROWS_OF(std::uint16_t, u16)
GIGAWARP_ROWS_OF(std::int16_t, i16)
GIGAWARP_ROWS_OF(float, f32)

[[noreturn]] void refuse_type(ScalarType type) {
  throw Error(ErrorCode::internal, "The sampler was given a " + std::string(name_of(type)) +
                                       " image; levels are u8, i8, u16, i16 or f32.");
}

}  // namespace

#define GIGAWARP_BY_TYPE(call)              \
  switch (type) {                           \
    case ScalarType::u8: call(u8); break;   \
    case ScalarType::i8: call(i8); break;   \
    case ScalarType::u16: call(u16); break; \
    case ScalarType::i16: call(i16); break; \
    case ScalarType::f32: call(f32); break; \
    default: refuse_type(type);             \
  }

void value_row(ScalarType type, const MovingGeometry& g, const void* moving, const RowPlace& row,
               float* out) {
#define GIGAWARP_CALL(name) value_row_##name(g, moving, row, out)
  GIGAWARP_BY_TYPE(GIGAWARP_CALL)
#undef GIGAWARP_CALL
}

void gradient_row(ScalarType type, const MovingGeometry& g, const void* moving, const RowPlace& row,
                  const float* dl_dm, float weight, bool accumulate, float* const field[3]) {
#define GIGAWARP_CALL(name) gradient_row_##name(g, moving, row, dl_dm, weight, accumulate, field)
  GIGAWARP_BY_TYPE(GIGAWARP_CALL)
#undef GIGAWARP_CALL
}

void affine_gradient_row(ScalarType type, const MovingGeometry& g, const void* moving,
                         const RowPlace& row, const float* dl_dm, float weight,
                         ops::PlaneSums& sums) {
#define GIGAWARP_CALL(name) affine_row_##name(g, moving, row, dl_dm, weight, sums)
  GIGAWARP_BY_TYPE(GIGAWARP_CALL)
#undef GIGAWARP_CALL
}

void load_row(const ops::ImageView& image, std::int64_t y, std::int64_t z, float* out) {
  const std::int64_t at = image.extent.offset(y, z);
  const ScalarType type = image.type;
  const void* row =
      static_cast<const std::byte*>(image.data) + static_cast<std::ptrdiff_t>(size_of(type)) * at;
#define GIGAWARP_CALL(name) load_row_##name(row, image.extent.nx, image.offset, image.scale, out)
  GIGAWARP_BY_TYPE(GIGAWARP_CALL)
#undef GIGAWARP_CALL
}

}  // namespace gigawarp::cpu
