#include <algorithm>
#include <functional>
#include <vector>

#include "bench/rows.h"
#include "solve/stages.h"

namespace gigawarp::bench {
namespace {

/// About x, through the middle: voxel to voxel.
Affine quarter_turn(const Size3& n) {
  Affine turn;
  turn.linear = {{{1, 0, 0}, {0, 0, -1}, {0, 1, 0}}};
  turn.offset = {0, 0.5 * static_cast<double>(n[1] + n[2] - 2),
                 0.5 * static_cast<double>(n[2] - n[1])};
  return turn;
}

/// About all axes, through the middle: a plane crosses nearly all planes of the moving image.
Affine oblique_turn(const Size3& n) {
  Affine turn;  // by 60 degrees about (1, 1, 1): in thirds
  turn.linear = {{{2, -1, 2}, {2, 2, -1}, {-1, 2, 2}}};
  for (auto& row : turn.linear)
    for (double& value : row) value /= 3;
  Vec3 middle{};
  for (std::size_t a = 0; a < 3; ++a) middle[a] = 0.5 * static_cast<double>(n[a] - 1);
  const Vec3 there = turn.map_vector(middle);
  for (std::size_t a = 0; a < 3; ++a) turn.offset[a] = middle[a] - there[a];
  return turn;
}

/// The problem at full resolution as the operations take it, with a solver's state that stands half
/// way between the start and the known map.
class SolverBench {
 public:
  SolverBench(const Problem& problem, ops::Backend& backend, Stopwatch& stopwatch)
      : problem_(problem),
        backend_(backend),
        stopwatch_(stopwatch),
        traffic_(backend.compact() ? compact_traffic() : planar_traffic()),
        input_{{&problem.fixed}, {&problem.moving}, nullptr, nullptr, {}, {}},
        subject_(input_, {}, backend),
        level_(solve::level_grid(problem.fixed.grid(), 1)),
        fixed_(subject_.fixed[0], level_, subject_.fixed_scale[0], backend),
        moving_(subject_.moving[0], level_, subject_.moving_scale[0], backend),
        state_(level_.grid.size, backend),
        sums_(static_cast<std::size_t>(level_.grid.size[2])),
        range_{0, level_.grid.size[2]} {
    fill_displacement();
    pair_.fixed = fixed_.view();
    pair_.moving = moving_.view();
    pair_.moving_from_fixed = problem.moving_from_fixed;  // 1 mm voxels: world and voxel agree
    pair_.displacement = state_.displacement();
  }

  /// Where a back end samples inside the metrics, the warped image goes into the gradient's words.
  void warp() {
    const ops::SlabView<float> out = state_.scratch() ? state_.scratch() : gradient_numbers();
    ops::ImagePair affine = pair_;
    affine.displacement = {};
    stopwatch_.measure("warp, affine", traffic_.warp_affine, [&] {
      backend_.warp({affine, out, range_}, sums_);
    });
    // A plane takes its samples from all planes of the moving image.
    affine.moving_from_fixed = quarter_turn(level_.grid.size);
    stopwatch_.measure("warp, quarter turn", traffic_.warp_affine, [&] {
      backend_.warp({affine, out, range_}, sums_);
    });
    stopwatch_.measure("warp", traffic_.warp, [&] { backend_.warp({pair_, out, range_}, sums_); });
  }

  /// These sample themselves, or read M as warp() left it in the scratch.
  void lncc(int radius) {
    ops::LnccArgs args = lncc_args(radius);
    const std::string name = "lncc, radius " + std::to_string(radius);
    stopwatch_.measure(name, traffic_.metric_gradient, [&] { backend_.lncc(args, sums_); });
    args.target.wanted = false;
    stopwatch_.measure(name + ", value", traffic_.metric_value,
                       [&] { backend_.lncc(args, sums_); });
  }

