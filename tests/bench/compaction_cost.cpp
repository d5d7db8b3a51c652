#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "bench/problem.h"
#include "gigawarp/error.h"
#include "gigawarp/job.h"
#include "ops/jacobian.h"
#include "phantom/phantom.h"
#include "qc/overlap.h"
#include "solve/registration.h"
#include "support/bench_arguments.h"
#include "support/rounding_backend.h"

/// What each compact form of the GPU back end costs in accuracy, by itself: whole registrations on
/// the CPU, in fp32 and again with one thing after another rounded as a GPU keeps it.
///   compaction_cost [SIZE [PAIR [METRIC]]]
/// SIZE is one number or X,Y,Z, 96 by default. PAIR is texture (the benchmark's pair) or phantom (a
/// synthetic head with labels; MI of T1 and T2), METRIC lncc or mi; all of them by default. Only
/// the greedy stage runs, from the known affine part: 100, 60 and 20 iterations at shrink 4, 2, 1.
namespace gigawarp {
namespace {

/// Two volumes and what is known about them.
struct Pair {
  Volume fixed, moving;
  Affine moving_from_fixed;
  /// The displacement before that affine at a voxel, mm; how much of it there is to find.
  std::function<Vec3(const Vec3& voxel)> displacement_mm;
  std::function<bool(const Vec3& voxel)> counts;  ///< where there is something to see
  Volume fixed_labels, moving_labels;             ///< or none
};

Pair texture_pair(const Size3& size) {
  constexpr double kLargestVoxels = 1.5;
  const auto problem = std::make_shared<bench::Problem>(size, kLargestVoxels);
  Pair pair;
  pair.fixed = std::move(problem->fixed);
  pair.moving = std::move(problem->moving);
  problem->fixed = Volume(pair.fixed.grid(), ScalarType::u8);  // whose size is asked for
  pair.moving_from_fixed = problem->moving_from_fixed;
  pair.displacement_mm = [problem](const Vec3& v) {
    return problem->displacement(v[0], v[1], v[2]);  // voxels are 1 mm
  };
  pair.counts = [problem](const Vec3& v) { return problem->shows_scene(v[0], v[1], v[2]); };
  return pair;
}

Pair phantom_pair(const Size3& size, MetricKind metric) {
  phantom::PhantomSpec spec;
  spec.size = size;
  if (metric == MetricKind::mi) spec.moving_contrast = phantom::Contrast::t2;
  const auto head = std::make_shared<phantom::Phantom>(spec);
  Pair pair;
  pair.fixed = head->image(phantom::Side::fixed);
  pair.moving = head->image(phantom::Side::moving);
  pair.fixed_labels = head->labels(phantom::Side::fixed);
  pair.moving_labels = head->labels(phantom::Side::moving);
  pair.moving_from_fixed = head->affine();
  const Affine world = pair.fixed.grid().world_from_voxel, back = head->affine().inverse();
  pair.displacement_mm = [head, world, back](const Vec3& v) {
    const Vec3 here = world(v), there = back(head->map(here));
    return Vec3{there[0] - here[0], there[1] - here[1], there[2] - here[2]};
  };
  const auto mask = std::make_shared<Volume>(head->mask(phantom::Side::fixed));
  pair.counts = [mask, size](const Vec3& v) {
    const auto x = std::llround(v[0]), y = std::llround(v[1]), z = std::llround(v[2]);
    return mask->channel<std::uint8_t>()[(z * size[1] + y) * size[0] + x] != 0;
  };
  return pair;
}

JobSpec job_of(MetricKind metric) {
  StageSpec stage;
  stage.metric.kind = metric;
  stage.levels = {{4, 100}, {2, 60}, {1, 20}};
  stage.convergence_slope = 0;  // to the end
  JobSpec job;
  job.stages = {stage};
  job.initialisation = Initialisation::transform;
  job.write_inverse = false;
  return job;
}

solve::RegistrationOutput register_pair(const Pair& pair, MetricKind metric, ops::Backend& backend,
                                        double start_mm = 0) {
  solve::RegistrationInput input;
  input.fixed = {&pair.fixed};
  input.moving = {&pair.moving};
  input.initial = pair.moving_from_fixed;
  input.initial->offset[0] += start_mm;
  return solve::register_volumes(input, job_of(metric), {}, backend);
}

struct Distances {
  double mean = 0, p95 = 0, largest = 0;
};

Distances summary(std::vector<double>& distances) {
  Distances out;
  for (const double d : distances) out.mean += d / static_cast<double>(distances.size());
  std::sort(distances.begin(), distances.end());
  out.p95 = distances[static_cast<std::size_t>(0.95 * static_cast<double>(distances.size() - 1))];
  out.largest = distances.back();
  return out;
}

/// |found - expected| of all voxels that count, voxels.
Distances compare(const Pair& pair, const DisplacementField& found,
                  const std::function<Vec3(const Vec3& voxel, std::int64_t i)>& expected_mm) {
  const Grid& grid = found.grid();
  const Size3& n = grid.size;
  const Vec3 spacing = grid.spacing_mm();
  const double voxel_mm = std::min({spacing[0], spacing[1], spacing[2]});
  std::vector<std::vector<double>> planes(static_cast<std::size_t>(n[2]));
  parallel_for(n[2], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const Vec3 v{static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)};
        if (!pair.counts(v)) continue;
        const std::int64_t i = (z * n[1] + y) * n[0] + x;
        const Vec3 e = expected_mm(v, i);
        Vec3 d{};
        for (int c = 0; c < 3; ++c)
          d[static_cast<std::size_t>(c)] =
              static_cast<double>(found.component_mm(c)[i]) - e[static_cast<std::size_t>(c)];
        planes[static_cast<std::size_t>(z)].push_back(std::hypot(d[0], d[1], d[2]) / voxel_mm);
      }
  });
  std::vector<double> all;
  for (const std::vector<double>& plane : planes) all.insert(all.end(), plane.begin(), plane.end());
  return summary(all);
}

