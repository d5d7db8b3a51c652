#include "phantom/phantom.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "phantom/anatomy.h"
#include "phantom/known_map.h"

namespace gigawarp::phantom {
namespace {

constexpr Vec3 kNominalExtent{168, 200, 192};  ///< mm that a nominal head needs
constexpr Vec3 kNominalCentre{3, -17,
                              12};  ///< of the head in the world: the origin is nowhere special

/// What 1.0 of brightness becomes.
double full_scale(ScalarType type) {
  switch (type) {
    case ScalarType::u8: return 200;
    case ScalarType::i8: return 100;
    case ScalarType::u16:
    case ScalarType::i16: return 4000;
    case ScalarType::u32:
    case ScalarType::i32: return 100000;
    case ScalarType::f32:
    case ScalarType::f64: break;
  }
  return 1000;
}

void check(const PhantomSpec& spec) {
  const auto refuse = [](const std::string& sentence, const std::string& option) {
    throw Error(ErrorCode::usage, sentence, option);
  };
  for (const std::int64_t n : spec.size)
    if (n < 8 || n > 65536)
      refuse("A phantom has between 8 and 65536 voxels on each axis.", "--size");
  if (!std::isfinite(spec.spacing_mm) || spec.spacing_mm < 0)
    refuse("The spacing of a phantom is a positive number of millimetres.", "--spacing");
  if (!(spec.noise_percent >= 0 && spec.noise_percent <= 100))
    refuse("The noise of a phantom is between 0 and 100 percent.", "--noise");
  if (!(spec.bias_field_percent >= 0 && spec.bias_field_percent <= 80))
    refuse("The bias field of a phantom is between 0 and 80 percent.", "--bias");
  if (!(spec.affine_perturbation >= 0 && spec.affine_perturbation <= 10))
    refuse("The affine perturbation of a phantom is between 0 and 10.", "--affine");
  if (!std::isfinite(spec.deformation_mm))
    refuse("The deformation of a phantom is a number of millimetres.", "--deformation");
}

Mat3 oblique_direction(double degrees) {
  const double a = degrees * std::numbers::pi / 180, c = std::cos(a), s = std::sin(a);
  const Mat3 about_x{{{1, 0, 0}, {0, c, -s}, {0, s, c}}};
  const Mat3 about_z{{{c, -s, 0}, {s, c, 0}, {0, 0, 1}}};
  Mat3 out{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k) out[i][j] += about_z[i][k] * about_x[k][j];
  return out;
}

std::uint32_t fold(std::uint64_t h) {
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ULL;
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBULL;
  return static_cast<std::uint32_t>(h >> 32);
}

}  // namespace

struct Phantom::State {
  PhantomSpec spec;
  double scale = 1;  ///< mm per nominal mm
  Vec3 centre_mm{};
  Grid fixed, moving;
  KnownMap map;
  MapView view;  ///< of `map`, for rows of the fixed image
  float bias[2][4]{};

  const Grid& grid(Side side) const { return side == Side::fixed ? fixed : moving; }
  Row row(Side side, std::int64_t x, std::int64_t y, std::int64_t z, int count) const;
  Degrade degrade(Side side, std::int64_t x, std::int64_t y, std::int64_t z) const;
  void make_view();
  void make_bias();
};

void Phantom::State::make_view() {
  view.identity = spec.affine_perturbation == 0 && spec.deformation_mm == 0;
  for (int k = 0; k < KnownMap::kWaves; ++k) {
    const PlaneWave& w = map.waves()[k];
    const double turn = 1 / (2 * std::numbers::pi);
    for (int c = 0; c < 3; ++c) {
      view.wave[k][c] = static_cast<float>(w.wave_per_mm[c] * scale * turn);
      view.amplitude[k][c] = static_cast<float>(w.amplitude_mm[c] / scale);
    }
    view.phase[k] = static_cast<float>(w.phase * turn);
  }
  const Vec3 moved_centre = map.affine()(centre_mm);
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) view.linear[r][c] = static_cast<float>(map.affine().linear[r][c]);
    view.offset[r] = static_cast<float>((moved_centre[r] - centre_mm[r]) / scale);
  }
}

void Phantom::State::make_bias() {
  for (int side = 0; side < 2; ++side) {
    CounterRandom random(spec.seed * 97 + 5 + static_cast<std::uint64_t>(side));
    for (float& b : bias[side])
      b = static_cast<float>(random.between(-1, 1) * spec.bias_field_percent / 100);
  }
}

