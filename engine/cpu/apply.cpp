#include "ops/apply.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "base/parallel.h"
#include "cpu/multiversion.h"
#include "gigawarp/error.h"

namespace gigawarp {

namespace {
constexpr std::int64_t kRowsPerTask = 16;

/// One step of the compiled transform. Affines between fields are already multiplied.
struct Step {
  const DisplacementField* field = nullptr;
  const BSplineField* spline = nullptr;
  Affine affine;            ///< applied when both pointers are null
  Affine voxel_from_world;  ///< of the field
};

/// Entries within rounding of whole numbers become whole, so that an identity is exactly one.
Affine cleaned(Affine t) {
  const auto snap = [](double& v, double tolerance) {
    const double whole = std::nearbyint(v);
    if (std::abs(v - whole) < tolerance) v = whole;
  };
  for (auto& row : t.linear)
    for (double& v : row) snap(v, 1e-11);
  for (double& v : t.offset) snap(v, 1e-8);
  return t;
}

/// A transform prepared for one reference lattice and one moving grid.
struct Program {
  /// A displacement that lives on the reference lattice and is applied first: the voxels of
  /// `first_box`, mm; null where there is none.
  std::array<const float*, 3> first_field{};
  Box first_box;
  std::vector<Step> steps;       ///< what follows, up to the last affine
  Affine moving_from_world;      ///< the last affine and the moving grid, in one
  Affine moving_from_reference;  ///< the same from reference voxels; for programs without steps
};

/// Voxels of the reference lattice that `volume` holds: `box` of it.
void set_first_field(Program& program, const Volume& displacement_mm, const Box& box) {
  for (int a = 0; a < 3; ++a)
    program.first_field[static_cast<std::size_t>(a)] = displacement_mm.channel<float>(a);
  program.first_box = box;
}

/// `at_start`: no displacement goes before the transform that is not part of it.
Program compile(const Transform& transform, const Grid& reference, const Grid& moving,
                bool at_start = true) {
  Program program;
  Affine pending;
  for (const TransformStage& stage : transform.stages) {
    if (const auto* affine = std::get_if<Affine>(&stage)) {
      pending = *affine * pending;
      at_start = false;
      continue;
    }
    const auto* field = std::get_if<DisplacementField>(&stage);
    if (at_start && field != nullptr && field->grid().same_lattice(reference, 1e-4)) {
      set_first_field(program, field->volume(), {{0, 0, 0}, field->grid().size});
      at_start = false;
      continue;
    }
    if (!(pending == Affine{})) program.steps.push_back({nullptr, nullptr, pending, {}});
    pending = Affine{};
    Step step;
    step.field = field;
    step.spline = std::get_if<BSplineField>(&stage);
    if (field != nullptr) step.voxel_from_world = field->grid().voxel_from_world();
    program.steps.push_back(step);
    at_start = false;
  }
  program.moving_from_world = moving.voxel_from_world() * pending;
  program.moving_from_reference = cleaned(program.moving_from_world * reference.world_from_voxel);
  return program;
}

/// Moving voxel positions of one row of the reference; NaN where the transform is undefined.
struct Row {
  std::array<std::vector<double>, 3> position;
  explicit Row(std::int64_t n) {
    for (auto& p : position) p.resize(static_cast<std::size_t>(n));
  }
  std::int64_t size() const { return static_cast<std::int64_t>(position[0].size()); }
};

/// Where the displacements of the voxels from `at` on begin; null without any.
std::array<const float*, 3> first_displacements(const Program& program, const Size3& at) {
  std::array<const float*, 3> u = program.first_field;
  if (u[0] == nullptr) return u;
  const Box& box = program.first_box;
  const std::int64_t offset =
      ((at[2] - box.begin[2]) * box.size[1] + at[1] - box.begin[1]) * box.size[0] + at[0] -
      box.begin[0];
  for (const float*& p : u) p += offset;
  return u;
}

/// position = base + (first + x) * step + linear * u.
GIGAWARP_MULTIVERSION
void linear_positions(double* __restrict out, std::int64_t first, std::int64_t n, double base,
                      double step, const double* linear, const float* __restrict u0,
                      const float* __restrict u1, const float* __restrict u2) {
  const double a = linear[0], b = linear[1], c = linear[2];
  if (u0 == nullptr) {
    for (std::int64_t x = 0; x < n; ++x) out[x] = base + static_cast<double>(first + x) * step;
    return;
  }
  for (std::int64_t x = 0; x < n; ++x)
    out[x] = base + static_cast<double>(first + x) * step +
             (a * static_cast<double>(u0[x]) + b * static_cast<double>(u1[x]) +
              c * static_cast<double>(u2[x]));
}

/// Positions of the voxels from (x, y, z) on, as many as the row has.
void direct_row(const Program& program, const Size3& at, Row& row) {
  const auto [first, y, z] = at;
  const std::array<const float*, 3> u = first_displacements(program, at);
  const Affine& t = program.moving_from_reference;
  for (int a = 0; a < 3; ++a) {
    const double base = t.linear[a][1] * static_cast<double>(y) +
                        t.linear[a][2] * static_cast<double>(z) + t.offset[a];
    linear_positions(row.position[a].data(), first, row.size(), base, t.linear[a][0],
                     program.moving_from_world.linear[a].data(), u[0], u[1], u[2]);
  }
}

/// Trilinear displacement at a world point: zero outside, NaN where the field is undefined.
Vec3 field_at(const Step& step, const Vec3& point) {
  const Size3& n = step.field->grid().size;
  const Vec3 v = step.voxel_from_world(point);
  std::int64_t low[3], high[3];
  double w[3];
  for (int a = 0; a < 3; ++a) {
    if (!(v[a] >= -0.5 && v[a] < static_cast<double>(n[a]) - 0.5))
      return std::isnan(v[a]) ? v : Vec3{0, 0, 0};
    const double clamped = std::clamp(v[a], 0.0, static_cast<double>(n[a] - 1));
    low[a] = static_cast<std::int64_t>(clamped);
    w[a] = clamped - static_cast<double>(low[a]);
    high[a] = low[a] + (w[a] > 0 ? 1 : 0);
  }
  Vec3 out{};
  for (int corner = 0; corner < 8; ++corner) {
    const std::int64_t x = corner & 1 ? high[0] : low[0], y = corner & 2 ? high[1] : low[1],
                       z = corner & 4 ? high[2] : low[2];
    const double weight = (corner & 1 ? w[0] : 1 - w[0]) * (corner & 2 ? w[1] : 1 - w[1]) *
                          (corner & 4 ? w[2] : 1 - w[2]);
    const std::int64_t i = (z * n[1] + y) * n[0] + x;
    for (int a = 0; a < 3; ++a)
      out[a] += weight * static_cast<double>(step.field->component_mm(a)[i]);
  }
  return out;
}

Vec3 apply_step(const Step& step, const Vec3& p) {
  if (step.field == nullptr && step.spline == nullptr) return step.affine(p);
  const Vec3 d = step.field != nullptr ? field_at(step, p) : step.spline->at_world(p);
  return {p[0] + d[0], p[1] + d[1], p[2] + d[2]};
}

/// Programs with steps go through the world, point by point.
void stepped_row(const Program& program, const Grid& reference, const Size3& at, Row& row) {
  const auto [first, y, z] = at;
  const std::array<const float*, 3> u = first_displacements(program, at);
  for (std::int64_t x = 0; x < row.size(); ++x) {
    Vec3 p = reference.world_from_voxel(
        {static_cast<double>(first + x), static_cast<double>(y), static_cast<double>(z)});
    if (u[0] != nullptr)
      for (std::size_t a = 0; a < 3; ++a) p[a] += static_cast<double>(u[a][x]);
    for (const Step& step : program.steps) p = apply_step(step, p);
    const Vec3 v = program.moving_from_world(p);
    for (int a = 0; a < 3; ++a) {
      const double whole = std::nearbyint(v[a]);  // world round trips of an identity leave 1e-13
      row.position[a][static_cast<std::size_t>(x)] = std::abs(v[a] - whole) < 1e-9 ? whole : v[a];
    }
  }
}

void find_positions(const Program& program, const Grid& reference, const Size3& at, Row& row) {
  if (program.steps.empty())
    direct_row(program, at, row);
  else
    stepped_row(program, reference, at, row);
}

/// Corner offsets and weights of one row in a box of the moving grid.
struct Corners {
  std::vector<std::int64_t> base;                  ///< lower corner; -1: outside
  std::array<std::vector<std::int64_t>, 3> upper;  ///< offset to the upper corner, 0 at weight 0
  std::array<std::vector<double>, 3> weight;
  explicit Corners(std::int64_t n) {
    const auto count = static_cast<std::size_t>(n);
    base.resize(count);
    for (auto& u : upper) u.resize(count);
    for (auto& w : weight) w.resize(count);
  }
};

/// Adds one axis to the corners of a row.
GIGAWARP_MULTIVERSION
void corner_axis(const double* __restrict position, std::int64_t n, double size, std::int64_t begin,
                 std::int64_t stride, bool nearest, std::int64_t* __restrict base,
                 std::int64_t* __restrict upper, double* __restrict weight) {
  const double last = size - 1;
  for (std::int64_t x = 0; x < n; ++x) {
    const double p = position[x];
    const bool inside = p >= -0.5 && p < size - 0.5;
    double clamped = inside ? p : 0.0;
    clamped = nearest ? std::floor(clamped + 0.5) : clamped;
    clamped = std::min(std::max(clamped, 0.0), last);
    const double low = std::floor(clamped);
    const double w = clamped - low;
    const std::int64_t offset = (static_cast<std::int64_t>(low) - begin) * stride;
    base[x] = inside && base[x] >= 0 ? base[x] + offset : -1;
    upper[x] = w > 0 ? stride : 0;
    weight[x] = w;
  }
}

/// `n` is the size of the whole moving grid, of which `box` is in memory.
void find_corners(const Row& row, const Size3& n, const Box& box, bool nearest, Corners& corners) {
  std::fill(corners.base.begin(), corners.base.end(), 0);
  std::int64_t stride = 1;
  for (int a = 0; a < 3; ++a) {
    corner_axis(row.position[a].data(), static_cast<std::int64_t>(row.position[a].size()),
                static_cast<double>(n[a]), box.begin[a], stride, nearest, corners.base.data(),
                corners.upper[a].data(), corners.weight[a].data());
    stride *= box.size[a];
  }
}

template <class T>
T rounded(double value) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(std::floor(value + 0.5));
  else
    return static_cast<T>(value);
}

/// `value` as T, clamped to its range; NaN becomes 0 in whole numbers.
template <class T>
T as_type(double value) {
  if constexpr (std::is_integral_v<T>) {
    if (std::isnan(value)) return 0;
    return static_cast<T>(std::clamp(std::nearbyint(value),
                                     static_cast<double>(std::numeric_limits<T>::min()),
                                     static_cast<double>(std::numeric_limits<T>::max())));
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
void linear_row(const T* moving, const Corners& c, T background, T* out) {
  const std::size_t n = c.base.size();
  for (std::size_t x = 0; x < n; ++x) {
    if (c.base[x] < 0) {
      out[x] = background;
      continue;
    }
    const T* p = moving + c.base[x];
    const std::int64_t sx = c.upper[0][x], sy = c.upper[1][x], sz = c.upper[2][x];
    const double wx = c.weight[0][x], wy = c.weight[1][x], wz = c.weight[2][x];
    const auto mix = [](double a, double b, double w) { return a + w * (b - a); };
    const auto at = [&](std::int64_t i) { return static_cast<double>(p[i]); };
    const double low = mix(mix(at(0), at(sx), wx), mix(at(sy), at(sy + sx), wx), wy);
    const double high =
        mix(mix(at(sz), at(sz + sx), wx), mix(at(sz + sy), at(sz + sy + sx), wx), wy);
    out[x] = rounded<T>(mix(low, high, wz));
  }
}

template <class T>
void nearest_row(const T* moving, const Corners& c, T background, T* out) {
  for (std::size_t x = 0; x < c.base.size(); ++x)
    out[x] = c.base[x] < 0 ? background : moving[c.base[x]];
}

/// The label with the largest sum of weights; the smaller label where two are equal.
template <class T>
T heaviest_label(const std::array<T, 8>& label, const std::array<double, 8>& weight) {
  T best = label[0];
  double best_sum = -1;
  for (std::size_t i = 0; i < 8; ++i) {
    double sum = 0;
    for (std::size_t j = 0; j < 8; ++j) sum += label[j] == label[i] ? weight[j] : 0;
    if (sum > best_sum || (sum == best_sum && label[i] < best)) {
      best_sum = sum;
      best = label[i];
    }
  }
  return best;
}

template <class T>
void label_row(const T* moving, const Corners& c, T background, T* out) {
  for (std::size_t x = 0; x < c.base.size(); ++x) {
    if (c.base[x] < 0) {
      out[x] = background;
      continue;
    }
    std::array<T, 8> label{};
    std::array<double, 8> weight{};
    bool uniform = true;
    for (std::size_t i = 0; i < 8; ++i) {
      std::int64_t at = c.base[x];
      double w = 1;
      for (std::size_t a = 0; a < 3; ++a) {
        const bool high = (i >> a & 1U) != 0;
        at += high ? c.upper[a][x] : 0;
        w *= high ? c.weight[a][x] : 1 - c.weight[a][x];
      }
      label[i] = moving[at];
      weight[i] = w;
      uniform = uniform && label[i] == label[0];
    }
    out[x] = uniform ? label[0] : heaviest_label(label, weight);
  }
}

/// How values are made, for every row alike.
struct Rule {
  Interpolation interpolation;
  double background;
};

/// One row of all channels: `row` in the moving grid of size `whole`, of which `moving` holds
/// `box`.
void sample_row(const Volume& moving, const Size3& whole, const Box& box, const Rule& rule,
                const Row& row, Corners& corners, Volume& out, std::int64_t out_row) {
  find_corners(row, whole, box, rule.interpolation == Interpolation::nearest, corners);
  dispatch(moving.type(), [&]<class T>() {
    const T background = as_type<T>(rule.background);
    for (int c = 0; c < moving.channels(); ++c) {
      const T* from = moving.channel<T>(c);
      T* to = out.channel<T>(c) + out_row * row.size();
      switch (rule.interpolation) {
        case Interpolation::linear: linear_row(from, corners, background, to); break;
        case Interpolation::nearest: nearest_row(from, corners, background, to); break;
        case Interpolation::label: label_row(from, corners, background, to); break;
      }
    }
  });
}

/// Calls body(first, last) for blocks of rows, and throws when stopped.
template <class Body>
void for_row_blocks(std::int64_t rows, const std::stop_token& stop, const Body& body) {
  parallel_for((rows + kRowsPerTask - 1) / kRowsPerTask, [&](std::int64_t i) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled, "Resampling was cancelled; nothing was written.");
    body(i * kRowsPerTask, std::min(rows, (i + 1) * kRowsPerTask));
  });
}

/// Smallest and largest moving voxel index that linear interpolation touches.
struct Reach {
  Size3 low{std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::max(),
            std::numeric_limits<std::int64_t>::max()};
  Size3 high{-1, -1, -1};