/// Mean Dice of the labels that both volumes hold; the moving ones are taken at the nearest voxel.
double dice(const Pair& pair, const solve::RegistrationOutput& found) {
  const Grid& grid = pair.fixed.grid();
  const Size3 n = grid.size, m = pair.moving.grid().size;
  const Affine moving_voxel = pair.moving.grid().voxel_from_world() * pair.moving_from_fixed;
  Volume warped(grid, ScalarType::u8);
  auto* const to = warped.channel<std::uint8_t>();
  const auto* const from = pair.moving_labels.channel<std::uint8_t>();
  parallel_for(n[2], [&](std::int64_t z) {
    for (std::int64_t y = 0; y < n[1]; ++y)
      for (std::int64_t x = 0; x < n[0]; ++x) {
        const std::int64_t i = (z * n[1] + y) * n[0] + x;
        Vec3 p = grid.world_from_voxel(
            {static_cast<double>(x), static_cast<double>(y), static_cast<double>(z)});
        for (int c = 0; c < 3; ++c)
          p[static_cast<std::size_t>(c)] +=
              static_cast<double>(found.forward_mm->component_mm(c)[i]);
        const Vec3 q = moving_voxel(p);
        const auto a = std::llround(q[0]), b = std::llround(q[1]), c = std::llround(q[2]);
        if (a >= 0 && b >= 0 && c >= 0 && a < m[0] && b < m[1] && c < m[2])
          to[i] = from[(c * m[1] + b) * m[0] + a];
      }
  });
  const std::vector<std::int64_t> labels = qc::common_labels(pair.fixed_labels, pair.moving_labels);
  return qc::label_overlap(pair.fixed_labels, warped, labels, false).dice_mean;
}

Volume as_float(const Volume& volume) {
  Volume out(volume.grid(), ScalarType::f32);
  const auto* from = volume.channel<std::uint16_t>();
  std::copy_n(from, volume.grid().voxel_count(), out.channel<float>());
  return out;
}

