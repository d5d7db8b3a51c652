#include <algorithm>

#include "base/parallel.h"
#include "bench/rows.h"
#include "solve/deformable.h"

namespace gigawarp::bench {
namespace {

/// The problem at full resolution as the operations take it, with a solver's state that stands half
/// way between the start and the known map.
class SolverBench {
 public:
  SolverBench(const Problem& problem, ops::Backend& backend, Stopwatch& stopwatch)
      : problem_(problem),
        backend_(backend),
        stopwatch_(stopwatch),
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

  void warp() {
    ops::ImagePair affine = pair_;
    affine.displacement = {};
    stopwatch_.measure("warp, affine", kWarpAffine, [&] {
      backend_.warp({affine, state_.scratch(), range_}, sums_);
    });
    stopwatch_.measure("warp", kWarp, [&] {
      backend_.warp({pair_, state_.scratch(), range_}, sums_);
    });
  }

  /// These read what warp() left in the scratch.
  void lncc(int radius) {
    ops::LnccArgs args;
    args.pair = pair_;
    args.warped = state_.scratch();
    args.range = range_;
    args.radius = radius;
    args.count = voxels();
    args.target.field = state_.gradient();
    stopwatch_.measure("lncc, radius " + std::to_string(radius), kMetricGradient,
                       [&] { backend_.lncc(args, sums_); });
  }

  void mi(int bins) {
    const solve::IntensityScale& f = subject_.fixed_scale[0];
    const solve::IntensityScale& m = subject_.moving_scale[0];
    ops::MiArgs args;
    args.pair = pair_;
    args.warped = state_.scratch();
    args.range = range_;
    args.bins = bins;
    args.fixed_bins = {f.low, f.high};
    args.moving_bins = {m.low, m.high};
    args.count = voxels();
    args.target.field = state_.gradient();
    ops::JointHistogram histogram;
    stopwatch_.measure("mi histogram, " + std::to_string(bins) + " bins", kHistogram, [&] {
      histogram = {};
      backend_.mi_histogram(args, histogram);
    });
    const ops::MiTable table = ops::mutual_information(histogram);
    stopwatch_.measure("mi gradient, " + std::to_string(bins) + " bins", kMetricGradient,
                       [&] { backend_.mi_gradient(args, table, sums_); });
  }

  void mse() {
    ops::MseArgs args{pair_, state_.scratch(), range_, voxels(), {}};
    args.target.field = state_.gradient();
    stopwatch_.measure("mse", kMetricGradient, [&] { backend_.mse(args, sums_); });
  }

  /// Smoothing and step as the greedy stage sets them by default; these use up the scratch.
  void step() {
    float largest = 0;
    stopwatch_.measure("direction", kDirection,
                       [&] { largest = backend_.direction(direction_args(1)); });
    stopwatch_.measure("compose", kCompose, [&] { backend_.compose(compose_args(largest)); });
    stopwatch_.measure("repair_folds, none found", kRepair, [&] { repair(); });
  }

  /// Both directions of a pyramid step by two; the fine field goes where the gradient was.
  void levels() {
    const Size3 fine = level_.grid.size;
    const Size3 coarse{fine[0] / 2, fine[1] / 2, fine[2] / 2};
    const std::int64_t n = coarse[0] * coarse[1] * coarse[2];
    Grid grid;
    grid.size = coarse;
    Volume field(grid, ScalarType::f32, 3);
    ops::FieldView view;
    for (int c = 0; c < 3; ++c)
      view.component[c] = {field.channel<float>() + c * n, ops::Extent::whole(coarse)};
    ops::DownsampleArgs down;
    down.in = pair_.fixed;
    down.out = view.component[0];
    down.shrink = {2, 2, 2};
    down.sigma = {1, 1, 1};
    down.range = {0, coarse[2]};
    stopwatch_.measure("downsample by 2", kDownsample, [&] { backend_.downsample(down); });
    const ops::UpsampleArgs up{
        view, state_.gradient(), {0.5, 0.5, 0.5}, {-0.25, -0.25, -0.25}, range_};
    stopwatch_.measure("upsample_field by 2", kUpsample, [&] { backend_.upsample_field(up); });
  }

