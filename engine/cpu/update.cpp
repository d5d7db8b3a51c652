#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/smooth_march.h"
#include "math/adam.h"

namespace gigawarp::cpu {

GIGAWARP_MULTIVERSION void filter_x_row(const Taps& taps, const float* in_minus_radius, float* out,
                                        std::int64_t n) {
  fir_x(taps, in_minus_radius, out, n);
}

GIGAWARP_MULTIVERSION void filter_rows_row(const Taps& taps, const float* const* rows, float* out,
                                           std::int64_t n) {
  fir_rows(taps, rows, out, n);
}

namespace {

struct AdamRow {
  const float* g[3];
  math::Bfloat16* m[3];
  float* v;
  float* d[3];
  std::int64_t n;
  float beta1, beta2, correction1, correction2, epsilon, kappa;
};

/// Riemannian Adam at one row; returns the largest |d|².
GIGAWARP_MULTIVERSION float adam_row(const AdamRow& row) {
  const float* __restrict gx = row.g[0];
  const float* __restrict gy = row.g[1];
  const float* __restrict gz = row.g[2];
  math::Bfloat16* __restrict mx = row.m[0];
  math::Bfloat16* __restrict my = row.m[1];
  math::Bfloat16* __restrict mz = row.m[2];
  float* __restrict v = row.v;
  float* __restrict dx = row.d[0];
  float* __restrict dy = row.d[1];
  float* __restrict dz = row.d[2];
  const float b1 = row.beta1, b2 = row.beta2, c1 = row.correction1, c2 = row.correction2;
  const float epsilon = row.epsilon, kappa = row.kappa;
  float largest = 0;
#pragma omp simd reduction(max : largest)
  for (std::int64_t x = 0; x < row.n; ++x) {
    const float a = gx[x], b = gy[x], c = gz[x];
    const float ma = math::from_bfloat16(mx[x]) * b1 + (1.0F - b1) * a;
    const float mb = math::from_bfloat16(my[x]) * b1 + (1.0F - b1) * b;
    const float mc = math::from_bfloat16(mz[x]) * b1 + (1.0F - b1) * c;
    const float w = v[x] * b2 + (1.0F - b2) * ((a * a + b * b + c * c) * (1.0F / 3.0F));
    mx[x] = math::to_bfloat16(ma);
    my[x] = math::to_bfloat16(mb);
    mz[x] = math::to_bfloat16(mc);
    v[x] = w;
    const float hat = w * c2;
    const float s = c1 / (__builtin_sqrtf(hat) + epsilon) *
                    math::agreement((ma * ma + mb * mb + mc * mc) * (c1 * c1), hat, kappa);
    const float p = ma * s, q = mb * s, r = mc * s;
    dx[x] = p;
    dy[x] = q;
    dz[x] = r;
    const float norm = p * p + q * q + r * r;
    largest = largest > norm ? largest : norm;
  }
  return largest;
}

/// v = delta + u(i + delta), trilinear with clamped edges, for one row.
GIGAWARP_MULTIVERSION void compose_row(const ops::FieldView& u, const float* const d[3],
                                       float scale, std::int64_t y, std::int64_t z,
                                       float* const out[3]) {
  const ops::Extent& e = u.extent();
  const float* __restrict u0 = u.component[0].data - e.z_begin * e.stride_z;
  const float* __restrict u1 = u.component[1].data - e.z_begin * e.stride_z;
  const float* __restrict u2 = u.component[2].data - e.z_begin * e.stride_z;
  const float* __restrict dx = d[0];
  const float* __restrict dy = d[1];
  const float* __restrict dz = d[2];
  float* __restrict ox = out[0];
  float* __restrict oy = out[1];
  float* __restrict oz = out[2];
  const auto ny = static_cast<float>(e.ny - 1), nz = static_cast<float>(e.nz - 1);
  const auto nx = static_cast<float>(e.nx - 1);
  const auto ix = static_cast<std::int32_t>(std::max<std::int64_t>(e.nx - 2, 0)),
             iy = static_cast<std::int32_t>(std::max<std::int64_t>(e.ny - 2, 0)),
             iz = static_cast<std::int32_t>(std::max<std::int64_t>(e.nz - 2, 0));
  const std::int64_t step_x = e.nx > 1 ? 1 : 0, step_y = e.ny > 1 ? e.stride_y : 0,
                     step_z = e.nz > 1 ? e.stride_z : 0;
  const auto fy0 = static_cast<float>(y), fz0 = static_cast<float>(z);
  for (std::int64_t x = 0; x < e.nx; ++x) {
    const float ax = dx[x] * scale, ay = dy[x] * scale, az = dz[x] * scale;
    float px = static_cast<float>(static_cast<std::int32_t>(x)) + ax, py = fy0 + ay, pz = fz0 + az;
    px = px > 0 ? px : 0.0F;
    py = py > 0 ? py : 0.0F;
    pz = pz > 0 ? pz : 0.0F;
    px = px < nx ? px : nx;
    py = py < ny ? py : ny;
    pz = pz < nz ? pz : nz;
    auto i = static_cast<std::int32_t>(px), j = static_cast<std::int32_t>(py),
         k = static_cast<std::int32_t>(pz);
    i = i > ix ? ix : i;
    j = j > iy ? iy : j;
    k = k > iz ? iz : k;
    const float fx = px - static_cast<float>(i), fy = py - static_cast<float>(j),
                fz = pz - static_cast<float>(k);
    const std::int64_t q = k * e.stride_z + j * e.stride_y + i;
    const float w00 = (1 - fy) * (1 - fz), w10 = fy * (1 - fz), w01 = (1 - fy) * fz, w11 = fy * fz;
    const auto at = [&](const float* __restrict p) __attribute__((always_inline)) {
      const float a =
          p[q] * w00 + p[q + step_y] * w10 + p[q + step_z] * w01 + p[q + step_y + step_z] * w11;
      const float* __restrict s = p + step_x;
      const float b =
          s[q] * w00 + s[q + step_y] * w10 + s[q + step_z] * w01 + s[q + step_y + step_z] * w11;
      return a + (b - a) * fx;
    };
    ox[x] = ax + at(u0);
    oy[x] = ay + at(u1);
    oz[x] = az + at(u2);
  }
}

/// The same for short steps (ops::ComposeArgs): neighbours along the axes only.
GIGAWARP_MULTIVERSION void compose_short_row(const ops::FieldView& u, const float* const d[3],
                                             float scale, std::int64_t y, std::int64_t z,
                                             float* const out[3]) {
  const ops::Extent& e = u.extent();
  const std::int64_t n = e.nx, ym = std::max<std::int64_t>(y - 1, 0),
                     yp = std::min(y + 1, e.ny - 1), zm = std::max<std::int64_t>(z - 1, 0),
                     zp = std::min(z + 1, e.nz - 1);
  const float* __restrict dx = d[0];
  const float* __restrict dy = d[1];
  const float* __restrict dz = d[2];
  for (int c = 0; c < 3; ++c) {
    const ops::SlabView<float>& v = u.component[c];
    const float* __restrict here = v.row(y, z);
    const float* __restrict south = v.row(ym, z);
    const float* __restrict north = v.row(yp, z);
    const float* __restrict below = v.row(y, zm);
    const float* __restrict above = v.row(y, zp);
    const float* __restrict own = d[c];
    float* __restrict to = out[c];
    const auto voxel = [&](std::int64_t x, std::int64_t xm, std::int64_t xp)
        __attribute__((always_inline)) {
      const float ax = dx[x] * scale, ay = dy[x] * scale, az = dz[x] * scale, centre = here[x];
      const float along_x = (ax < 0 ? here[xm] : here[xp]) - centre,
                  along_y = (ay < 0 ? south[x] : north[x]) - centre,
                  along_z = (az < 0 ? below[x] : above[x]) - centre;
      to[x] = own[x] * scale + centre + (ax < 0 ? -ax : ax) * along_x +
              (ay < 0 ? -ay : ay) * along_y + (az < 0 ? -az : az) * along_z;
    };
    voxel(0, 0, std::min<std::int64_t>(1, n - 1));
#pragma omp simd
    for (std::int64_t x = 1; x < n - 1; ++x) voxel(x, x - 1, x + 1);
    if (n > 1) voxel(n - 1, n - 2, n - 1);
  }
}

}  // namespace

float direction(const ops::DirectionArgs& args) {
  const ops::Extent& e = args.gradient.extent();
  const Taps taps = Taps::smoothing(args.sigma_voxels);
  const auto correction = [&](double beta) { return 1.0 / (1.0 - std::pow(beta, args.step)); };
  const std::int64_t strips = (e.ny + kSmoothRows - 1) / kSmoothRows;
  std::vector<float> largest(static_cast<std::size_t>(strips * e.nz), 0.0F);
  for_each_tile(e, args.range, kSmoothRows, kSmoothPlanes, [&](const Tile& tile) {
    thread_local SmoothScratch scratch;
    const auto source = [&](std::int64_t y, std::int64_t z, float* const rows[3]) {
      for (int c = 0; c < 3; ++c)
        std::memcpy(rows[c], args.gradient.component[c].row(y, z),
                    static_cast<std::size_t>(e.nx) * sizeof(float));
    };
    const auto sink = [&](std::int64_t y, std::int64_t z, float* const rows[3]) {
      AdamRow row{};
      for (int c = 0; c < 3; ++c) {
        row.g[c] = rows[c];
        row.m[c] = args.first_moment[c].row(y, z);
        row.d[c] = args.direction.component[c].row(y, z);
      }
      row.v = args.second_moment.row(y, z);
      row.n = e.nx;
      row.beta1 = args.beta1;
      row.beta2 = args.beta2;
      row.correction1 = static_cast<float>(correction(args.beta1));
      row.correction2 = static_cast<float>(correction(args.beta2));
      row.epsilon = args.epsilon;
      row.kappa = args.incoherence_damping;
      float& top = largest[static_cast<std::size_t>(z * strips + tile.y0 / kSmoothRows)];
      top = std::max(top, adam_row(row));
    };
    smooth_tile(e, taps, tile, scratch, source, sink);
  });
  float top = 0;
  for (const float v : largest) top = std::max(top, v);
  return std::sqrt(top);
}

void compose(const ops::ComposeArgs& args) {
  const ops::Extent& e = args.displacement.extent();
  const Taps taps = Taps::smoothing(args.sigma_voxels);
  for_each_tile(e, args.range, kSmoothRows, kSmoothPlanes, [&](const Tile& tile) {
    thread_local SmoothScratch scratch;
    const auto source = [&](std::int64_t y, std::int64_t z, float* const rows[3]) {
      const float* d[3];
      for (int c = 0; c < 3; ++c) d[c] = args.direction.component[c].row(y, z);
      if (args.short_step)
        compose_short_row(args.displacement, d, args.scale, y, z, rows);
      else
        compose_row(args.displacement, d, args.scale, y, z, rows);
    };
    const auto sink = [&](std::int64_t y, std::int64_t z, float* const rows[3]) {
      for (int c = 0; c < 3; ++c)
        std::memcpy(args.out.component[c].row(y, z), rows[c],
                    static_cast<std::size_t>(e.nx) * sizeof(float));
    };
    smooth_tile(e, taps, tile, scratch, source, sink);
  });
}

}  // namespace gigawarp::cpu