  void add(const Row& row, const Size3& whole) {
    for (std::size_t x = 0; x < row.position[0].size(); ++x) {
      bool inside = true;
      for (std::size_t a = 0; a < 3; ++a) {
        const double p = row.position[a][x];
        inside = inside && p >= -0.5 && p < static_cast<double>(whole[a]) - 0.5;
      }
      if (!inside) continue;
      for (std::size_t a = 0; a < 3; ++a) {
        const double p = std::clamp(row.position[a][x], 0.0, static_cast<double>(whole[a] - 1));
        low[a] = std::min(low[a], static_cast<std::int64_t>(std::floor(p)));
        high[a] = std::max(high[a], static_cast<std::int64_t>(std::ceil(p)));
      }
    }
  }
  void add(const Reach& other) {
    for (std::size_t a = 0; a < 3; ++a) {
      low[a] = std::min(low[a], other.low[a]);
      high[a] = std::max(high[a], other.high[a]);
    }
  }
  Box box() const {
    Box out;
    for (std::size_t a = 0; a < 3 && high[a] >= 0; ++a) {
      out.begin[a] = low[a];
      out.size[a] = high[a] - low[a] + 1;
    }
    return out;
  }
};
}  // namespace

Volume apply_transform(const Volume& moving, const Transform& moving_from_fixed,
                       const Grid& reference, Interpolation interpolation, double background,
                       std::stop_token stop) {
  if (moving.empty() || reference.voxel_count() <= 0)
    throw Error(ErrorCode::bad_input, "An empty volume cannot be resampled.");
  const Program program = compile(moving_from_fixed, reference, moving.grid());
  Volume out(reference, moving.type(), moving.channels());
  const Size3 n = reference.size, whole = moving.grid().size;
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    Row row(n[0]);
    Corners corners(n[0]);
    for (std::int64_t r = first; r < last; ++r) {
      find_positions(program, reference, {0, r % n[1], r / n[1]}, row);
      sample_row(moving, whole, {{0, 0, 0}, whole}, {interpolation, background}, row, corners, out,
                 r);
    }
  });
  return out;
}