  /// Whole iterations of the greedy stage, each going on from the last.
  void iterations(const MetricSpec& metric, const std::string& name) {
    solve::Objective objective(subject_, metric, level_, level_, backend_);
    int iteration = 0;
    const auto iterate = [&] {
      objective.deformable(problem_.moving_from_fixed, state_.displacement(), state_.gradient(),
                           state_.scratch());
      const float largest = backend_.direction(direction_args(++iteration));
      backend_.compose(compose_args(largest));
      state_.accept();
      repair();
    };
    stopwatch_.measure(name, metric.kind == MetricKind::mi ? kIterationMi : kIteration, iterate);
  }

 private:
  ops::DirectionArgs direction_args(int step) const {
    ops::DirectionArgs args;
    args.gradient = state_.gradient();
    for (int c = 0; c < 3; ++c) args.first_moment[c] = state_.first_moment(c);
    args.second_moment = state_.second_moment();
    args.direction = state_.direction();
    args.range = range_;
    args.sigma_voxels = stage_.sigma_gradient_voxels;
    args.step = step;
    args.epsilon = static_cast<float>(stage_.gradient_floor / voxels());
    return args;
  }

  ops::ComposeArgs compose_args(float largest) const {
    ops::ComposeArgs args;
    args.direction = state_.direction();
    args.displacement = state_.displacement();
    args.out = state_.gradient();
    args.range = range_;
    args.scale = static_cast<float>(-stage_.learning_rate) / std::max(1.0F, largest);
    args.sigma_voxels = stage_.sigma_warp_voxels;
    return args;
  }

  void repair() {
    constexpr int kSweeps = 40;
    backend_.repair_folds(
        {state_.displacement(), range_, static_cast<float>(stage_.minimum_jacobian), kSweeps});
  }

  double voxels() const { return static_cast<double>(level_.grid.voxel_count()); }

  void fill_displacement() {
    const ops::FieldView u = state_.displacement();
    const Size3 n = level_.grid.size;
    parallel_for(n[2], [&](std::int64_t z) {
      for (std::int64_t y = 0; y < n[1]; ++y)
        for (std::int64_t x = 0; x < n[0]; ++x) {
          const Vec3 d = problem_.displacement(static_cast<double>(x), static_cast<double>(y),
                                               static_cast<double>(z));
          for (std::size_t c = 0; c < 3; ++c)
            u.component[c].row(y, z)[x] = static_cast<float>(0.5 * d[c]);
        }
    });
  }

  const Problem& problem_;
  ops::Backend& backend_;
  Stopwatch& stopwatch_;
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

std::string iteration_name(const MetricSpec& metric) {
  if (metric.kind == MetricKind::lncc)
    return "iteration, lncc radius " + std::to_string(metric.radius);
  if (metric.kind == MetricKind::mi)
    return "iteration, mi " + std::to_string(metric.bins) + " bins";
  return "iteration, mse";
}

}  // namespace

void measure_solver_operations(const Problem& problem, const Spec& spec, ops::Backend& backend,
                               Stopwatch& stopwatch) {
  SolverBench bench(problem, backend, stopwatch);
  bench.warp();
  for (const MetricKind metric : spec.metrics) {
    if (metric == MetricKind::lncc)
      for (const int radius : spec.radii) bench.lncc(radius);
    if (metric == MetricKind::mi)
      for (const int bins : spec.bins) bench.mi(bins);
    if (metric == MetricKind::mse) bench.mse();
  }
  bench.step();
  bench.levels();
  for (const MetricKind kind : spec.metrics) {
    MetricSpec metric;
    metric.kind = kind;
    metric.radius = spec.radii.front();
    metric.bins = spec.bins.front();
    bench.iterations(metric, iteration_name(metric));
  }
}

}  // namespace gigawarp::bench