/// Registers again and again and prints a row of the table for each run.
class Table {
 public:
  Table(const Pair& pair, MetricKind metric) : pair_(pair), metric_(metric) {
    std::printf(
        "| rounded | error, mean | 95 %% | from fp32, mean | 95 %% | largest | loss |%s folds |\n"
        "|---|---|---|---|---|---|---|---|%s\n",
        has_labels() ? " Dice |" : "", has_labels() ? "---|" : "");
    test::RoundingBackend exact({});
    reference_ = register_pair(pair_, metric_, exact);
    add("nothing: fp32", reference_);
  }
  void add(const std::string& name, const solve::RegistrationOutput& found) {
    const DisplacementField& u = *found.forward_mm;
    const Distances error =
        compare(pair_, u, [this](const Vec3& v, std::int64_t) { return pair_.displacement_mm(v); });
    const Distances moved = compare(pair_, u, [this](const Vec3&, std::int64_t i) {
      const DisplacementField& r = *reference_.forward_mm;
      return Vec3{r.component_mm(0)[i], r.component_mm(1)[i], r.component_mm(2)[i]};
    });
    const double loss = found.levels.back().last_loss,
                 reference_loss = reference_.levels.back().last_loss;
    std::printf("| %s | %.4f | %.4f | %.4f | %.4f | %.3f |", name.c_str(), error.mean, error.p95,
                moved.mean, moved.p95, moved.largest);
    if (&found == &reference_)
      std::printf(" %.6f |", loss);
    else
      std::printf(" %+.1e |", loss - reference_loss);
    if (has_labels()) std::printf(" %.4f |", dice(pair_, found));
    std::printf(" %lld |\n", static_cast<long long>(ops::summarise_jacobian(u).folds));
    std::fflush(stdout);
  }

 private:
  bool has_labels() const { return pair_.fixed_labels.data() != nullptr; }
  const Pair& pair_;
  const MetricKind metric_;
  solve::RegistrationOutput reference_;
};

void measure(Pair pair, MetricKind metric) {
  const Distances before = [&] {
    DisplacementField none(pair.fixed.grid());
    return compare(pair, none,
                   [&](const Vec3& v, std::int64_t) { return pair.displacement_mm(v); });
  }();
  std::printf("before: %.4f voxels on average, 95 %% below %.4f\n", before.mean, before.p95);
  Table table(pair, metric);
  const auto on = [&](const std::string& name, ops::Backend& backend, double start_mm = 0) {
    table.add(name, register_pair(pair, metric, backend, start_mm));
  };
  {
    test::RoundingBackend exact({});
    on("nothing, and a start 0.0001 mm away", exact, 1e-4);
  }
  for (const test::NamedCompaction& compaction : test::compactions(metric)) {
    test::RoundingBackend rounding(compaction.what);
    on(compaction.name, rounding);
  }
  const auto cpu = ops::make_cpu_backend();
  on("the CPU back end as it is", *cpu);
  pair.fixed = as_float(pair.fixed);
  pair.moving = as_float(pair.moving);
  test::RoundingBackend exact({});
  on("nothing, and images of f32 in place of u16", exact);
}

void run(const std::vector<std::string>& words) {
  const Size3 size = test::parse_size(words.empty() ? "96" : words[0]);
  const std::string only = words.size() > 1 ? words[1] : "";
  std::vector<MetricKind> metrics{MetricKind::lncc, MetricKind::mi};
  if (words.size() > 2) metrics = {test::parse_metric(words[2])};
  if (words.size() > 3 || (!only.empty() && only != "texture" && only != "phantom"))
    throw Error(ErrorCode::usage, "compaction_cost takes SIZE, texture or phantom, lncc or mi.");
  for (const std::string name : {"texture", "phantom"})
    for (const MetricKind metric : metrics) {
      if (!only.empty() && name != only) continue;
      std::printf("\n%s, %s, %lld x %lld x %lld; ", name.c_str(),
                  metric == MetricKind::mi ? "MI" : "LNCC", static_cast<long long>(size[0]),
                  static_cast<long long>(size[1]), static_cast<long long>(size[2]));
      measure(name == "texture" ? texture_pair(size) : phantom_pair(size, metric), metric);
    }
}

}  // namespace
}  // namespace gigawarp

int main(int argc, char** argv) {
  try {
    gigawarp::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