namespace {
constexpr std::int64_t kTile = 256;  ///< voxels along x and y of what is resampled at once

/// A box of the reference from a moving volume in memory.
void sample_box(const Program& program, const Volume& moving, const Grid& reference, const Box& box,
                const Rule& rule, const std::stop_token& stop, Volume& out) {
  const Size3& n = box.size;
  const Size3 whole = moving.grid().size;
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    Row row(n[0]);
    Corners corners(n[0]);
    for (std::int64_t r = first; r < last; ++r) {
      find_positions(program, reference,
                     {box.begin[0], box.begin[1] + r % n[1], box.begin[2] + r / n[1]}, row);
      sample_row(moving, whole, {{0, 0, 0}, whole}, rule, row, corners, out, r);
    }
  });
}

/// The same of a moving volume of which the box that is needed can be read.
Volume read_and_sample(const Program& program, const VolumeFeed& moving, const Grid& reference,
                       const Box& box, const Rule& rule, const std::stop_token& stop) {
  const Size3& n = box.size;
  std::vector<Row> rows(static_cast<std::size_t>(n[1] * n[2]), Row(n[0]));
  std::vector<Reach> reaches(rows.size());
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const Size3 at{box.begin[0], box.begin[1] + r % n[1], box.begin[2] + r / n[1]};
      find_positions(program, reference, at, rows[static_cast<std::size_t>(r)]);
      reaches[static_cast<std::size_t>(r)].add(rows[static_cast<std::size_t>(r)],
                                               moving.grid().size);
    }
  });
  Reach reach;
  for (const Reach& one : reaches) reach.add(one);
  Volume out(Grid{n, {}}, moving.type(), moving.channels());
  const Box needed = reach.box();
  // All outside: one voxel that nobody reads keeps the rows below the same.
  Volume part(Grid{needed.size[0] > 0 ? needed.size : Size3{1, 1, 1}, {}}, moving.type(),
              moving.channels());
  if (needed.size[0] > 0) moving.read(needed, part.data());
  for_row_blocks(n[1] * n[2], stop, [&](std::int64_t first, std::int64_t last) {
    Corners corners(n[0]);
    for (std::int64_t r = first; r < last; ++r)
      sample_row(part, moving.grid().size, needed, rule, rows[static_cast<std::size_t>(r)], corners,
                 out, r);
  });
  return out;
}