  /// Where a slab lies obliquely in the moving image, ranks sample that by the parts of its rows
  /// (shard/moving_windows.h).
  void lncc_obliquely(int radius) {
    ops::LnccArgs args = lncc_args(radius);
    args.pair.moving_from_fixed = oblique_turn(level_.grid.size);
    const std::string name = "lncc, radius " + std::to_string(radius) + ", oblique turn";
    stopwatch_.measure(name, traffic_.metric_gradient, [&] { backend_.lncc(args, sums_); });
    const ops::Extent& e = args.pair.moving.extent;
    const ops::ZRange own = backend_.own_planes(e.nz);
    if (own.end - own.begin < e.nz) return;  // one of several ranks, which choose for themselves
    std::vector<std::int64_t> table;
    for (std::int64_t z = 0; z < e.nz; ++z)
      for (std::int64_t y = 0; y < e.ny; ++y) table.push_back(e.offset(y, z));
    const std::size_t bytes = table.size() * sizeof table[0];
    const ops::Array there = backend_.allocate(bytes);
    backend_.upload(there.data(), table.data(), bytes);
    args.pair.moving.rows = there.as<std::int64_t>();
    stopwatch_.measure(name + ", by rows", traffic_.metric_gradient,
                       [&] { backend_.lncc(args, sums_); });
  }

  void mi(int bins) {
    const ops::MiArgs args = mi_args(bins);
    ops::JointHistogram histogram;
    stopwatch_.measure("mi histogram, " + std::to_string(bins) + " bins", traffic_.histogram, [&] {
      histogram = {};
      backend_.mi_histogram(args, histogram);
    });
    const ops::MiTable table = ops::mutual_information(histogram);
    stopwatch_.measure("mi gradient, " + std::to_string(bins) + " bins", traffic_.metric_gradient,
                       [&] { backend_.mi_gradient(args, table, sums_); });
  }

  void mse() {
    auto args = metric_args<ops::MseArgs>();
    stopwatch_.measure("mse", traffic_.metric_gradient, [&] { backend_.mse(args, sums_); });
    args.target.wanted = false;
    stopwatch_.measure("mse, value", traffic_.metric_value, [&] { backend_.mse(args, sums_); });
  }

  /// The metrics alone, of two volumes on one grid: value and dL/dM. Nothing is sampled, but where
  /// a back end wants M as floats those are made first. These use up the gradient.
  void alone(const MetricSpec& metric, const std::string& name) {
    ops::ImagePair pair = pair_;
    pair.displacement = {};
    pair.moving_from_fixed = {};
    const ops::SlabView<float> warped = state_.scratch();
    if (warped) backend_.warp({pair, warped, range_}, sums_);
    ops::GradientTarget out;
    out.intensity = gradient_numbers();
    const auto on_grid = [&](auto args) {
      args.pair = pair;
      args.target = out;
      return args;
    };
    if (metric.kind == MetricKind::mi) {
      const ops::MiArgs args = on_grid(mi_args(metric.bins));
      measure_alone(name, traffic_.alone_mi, args, [&] {
        ops::JointHistogram histogram;
        backend_.mi_histogram(args, histogram);
        backend_.mi_gradient(args, ops::mutual_information(histogram), sums_);
      });
    } else if (metric.kind == MetricKind::lncc) {
      ops::LnccArgs args = on_grid(lncc_args(metric.radius));
      args.approximate_gradient = metric.approximate_gradient;
      measure_alone(name, traffic_.alone, args, [&] { backend_.lncc(args, sums_); });
    } else {
      const ops::MseArgs args = on_grid(metric_args<ops::MseArgs>());
      measure_alone(name, traffic_.alone, args, [&] { backend_.mse(args, sums_); });
    }
  }

  /// Smoothing and step as the greedy stage sets them by default, on the last metric's gradient;
  /// these use up the scratch.
  void step(const MetricSpec& metric) {
    const solve::Objective objective(subject_, metric, level_, level_, backend_);
    const ops::DirectionArgs direction = solve::direction_args(stage_, objective, state_, 1);
    float largest = 0;
    stopwatch_.measure("direction", traffic_.direction,
                       [&] { largest = backend_.direction(direction); });
    const ops::ComposeArgs compose = solve::compose_args(stage_, state_, direction, largest, 1.0);
    stopwatch_.measure("compose", traffic_.compose, [&] { backend_.compose(compose); });
    stopwatch_.measure("repair_folds, none found", traffic_.repair,
                       [&] { backend_.repair_folds(solve::repair_args(stage_, state_)); });
  }