Row Phantom::State::row(Side side, std::int64_t x, std::int64_t y, std::int64_t z,
                        int count) const {
  const Grid& g = grid(side);
  const Vec3 first =
      g.world_from_voxel({static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
  Row out{};
  out.count = count;
  for (int c = 0; c < 3; ++c) {
    out.start[c] = static_cast<float>((first[c] - centre_mm[c]) / scale);
    out.step[c] = static_cast<float>(g.world_from_voxel.linear[c][0] / scale);
  }
  return out;
}

Degrade Phantom::State::degrade(Side side, std::int64_t x, std::int64_t y, std::int64_t z) const {
  const int s = side == Side::fixed ? 0 : 1;
  Degrade out;
  out.sigma = static_cast<float>(0.0085 * spec.noise_percent);
  std::copy(std::begin(bias[s]), std::end(bias[s]), std::begin(out.bias));
  const std::uint64_t line =
      static_cast<std::uint64_t>(z * spec.size[1] + y) * 2 + static_cast<std::uint64_t>(s);
  out.key = fold(line * 0x9E3779B97F4A7C15ULL ^ (spec.seed * 0xD1342543DE82EF95ULL + 1));
  out.first = static_cast<std::uint32_t>(x);
  return out;
}

PhantomSpec identity(PhantomSpec spec) {
  spec.deformation_mm = 0;
  spec.affine_perturbation = 0;
  return spec;
}

Phantom::Phantom(const PhantomSpec& given) : state_(std::make_unique<State>()) {
  check(given);
  State& s = *state_;
  s.spec = given;
  PhantomSpec& spec = s.spec;
  if (spec.spacing_mm == 0)
    for (int a = 0; a < 3; ++a)
      spec.spacing_mm =
          std::max(spec.spacing_mm, kNominalExtent[a] / static_cast<double>(spec.size[a]));
  s.scale = std::numeric_limits<double>::max();
  for (int a = 0; a < 3; ++a)
    s.scale =
        std::min(s.scale, static_cast<double>(spec.size[a]) * spec.spacing_mm / kNominalExtent[a]);
  if (spec.oblique) s.scale *= 0.88;  // the turned box still holds the head
  for (int a = 0; a < 3; ++a) s.centre_mm[a] = kNominalCentre[a] * s.scale;
  const auto make_grid = [&](double degrees) {
    const Vec3 spacing{spec.spacing_mm, spec.spacing_mm, spec.spacing_mm};
    Grid g = Grid::from_itk(spec.size, spacing, {0, 0, 0}, oblique_direction(degrees));
    const Vec3 middle = g.centre_mm();
    for (int a = 0; a < 3; ++a) g.world_from_voxel.offset[a] = s.centre_mm[a] - middle[a];
    return g;
  };
  s.fixed = make_grid(spec.oblique ? 11 : 0);
  s.moving = make_grid(spec.oblique ? -8 : 0);
  s.map = KnownMap(spec, s.centre_mm, s.scale);
  s.make_view();
  s.make_bias();
}

Phantom::~Phantom() = default;
Phantom::Phantom(Phantom&&) noexcept = default;
Phantom& Phantom::operator=(Phantom&&) noexcept = default;

const PhantomSpec& Phantom::spec() const { return state_->spec; }
const Grid& Phantom::grid(Side side) const { return state_->grid(side); }
Vec3 Phantom::map(const Vec3& fixed_mm) const { return state_->map(fixed_mm); }
Vec3 Phantom::inverse_map(const Vec3& moving_mm) const { return state_->map.inverse(moving_mm); }
double Phantom::nominal_scale() const { return state_->scale; }
Affine Phantom::affine() const { return state_->map.affine(); }

namespace {

/// Calls body(x, y, z, count) for chunks of all rows of planes z0 <= z < z1, threaded by rows.
template <class Body>
void for_each_chunk(const Size3& size, std::int64_t z0, std::int64_t z1, const Body& body) {
  constexpr std::int64_t kRowsAtOnce = 16;
  const std::int64_t rows = (z1 - z0) * size[1];
  parallel_for((rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](std::int64_t block) {
    const std::int64_t end = std::min(rows, (block + 1) * kRowsAtOnce);
    for (std::int64_t r = block * kRowsAtOnce; r < end; ++r)
      for (std::int64_t x = 0; x < size[0]; x += kRowChunk)
        body(x, r % size[1], z0 + r / size[1],
             static_cast<int>(std::min<std::int64_t>(kRowChunk, size[0] - x)));
  });
}

template <class T>
T stored(float value) {
  if constexpr (std::is_integral_v<T>) {
    const auto low = static_cast<double>(std::numeric_limits<T>::min());
    const auto high = static_cast<double>(std::numeric_limits<T>::max());
    return static_cast<T>(std::clamp(std::floor(value + 0.5), std::max(low, 0.0), high));
  } else {
    return static_cast<T>(value);
  }
}

}  // namespace

void Phantom::render_slab(Side side, std::int64_t z0, std::int64_t z1, std::byte* out) const {
  const State& s = *state_;
  const Size3& size = s.spec.size;
  const MapView still;
  const MapView& view = side == Side::fixed ? s.view : still;
  const auto voxel = static_cast<float>(s.spec.spacing_mm / s.scale);
  const Look look =
      look_of(side == Side::fixed ? s.spec.fixed_contrast : s.spec.moving_contrast, voxel);
  const auto edge = static_cast<float>(1.2 * s.spec.spacing_mm / s.scale);
  const auto full = static_cast<float>(full_scale(s.spec.type));
  for_each_chunk(size, z0, z1, [&](std::int64_t x, std::int64_t y, std::int64_t z, int count) {
    float values[kRowChunk];
    const Row row = s.row(side, x, y, z, count);
    anatomy_row(row, view, look, edge, values);
    degrade_row(row, s.degrade(side, x, y, z), values);
    dispatch(s.spec.type, [&]<class T>() {
      T* to = reinterpret_cast<T*>(out) + ((z - z0) * size[1] + y) * size[0] + x;
      for (int i = 0; i < count; ++i) to[i] = stored<T>(values[i] * full);
    });
  });
}

void Phantom::label_slab(Side side, std::int64_t z0, std::int64_t z1, std::uint8_t* out) const {
  const State& s = *state_;
  const Size3& size = s.spec.size;
  const MapView still;
  const MapView& view = side == Side::fixed ? s.view : still;
  const Contrast contrast = side == Side::fixed ? s.spec.fixed_contrast : s.spec.moving_contrast;
  const bool fluid = contrast != Contrast::lightsheet;
  for_each_chunk(size, z0, z1, [&](std::int64_t x, std::int64_t y, std::int64_t z, int count) {
    float values[kRowChunk];
    label_row(s.row(side, x, y, z, count), view, fluid, values);
    std::uint8_t* to = out + ((z - z0) * size[1] + y) * size[0] + x;
    for (int i = 0; i < count; ++i) to[i] = static_cast<std::uint8_t>(values[i]);
  });
}

void Phantom::mask_slab(Side side, std::int64_t z0, std::int64_t z1, std::uint8_t* out) const {
  label_slab(side, z0, z1, out);
  const std::int64_t n = (z1 - z0) * state_->spec.size[0] * state_->spec.size[1];
  for (std::int64_t i = 0; i < n; ++i) out[i] = out[i] != 0;
}

Volume Phantom::image(Side side) const {
  Volume out(grid(side), state_->spec.type);
  render_slab(side, 0, state_->spec.size[2], out.data());
  return out;
}

Volume Phantom::labels(Side side) const {
  Volume out(grid(side), ScalarType::u8);
  label_slab(side, 0, state_->spec.size[2], out.channel<std::uint8_t>());
  return out;
}

Volume Phantom::mask(Side side) const {
  Volume out(grid(side), ScalarType::u8);
  mask_slab(side, 0, state_->spec.size[2], out.channel<std::uint8_t>());
  return out;
}

DisplacementField Phantom::true_warp() const {
  const Grid& g = state_->fixed;
  DisplacementField out(g);
  parallel_for(g.size[1] * g.size[2], [&](std::int64_t r) {
    const std::int64_t y = r % g.size[1], z = r / g.size[1];
    for (std::int64_t x = 0; x < g.size[0]; ++x) {
      const Vec3 p = g.world_from_voxel(
          {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
      const Vec3 q = state_->map(p);
      for (int c = 0; c < 3; ++c)
        out.component_mm(c)[r * g.size[0] + x] = static_cast<float>(q[c] - p[c]);
    }
  });
  return out;
}

}  // namespace gigawarp::phantom