/// A tile of a box, into its place there; `at` counts from the box's corner.
void put_tile(const Volume& tile, const Size3& at, Volume& box) {
  const std::size_t width = size_of(box.type());
  const Size3 &n = box.grid().size, &t = tile.grid().size;
  const auto row = static_cast<std::size_t>(t[0]) * width;
  for (std::int64_t i = 0; i < tile.channels() * t[2] * t[1]; ++i) {
    const std::int64_t c = i / (t[1] * t[2]), z = i / t[1] % t[2], y = i % t[1];
    std::memcpy(box.data() + static_cast<std::size_t>(
                                 ((c * n[2] + at[2] + z) * n[1] + at[1] + y) * n[0] + at[0]) *
                                 width,
                tile.data() + static_cast<std::size_t>(i) * row, row);
  }
}

}  // namespace

Volume apply_transform_to_box(const VolumeFeed& moving, const VolumeFeed* first_mm,
                              const Transform& moving_from_fixed, const Grid& reference,
                              const Box& box, Interpolation interpolation, double background,
                              const std::stop_token& stop) {
  Program program = compile(moving_from_fixed, reference, moving.grid(), first_mm == nullptr);
  Volume first;
  if (first_mm != nullptr && first_mm->whole() != nullptr) {
    set_first_field(program, *first_mm->whole(), {{0, 0, 0}, first_mm->grid().size});
  } else if (first_mm != nullptr) {
    first = Volume(Grid{box.size, {}}, ScalarType::f32, 3);
    first_mm->read(box, first.data());
    set_first_field(program, first, box);
  }
  Volume out(Grid{box.size, {}}, moving.type(), moving.channels());
  const Rule rule{interpolation, background};
  if (const Volume* whole = moving.whole()) {
    sample_box(program, *whole, reference, box, rule, stop, out);
    return out;
  }
  for (std::int64_t y = 0; y < box.size[1]; y += kTile)
    for (std::int64_t x = 0; x < box.size[0]; x += kTile) {
      const Box tile{
          {box.begin[0] + x, box.begin[1] + y, box.begin[2]},
          {std::min(kTile, box.size[0] - x), std::min(kTile, box.size[1] - y), box.size[2]}};
      put_tile(read_and_sample(program, moving, reference, tile, rule, stop), {x, y, 0}, out);
    }
  return out;
}

DisplacementField sample_displacement(const Transform& transform, const Grid& grid,
                                      std::stop_token stop) {
  const Grid world{grid.size, Affine{}};  // positions in mm instead of moving voxels
  const Program program = compile(transform, grid, world);
  DisplacementField out(grid);
  const Size3& n = grid.size;
  parallel_for(n[2], [&](std::int64_t z) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled, "Composing transforms was cancelled; nothing was written.");
    Row row(n[0]);
    for (std::int64_t y = 0; y < n[1]; ++y) {
      find_positions(program, grid, {0, y, z}, row);
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const Vec3 from = grid.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        for (int a = 0; a < 3; ++a)
          out.component_mm(a)[(z * n[1] + y) * n[0] + x] =
              static_cast<float>(row.position[a][static_cast<std::size_t>(x)] - from[a]);
      }
    }
  });
  return out;
}

}  // namespace gigawarp