  /// Both directions of a pyramid step by two, and of a compact field its inverse; these use up the
  /// gradient.
  void levels() {
    const Size3 fine = level_.grid.size;
    const Size3 coarse{fine[0] / 2, fine[1] / 2, fine[2] / 2};
    {
      const auto n = static_cast<std::size_t>(coarse[0] * coarse[1] * coarse[2]);
      const ops::Array image =
          backend_.allocate_volume(n * sizeof(float), static_cast<std::int64_t>(n));
      ops::DownsampleArgs down;
      down.in = pair_.fixed;
      down.out = {image.as<float>(), ops::Extent::whole(coarse)};
      down.shrink = {2, 2, 2};
      down.sigma = {1, 1, 1};
      down.range = {0, coarse[2]};
      stopwatch_.measure("downsample by 2", kDownsample, [&] { backend_.downsample(down); });
    }
    const solve::Displacement field(coarse, backend_);
    const ops::UpsampleArgs up{
        field.view(), state_.gradient(), {0.5, 0.5, 0.5}, {-0.25, -0.25, -0.25}, range_};
    stopwatch_.measure("upsample_field by 2", traffic_.upsample,
                       [&] { backend_.upsample_field(up); });
    if (!backend_.compact()) return;
    ops::InvertArgs invert{state_.displacement(), state_.gradient(), range_};
    invert.farthest =
        ops::InvertArgs::within(backend_.displacement_range(state_.displacement(), range_));
    stopwatch_.measure("invert", kInvertWords, [&] { backend_.invert(invert); });
  }

  /// Whole iterations of the greedy stage, each going on from the last.
  void iterations(const MetricSpec& metric, const std::string& name) {
    solve::Objective objective(subject_, metric, level_, level_, backend_);
    int iteration = 0;
    const auto iterate = [&] {
      solve::begin_iteration(backend_, stage_, objective, state_, problem_.moving_from_fixed,
                             ++iteration)();
    };
    const Traffic& traffic = metric.kind == MetricKind::mi    ? traffic_.iteration_mi
                             : metric.kind == MetricKind::mse ? traffic_.iteration_mse
                                                              : traffic_.iteration_lncc;
    stopwatch_.measure(name, traffic, iterate);
  }

  /// The gradient smoothed more and the field less than by default: as FFDP's authors ran theirs.
  void iterations_smoothed_as_peers(const MetricSpec& metric, const std::string& name) {
    const StageSpec usual = stage_;
    stage_.sigma_gradient_voxels = 1;
    stage_.sigma_warp_voxels = 0.5;
    iterations(metric, name + ", sigma 1 and 0.5");
    stage_ = usual;
  }

  /// Evaluations of a linear stage: loss and the sums for the affine parameters, on the host.
  void linear(const MetricSpec& metric, const std::string& name) {
    solve::Objective objective(subject_, metric, level_, level_, backend_);
    Affine t = problem_.moving_from_fixed;
    stopwatch_.measure(name, metric.kind == MetricKind::mi ? traffic_.linear_mi : traffic_.linear,
                       [&] {
                         t.offset[0] += 1e-3;
                         objective.linear(t);
                       });
  }

 private:
  /// What the arguments of all metrics have in common.
  template <class Args>
  Args metric_args() const {
    Args args;
    args.pair = pair_;
    args.warped = state_.scratch();
    args.range = range_;
    args.count = voxels();
    args.target = target();
    return args;
  }
  ops::LnccArgs lncc_args(int radius) const {
    auto args = metric_args<ops::LnccArgs>();
    args.radius = radius;
    return args;
  }
  ops::MiArgs mi_args(int bins) const {
    const solve::IntensityScale& f = subject_.fixed_scale[0];
    const solve::IntensityScale& m = subject_.moving_scale[0];
    auto args = metric_args<ops::MiArgs>();
    args.bins = bins;
    args.fixed_bins = {f.low, f.high};
    args.moving_bins = {m.low, m.high};
    return args;
  }

  /// In one piece where the back end can.
  void measure_alone(const std::string& name, const Traffic& traffic, const ops::MetricArgs& args,
                     const std::function<void()>& operations) {
    const auto whole = backend_.linear_evaluation(args);
    stopwatch_.measure(name, traffic, [&] {
      if (whole)
        whole->run({}, sums_);
      else
        operations();
    });
  }

