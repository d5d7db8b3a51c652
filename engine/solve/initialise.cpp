#include "solve/initialise.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "gigawarp/error.h"
#include "solve/linear.h"
#include "solve/symmetric_eigen.h"

namespace gigawarp::solve {
namespace {

/// Voxels per axis at which candidates are compared: coarse enough for thirty trials in a blink.
constexpr double kVoxelsPerAxis = 24;
/// By how much (relative) a rotation must beat the headers' orientation, and a mirrored candidate
/// all others. Heads are nearly symmetric, so small differences mean nothing.
constexpr double kClearlyBetter = 1.08;
constexpr double kMirrorClearlyBetter = 1.15;
constexpr std::size_t kRefined = 6;

struct Candidate {
  Affine transform;
  std::string name;
  bool keeps_orientation = false;
  bool mirrored = false;
  double score = 0;
};

Affine about(const Mat3& linear, const Vec3& fixed_centre, const Vec3& moving_centre) {
  Affine t;
  t.linear = linear;
  const Vec3 c = t.map_vector(fixed_centre);
  for (int r = 0; r < 3; ++r) t.offset[r] = moving_centre[r] - c[r];
  return t;
}

constexpr Mat3 kIdentity{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

Mat3 product(const Mat3& a, const Mat3& b) {
  Affine x, y;
  x.linear = a;
  y.linear = b;
  return (x * y).linear;
}

Mat3 transposed(const Mat3& a) {
  Mat3 t{};
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 3; ++c) t[r][c] = a[c][r];
  return t;
}

/// Signed permutations of the axes: 4 sign changes, or all 24 rotations; mirrored ones likewise.
std::vector<Mat3> axis_choices(bool permute, bool mirrored) {
  std::vector<Mat3> out;
  std::array<int, 3> p{0, 1, 2};
  do {
    for (int signs = 0; signs < 8; ++signs) {
      Affine m;
      m.linear = {};
      for (int k = 0; k < 3; ++k) m.linear[k][p[k]] = (signs >> k & 1) != 0 ? -1 : 1;
      if ((m.determinant() < 0) == mirrored) out.push_back(m.linear);
    }
  } while (permute && std::next_permutation(p.begin(), p.end()));
  return out;
}

std::vector<Candidate> candidates(const Subject& subject, Initialisation how) {
  const Grid& fixed = subject.fixed_grid();
  const Grid& moving = subject.moving_grid();
  std::vector<Candidate> out;
  const bool automatic = how == Initialisation::automatic;
  if (automatic || how == Initialisation::identity) out.push_back({Affine{}, "identity", true});
  if (automatic || how == Initialisation::centres)
    out.push_back(
        {about(kIdentity, fixed.centre_mm(), moving.centre_mm()), "centres of the volumes", true});
  if (how != Initialisation::identity) {
    const Moments f = moments(*subject.input->fixed[0], subject.fixed_scale[0]);
    const Moments m = moments(*subject.input->moving[0], subject.moving_scale[0]);
    out.push_back({about(kIdentity, f.centre_mm, m.centre_mm), "centres of mass", true});
    if (automatic || how == Initialisation::moments) {
      // Spreads that are alike leave the order of the axes open as well as their signs.
      const auto alike = [](const Moments& q) {
        return q.deviation_mm[1] > 0.85 * q.deviation_mm[0] ||
               q.deviation_mm[2] > 0.85 * q.deviation_mm[1];
      };
      const bool permute = alike(f) || alike(m);
      for (const bool mirrored : {false, true}) {
        const std::vector<Mat3> choices = axis_choices(permute, mirrored);
        for (std::size_t i = 0; i < choices.size(); ++i) {
          const Mat3 rotation = product(product(m.axes, choices[i]), transposed(f.axes));
          out.push_back({about(rotation, f.centre_mm, m.centre_mm),
                         "moments, " + std::string(mirrored ? "mirrored " : "rotation ") +
                             std::to_string(i + 1) + " of " + std::to_string(choices.size()),
                         false, mirrored});
        }
      }
      Mat3 mirror = kIdentity;
      mirror[0][0] = -1;
      out.push_back(
          {about(mirror, f.centre_mm, m.centre_mm), "left and right mirrored", false, true});
    }
  }
  return out;
}

void score_all(std::vector<Candidate>& all, Objective& objective, std::size_t& most_overlap) {
  std::vector<double> overlaps;
  double largest = 0;
  for (Candidate& c : all) {
    const Objective::Linear value = objective.linear(c.transform, true);
    c.score = -value.loss;
    overlaps.push_back(value.overlap);
    if (value.overlap > largest) {
      largest = value.overlap;
      most_overlap = static_cast<std::size_t>(&c - all.data());
    }
  }
  // A sliver of overlap can have any mutual information: it does not take part.
  for (std::size_t i = 0; i < all.size(); ++i)
    if (overlaps[i] < 0.3 * largest) all[i].score = -1;
  if (!(largest > 0))
    throw Error(ErrorCode::bad_input,
                "The fixed and the moving volume do not overlap in world space and no alignment of "
                "their centres brings them together; give --init centres or an initial transform.");
}

}  // namespace

Moments moments(const VolumeFeed& volume, const IntensityScale& scale) {
  const Size3 n = volume.grid().size;
  struct Sums {
    double w = 0;
    Vec3 first{};
    Mat3 second{};
  };
  std::vector<Sums> planes(static_cast<std::size_t>(n[2]));
  const std::int64_t step = std::max<std::int64_t>(
      1,
      static_cast<std::int64_t>(std::cbrt(static_cast<double>(volume.grid().voxel_count()) / 2e6)));
  const double threshold = scale.low + 0.15 * (scale.high - scale.low);
  dispatch(volume.type(), [&]<class T>() {
    PlaneWalk walk;
    walk.step = step;
    walk.shared = true;
    for_each_plane(volume, walk, [&](std::int64_t z, const std::byte* plane) {
      Sums s;
      for (std::int64_t y = 0; y < n[1]; y += step)
        for (std::int64_t x = 0; x < n[0]; x += step) {
          const auto raw = static_cast<double>(reinterpret_cast<const T*>(plane)[y * n[0] + x]);
          const double v = (raw - scale.offset) * scale.scale;
          // Weighted by a clipped intensity: bright vessels or artefacts must not pull the centre.
          const double w = std::min(v, static_cast<double>(scale.high)) - threshold;
          if (!(w > 0)) continue;
          const Vec3 p = volume.grid().world_from_voxel(
              {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
          s.w += w;
          for (int a = 0; a < 3; ++a) {
            s.first[a] += w * p[a];
            for (int b = 0; b < 3; ++b) s.second[a][b] += w * p[a] * p[b];
          }
        }
      planes[static_cast<std::size_t>(z)] = s;
    });
  });
  gather_planes(volume, planes);
  Sums total;
  for (const Sums& s : planes) {
    total.w += s.w;
    for (int a = 0; a < 3; ++a) {
      total.first[a] += s.first[a];
      for (int b = 0; b < 3; ++b) total.second[a][b] += s.second[a][b];
    }
  }
  Moments out{};
  if (!(total.w > 0)) {
    out.centre_mm = volume.grid().centre_mm();
    out.axes = kIdentity;
    out.deviation_mm = {1, 1, 1};
    return out;
  }
  for (int a = 0; a < 3; ++a) out.centre_mm[a] = total.first[a] / total.w;
  Mat3 covariance{};
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b)
      covariance[a][b] = total.second[a][b] / total.w - out.centre_mm[a] * out.centre_mm[b];
  const SymmetricEigen eigen = symmetric_eigen(covariance);
  out.axes = eigen.vectors;
  for (int a = 0; a < 3; ++a) out.deviation_mm[a] = std::sqrt(std::max(eigen.values[a], 0.0));
  return out;
}

namespace {
bool starts_from_transform(const RegistrationInput& input, Initialisation how) {
  return how == Initialisation::transform || (how == Initialisation::automatic && input.initial);
}
}  // namespace

bool compares_candidates(const RegistrationInput& input, Initialisation how) {
  return !starts_from_transform(input, how) && how != Initialisation::landmarks;
}

double comparison_spacing_mm(const Grid& fixed) { return fixed.longest_side_mm() / kVoxelsPerAxis; }

InitialAlignment initial_alignment(const Subject& subject, Initialisation how,
                                   ops::Backend& backend) {
  InitialAlignment out;
  const RegistrationInput& in = *subject.input;
  if (starts_from_transform(in, how)) {
    if (!in.initial)
      throw Error(ErrorCode::usage,
                  "Initialisation by a transform was asked for but none was given.");
    out.moving_from_fixed = *in.initial;
    out.chosen = "given transform";
    if (out.moving_from_fixed.determinant() < 0)
      throw Error(ErrorCode::bad_input,
                  "The initial transform mirrors the volume (its determinant is negative); a brain "
                  "cannot be mirrored onto another, so check its file and direction.");
    return out;
  }
  if (how == Initialisation::landmarks) {
    out.moving_from_fixed = fit_landmarks(in.landmarks_mm);
    out.chosen = "landmarks";
    return out;
  }
  std::vector<Candidate> all = candidates(subject, how);
  const Grid& fixed = subject.fixed_grid();
  const double coarse = comparison_spacing_mm(fixed);
  MetricSpec metric;
  metric.kind = MetricKind::mi;
  metric.bins = 16;
  Objective objective(subject, metric, level_grid(fixed, coarse),
                      level_grid(subject.moving_grid(), coarse), backend);
  std::size_t most_overlap = 0;
  score_all(all, objective, most_overlap);
  if (how != Initialisation::automatic && how != Initialisation::moments) {
    out.moving_from_fixed = all.back().transform;
    out.chosen = all.back().name;
    if (all.back().score < 0)
      throw Error(ErrorCode::bad_input,
                  "The fixed and the moving volume do not overlap as placed; use --init auto.");
    if (how == Initialisation::centres) {
      out.moving_from_fixed = all.front().transform;
      out.chosen = all.front().name;
    }
    return out;
  }
  // Refine the best few of each kind, so that none is judged by how roughly it was placed.
  std::stable_sort(all.begin(), all.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  LinearOptions options;
  options.model = LinearModel::rigid;
  options.iterations = 25;
  std::size_t upright = 0, turned = 0, mirrored = 0;
  const Candidate* best[3] = {nullptr, nullptr, nullptr};
  for (Candidate& c : all) {
    if (c.score < 0) continue;
    std::size_t& done = c.mirrored ? mirrored : c.keeps_orientation ? upright : turned;
    if (done >= (c.mirrored ? kRefined / 2 : kRefined)) continue;
    ++done;
    const LinearResult refined =
        solve_linear(objective, c.transform, options, [](int, double, double, const Affine&) {});
    c.transform = refined.moving_from_fixed;
    c.score = -refined.loss;
    const Candidate*& top = best[c.mirrored ? 2 : c.keeps_orientation ? 0 : 1];
    if (top == nullptr || c.score > top->score) top = &c;
  }
  const Candidate* chosen = best[0] != nullptr ? best[0] : best[1];
  if (best[1] != nullptr && chosen != best[1] && best[1]->score > kClearlyBetter * chosen->score) {
    chosen = best[1];
    out.warnings.emplace_back(
        "The volumes match clearly better after a large rotation than as their headers orient "
        "them; "
        "check the orientation letters.");
  }
  if (chosen == nullptr)
    throw Error(ErrorCode::bad_input,
                "No initial alignment brings the fixed and the moving volume to overlap.");
  if (best[2] != nullptr && best[2]->score > kMirrorClearlyBetter * chosen->score)
    throw Error(
        ErrorCode::bad_input,
        "The moving volume matches clearly better when mirrored, so one of the two headers "
        "is wrong about left and right; correct it (gigawarp convert --order), or start from "
        "your own alignment with --init transform.");
  out.moving_from_fixed = chosen->transform;
  out.chosen = chosen->name;
  return out;
}

Affine fit_landmarks(const std::vector<std::pair<Vec3, Vec3>>& pairs) {
  if (pairs.size() < 3)
    throw Error(ErrorCode::bad_input,
                "Alignment by landmarks needs at least 3 pairs with the same names in both files.");
  Vec3 f{}, m{};
  const auto n = static_cast<double>(pairs.size());
  for (const auto& [a, b] : pairs)
    for (int k = 0; k < 3; ++k) {
      f[k] += a[k] / n;
      m[k] += b[k] / n;
    }
  // Horn's quaternion solution: the largest eigenvector of a symmetric 4×4 matrix, by power
  // iteration on the shifted matrix.
  Mat3 s{}, spread{};
  for (const auto& [a, b] : pairs)
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 3; ++c) {
        s[r][c] += (a[r] - f[r]) * (b[c] - m[c]);
        spread[r][c] += (a[r] - f[r]) * (a[c] - f[c]);
      }
  const SymmetricEigen eigen = symmetric_eigen(spread);
  if (!(eigen.values[1] > 1e-6 * eigen.values[0]))
    throw Error(
        ErrorCode::bad_input,
        "The landmarks lie on one line, which leaves a rotation open; add one off that line.");
  const double q[4][4] = {
      {s[0][0] + s[1][1] + s[2][2], s[1][2] - s[2][1], s[2][0] - s[0][2], s[0][1] - s[1][0]},
      {s[1][2] - s[2][1], s[0][0] - s[1][1] - s[2][2], s[0][1] + s[1][0], s[2][0] + s[0][2]},
      {s[2][0] - s[0][2], s[0][1] + s[1][0], -s[0][0] + s[1][1] - s[2][2], s[1][2] + s[2][1]},
      {s[0][1] - s[1][0], s[2][0] + s[0][2], s[1][2] + s[2][1], -s[0][0] - s[1][1] + s[2][2]}};
  double shift = 0;
  for (const auto& row : q) {
    double sum = 0;
    for (const double v : row) sum += std::abs(v);
    shift = std::max(shift, sum);
  }
  double v[4] = {1, 0.1, 0.2, 0.3};
  for (int i = 0; i < 2000; ++i) {
    double w[4], norm = 0;
    for (int r = 0; r < 4; ++r) {
      w[r] = shift * v[r];
      for (int c = 0; c < 4; ++c) w[r] += q[r][c] * v[c];
      norm += w[r] * w[r];
    }
    for (int r = 0; r < 4; ++r) v[r] = w[r] / std::sqrt(norm);
  }
  const double a = v[0], b = v[1], c = v[2], d = v[3];
  const Mat3 rotation{{{a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)},
                       {2 * (b * c + a * d), a * a - b * b + c * c - d * d, 2 * (c * d - a * b)},
                       {2 * (b * d - a * c), 2 * (c * d + a * b), a * a - b * b - c * c + d * d}}};
  return about(rotation, f, m);
}

}  // namespace gigawarp::solve