  /// One number per voxel where the gradient lies.
  ops::SlabView<float> gradient_numbers() const {
    const ops::SlabView<std::uint64_t> words = state_.gradient().packed;
    if (!words) return state_.gradient().component[0];
    return {reinterpret_cast<float*>(words.data), words.extent};
  }

  ops::GradientTarget target() const {
    ops::GradientTarget target;
    target.field = state_.gradient();
    target.unit = backend_.compact() ? 1 / voxels() : 1;
    return target;
  }

  double voxels() const { return static_cast<double>(level_.grid.voxel_count()); }

  /// A few planes at a time, so that the host needs no field.
  void fill_displacement() {
    const Size3 n = level_.grid.size;
    const std::int64_t plane = n[0] * n[1];
    const std::int64_t chunk = std::clamp<std::int64_t>((std::int64_t{1} << 22U) / plane, 1, n[2]);
    std::vector<float> host(static_cast<std::size_t>(3 * chunk * plane));
    float* const component[3] = {host.data(), host.data() + chunk * plane,
                                 host.data() + 2 * chunk * plane};
    for (std::int64_t z = 0; z < n[2]; z += chunk) {
      const std::int64_t end = std::min(n[2], z + chunk);
      problem_.displacement_planes(z, end, 0.5, component);
      solve::upload_planes(component, {z, end}, state_.displacement(), backend_);
    }
  }

  const Problem& problem_;
  ops::Backend& backend_;
  Stopwatch& stopwatch_;
  SolverTraffic traffic_;
  solve::RegistrationInput input_;
  solve::Subject subject_;
  solve::LevelGrid level_;
  solve::LevelImage fixed_, moving_;
  solve::GreedyState state_;
  std::vector<ops::PlaneSums> sums_;
  ops::ZRange range_;
  ops::ImagePair pair_;
  StageSpec stage_;
};

std::string name_of(const MetricSpec& metric) {
  if (metric.kind == MetricKind::lncc) return "lncc radius " + std::to_string(metric.radius);
  if (metric.kind == MetricKind::mi) return "mi " + std::to_string(metric.bins) + " bins";
  return "mse";
}

}  // namespace

void measure_solver_operations(const Problem& problem, const Spec& spec, ops::Backend& backend,
                               Stopwatch& stopwatch) {
  SolverBench bench(problem, backend, stopwatch);
  bench.warp();
  std::vector<MetricSpec> metrics;
  for (const MetricKind kind : spec.metrics) {
    MetricSpec metric;
    metric.kind = kind;
    const auto alone = [&](const std::string& how = {}) {
      bench.alone(metric, name_of(metric) + how + ", dL/dM alone");
    };
    if (kind == MetricKind::lncc)
      for (const int radius : spec.radii) {
        metric.radius = radius;
        alone();
        metric.approximate_gradient = true;
        alone(", approximate");
        metric.approximate_gradient = false;
        bench.lncc(radius);
        if (radius == spec.radii.front()) bench.lncc_obliquely(radius);
      }
    if (kind == MetricKind::mi)
      for (const int bins : spec.bins) {
        metric.bins = bins;
        alone();
        bench.mi(bins);
      }
    if (kind == MetricKind::mse) {
      alone();
      bench.mse();
    }
    metric.radius = spec.radii.front();
    metric.bins = spec.bins.front();
    metrics.push_back(metric);
  }
  bench.step(metrics.front());
  for (MetricSpec& metric : metrics) {
    const std::string name = name_of(metric);
    bench.linear(metric, "linear, " + name);
    bench.iterations(metric, "iteration, " + name);
    bench.iterations_smoothed_as_peers(metric, "iteration, " + name);
    if (metric.kind != MetricKind::lncc) continue;
    metric.symmetric_gradient = true;
    bench.iterations(metric, "iteration, " + name + ", symmetric");
    metric.symmetric_gradient = false;
    metric.approximate_gradient = true;
    bench.iterations(metric, "iteration, " + name + ", approximate");
  }
  bench.levels();
}

}  // namespace gigawarp::bench
