#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <sstream>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "bench/problem.h"
#include "gigawarp/error.h"
#include "gigawarp/job.h"
#include "phantom/phantom.h"
#include "raw_pair.h"
#include "shard/device_exchange.h"
#include "solve/device_choice.h"
#include "solve/forecast.h"
#include "solve/rank_run.h"
#include "solve/registration.h"
#include "support/bench_arguments.h"
#include "support/rank_threads.h"

/// Whole registrations from the engine alone, for machines where the program does not build.
///   register_pair FIXED.raw MOVING.raw PRESET DEVICE [REPEATS] [--labels FIXED.raw MOVING.raw]
///                 [--landmarks FIXED.txt MOVING.txt] [--ncc] [--identity] [--masked]
///   register_pair FIXED.raw MOVING.raw PRESET DEVICE --rigid-recovery
///   register_pair --synthetic SIZE [--device D] [--metric lncc|mi|mse] [--radius R] [--bins B]
///                 [--levels 8,4,2,1] [--iterations 200,150,100,50] [--displacement VOXELS]
///                 [--smoothing GRADIENT,FIELD] [--symmetric] [--repeats N]
///   register_pair --phantom SIZE [--device D] [--levels 8,4,2,1] [--iterations 200,150,100,50]
///                 [--smoothing GRADIENT,FIELD] [--repeats N]
///                 [--preset P] [--contrasts FIXED,MOVING]
/// A .raw file is one line "nx ny nz type a00 a01 a02 a03 ... a23" (voxel to world, LPS mm, by
/// rows; type u8, i8, u16, i16 or f32), then the voxels; a .txt lines "name x y z" (LPS mm):
/// tests/bench/to_raw.py makes both. With labels, landmarks, --ncc or --identity (the true map
/// leaves every point where it is) the result is judged: Dice (label-linear), landmark error, NCC,
/// largest displacement, and always folds and the error of the inverse. --masked: only the fixed
/// image's non-zero voxels count. --rigid-recovery: the rigid stage alone, then again with the
/// moving volume turned by 5 degrees and moved by 8 mm, and how far the second map is from the
/// first so moved. Every run ends with a hash of the forward displacement; runs that differ in it
/// are a failure, and so is a run that takes more of the GPU than the plan said. The DEVICE ranks:4
/// runs on four ranks as processes would be (solve/rank_run.h), but threads: GPU i for rank i with
/// NCCL between them; ranks:cpu:4 on the CPU; ranks:4:32 with pieces of 32 planes or more computed
/// while messages travel (ops::RankParts::least_piece). The hash is that of one. The synthetic pair
/// is the benchmark's, u16 under a known map; only the greedy stage runs, from the known affine
/// part, and the result is compared with the known map. The phantom's is the program's, T1 and T2
/// or the two --contrasts (t1, t2, lightsheet; phantom/phantom.h): all stages of the preset
/// brain-cross-modality run, the deformable one at --levels to the end, and folds are counted too.
/// With --preset that one runs as it is, and the result is judged like that of a pair with labels.
namespace gigawarp {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Prints when stages end, and how long they took.
class StageTimes final : public ProgressSink {
 public:
  void on_event(const ProgressEvent& event) override {
    if (event.kind == EventKind::stage_started) start_ = event.elapsed_s;
    if (event.kind != EventKind::stage_finished) return;
    std::printf("  %-12s %8.3f s  %s\n", event.stage.c_str(), event.elapsed_s - start_,
                event.text.c_str());
    if (event.stage == "greedy" || event.stage == "syn") deformable_ += event.elapsed_s - start_;
  }
  double deformable_seconds() const { return deformable_; }

 private:
  double start_ = 0, deformable_ = 0;
};

/// FNV-1a over the bits of every displacement, 16 million numbers at a time and then over those.
std::uint64_t hash_of(const DisplacementField& field) {
  constexpr std::uint64_t kStart = 1469598103934665603ULL, kPrime = 1099511628211ULL;
  constexpr std::int64_t kBlock = std::int64_t{1} << 24U;
  const std::int64_t n = field.grid().voxel_count(), blocks = (n + kBlock - 1) / kBlock;
  std::vector<std::uint64_t> parts(static_cast<std::size_t>(3 * blocks), kStart);
  parallel_for(3 * blocks, [&](std::int64_t p) {
    const auto* words =
        reinterpret_cast<const std::uint32_t*>(field.component_mm(static_cast<int>(p / blocks)));
    std::uint64_t& h = parts[static_cast<std::size_t>(p)];
    const std::int64_t begin = p % blocks * kBlock;
    for (std::int64_t i = begin; i < std::min(n, begin + kBlock); ++i) h = (h ^ words[i]) * kPrime;
  });
  std::uint64_t all = kStart;
  for (const std::uint64_t part : parts) all = (all ^ part) * kPrime;
  return all;
}

std::uint64_t hash_of(const solve::RegistrationOutput& output) {
  if (output.forward_mm) return hash_of(*output.forward_mm);
  std::uint64_t h = 0;
  for (const auto& row : output.moving_from_fixed.linear)
    for (const double v : row) h = h * 1099511628211ULL ^ std::bit_cast<std::uint64_t>(v);
  return h;
}

struct Run {
  solve::RegistrationOutput output;
  double seconds = 0, deformable_seconds = 0;
  std::uint64_t hash = 0;
};

/// What follows "ranks:" or "ranks:cpu:"; nothing for other devices.
std::string ranks_text(const std::string& device) {
  for (const std::string kind : {"ranks:cpu:", "ranks:"})
    if (device.starts_with(kind)) return device.substr(kind.size());
  return {};
}
/// How many ranks "ranks:4" and "ranks:cpu:4" name; zero for other devices.
int ranks_of(const std::string& device) {
  const std::string text = ranks_text(device);
  return text.empty() ? 0 : std::max(1, std::atoi(text.c_str()));
}
/// Of "ranks:4:32" the second number; zero without one.
int least_piece_of(const std::string& device) {
  const std::string text = ranks_text(device);
  const std::size_t colon = text.find(':');
  return colon == std::string::npos ? 0 : std::atoi(text.c_str() + colon + 1);
}

solve::RegistrationOutput register_on_threads(const solve::RegistrationInput& input,
                                              const JobSpec& job,
                                              const solve::RunControl& control) {
  const bool on_cpu = job.device.starts_with("ranks:cpu");
  solve::RegistrationOutput output;
  test::on_ranks(
      ranks_of(job.device),
      [&](test::Rank& rank) {
        rank.backend.take_grid_times();  // from here on they are taken
        solve::RegistrationOutput own = solve::register_volumes(
            input, job, rank.number() == 0 ? control : solve::RunControl{}, rank.backend);
        const ops::GridTimes times = rank.backend.take_grid_times();
        if (rank.number() != 0) return;
        output = std::move(own);
        std::printf("  in operations %.3f s, of which each rank computed", times.seconds);
        for (const double busy : times.busy_seconds) std::printf(" %.3f", busy);
        std::printf(" s and waited for the rest; messages travelled");
        for (const double travelled : times.exchange_seconds) std::printf(" %.3f", travelled);
        std::printf(" s\n");
      },
      [&](int rank) {
        ops::RankParts parts =
            on_cpu ? ops::make_host_rank() : ops::make_cuda_rank(rank, job.memory_bytes);
        if (const int least = least_piece_of(job.device); least > 0) parts.least_piece = least;
        return parts;
      },
      [](shard::Communicator& communicator, ops::RankParts& parts) {
        return shard::make_exchange(communicator, parts);
      });
  return output;
}

solve::RegistrationOutput register_on(const solve::RegistrationInput& input, const JobSpec& job,
                                      const solve::RunControl& control,
                                      shard::Communicator* processes) {
  if (processes != nullptr) return solve::register_on_ranks(input, job, control, *processes);
  if (ranks_of(job.device) > 0) return register_on_threads(input, job, control);
  return solve::register_volumes(input, job, control);
}

Run register_once(const solve::RegistrationInput& input, const JobSpec& job,
                  shard::Communicator* processes) {
  Run run;
  StageTimes times;
  solve::RunControl control;
  control.progress = &times;
  const auto start = Clock::now();
  run.output = register_on(input, job, control, processes);
  run.seconds = seconds_since(start);
  run.deformable_seconds = times.deformable_seconds();
  for (const solve::LevelReport& level : run.output.levels)
    std::printf(
        "    %-8s shrink %2d: %4d iterations%s, loss %.6f -> %.6f, %8.3f s, %.5f ns/voxel\n",
        level.stage.c_str(), level.shrink, level.iterations,
        level.converged ? " (levelled off)" : "", level.first_loss, level.last_loss, level.seconds,
        level.ns_per_voxel_iteration);
  const auto voxels = static_cast<double>(input.fixed[0]->grid().voxel_count());
  std::printf("  deformable %.3f s, whole run %.3f s", run.deformable_seconds, run.seconds);
  if (run.output.device_peak_bytes > 0)
    std::printf(", GPU peak %.1f MiB (%.2f bytes per voxel)",
                static_cast<double>(run.output.device_peak_bytes) / 1048576,
                static_cast<double>(run.output.device_peak_bytes) / voxels);
  run.hash = hash_of(run.output);
  std::printf(", host peak %.1f MiB, hash %016llx\n",
              static_cast<double>(peak_resident_bytes()) / 1048576,
              static_cast<unsigned long long>(run.hash));
  std::fflush(stdout);
  return run;
}

/// The last of `repeats` runs. Throws Error{internal} when two of them differ.
solve::RegistrationOutput register_often(const solve::RegistrationInput& input, JobSpec job,
                                         int repeats, shard::Communicator* processes) {
  const int ranks = processes != nullptr ? processes->size() : ranks_of(job.device);
  if (processes != nullptr) job.device = solve::chosen_rank_device(job.device, *processes);
  if (ranks == 0) job.device = solve::chosen_device(job.device);
  const Volume &fixed = *input.fixed[0]->whole(), &moving = *input.moving[0]->whole();
  JobSpec foretold = job;
  foretold.fixed_mask = input.fixed_mask ? "given" : kNoMask;
  foretold.moving_mask = input.moving_mask ? "given" : kNoMask;
  if (ranks > 0 && processes == nullptr)
    foretold.device = job.device.starts_with("ranks:cpu") ? "mpi:cpu" : "mpi:cuda";
  const std::vector<DeviceInfo> gpus =
      ranks > 0 ? std::vector<DeviceInfo>{} : solve::gpus_of(job.device);
  const solve::MemoryForecast forecast =
      solve::forecast(fixed.grid(), moving.grid(), fixed.type(), moving.type(), foretold,
                      ranks > 0 ? std::vector<double>(static_cast<std::size_t>(ranks), 1.0 / ranks)
                                : solve::memory_shares(gpus, job.memory_bytes));
  std::printf("%s; forecast: %.1f MiB of the host's memory (%.1f free)", job.device.c_str(),
              static_cast<double>(forecast.peak_bytes) / 1048576,
              static_cast<double>(available_memory_bytes()) / 1048576);
  for (std::size_t i = 0; i < gpus.size(); ++i)
    std::printf(", %.1f MiB of %s (%.1f free)",
                static_cast<double>(forecast.slabs[i].bytes) / 1048576, gpus[i].id.c_str(),
                static_cast<double>(gpus[i].free_bytes) / 1048576);
  std::printf(", %.2f s\n", forecast.seconds);
  std::fflush(stdout);
  Run last;
  for (int i = 0; i < repeats; ++i) {
    std::printf("run %d\n", i + 1);
    const std::uint64_t before = last.hash;
    last = {};  // so that there are never two results
    last = register_once(input, job, processes);
    if (i > 0 && last.hash != before)
      throw Error(ErrorCode::internal, "Two runs of the same job ended with different bits.");
    if (ranks == 0 && last.output.device_peak_bytes > forecast.device_bytes)
      throw Error(ErrorCode::internal, "The run took more of the GPU's memory than the plan said.");
  }
  return std::move(last.output);
}

/// 5 degrees about an axis along z through the middle of `grid`, then 8 mm along a diagonal.
Affine known_motion(const Grid& grid) {
  const double angle = 5 * std::numbers::pi / 180, shift = 8 / std::numbers::sqrt3;
  Affine turn;
  turn.linear = {
      {{std::cos(angle), -std::sin(angle), 0}, {std::sin(angle), std::cos(angle), 0}, {0, 0, 1}}};
  const Vec3 centre = grid.centre_mm(), turned = turn(centre);
  for (std::size_t a = 0; a < 3; ++a) turn.offset[a] = centre[a] - turned[a] + shift;
  return turn;
}

/// --rigid-recovery.
void recover_rigid(solve::RegistrationInput input, JobSpec job, int repeats,
                   shard::Communicator* processes) {
  job.stages.resize(1);
  const Affine first = register_often(input, job, repeats, processes).moving_from_fixed;
  const Grid& grid = input.moving[0]->grid();
  const Affine motion = known_motion(grid);
  Volume moved = read_all(*input.moving[0]);
  moved.set_grid({grid.size, motion * grid.world_from_voxel});
  input.moving = {&moved};
  const Affine second = register_often(input, job, repeats, processes).moving_from_fixed;
  Transform found, known;
  found.stages.emplace_back(second);
  known.stages.emplace_back(motion * first);
  std::printf("known motion missed by %.4f mm at most\n",
              qc::transform_difference(found, known, input.fixed[0]->grid()).max_mm);
}

void run_files(std::vector<std::string> words, shard::Communicator* processes) {
  const Truth truth(words);
  const bool masked = take_flag(words, "--masked"), recovers = take_flag(words, "--rigid-recovery");
  if (words.size() < 4 || words.size() > 5)
    misuse(
        "register_pair takes FIXED.raw MOVING.raw PRESET DEVICE [REPEATS], --synthetic SIZE or "
        "--phantom SIZE.");
  const Volume fixed = read_raw(words[0]), moving = read_raw(words[1]);
  JobSpec job = job_from_preset(words[2]);
  job.device = words[3];
  solve::RegistrationInput input;
  input.fixed = {&fixed};
  input.moving = {&moving};
  const int repeats = words.size() > 4 ? std::max(1, std::atoi(words[4].c_str())) : 1;
  if (recovers) {
    recover_rigid(input, job, repeats, processes);
    return;
  }
  const Volume mask = masked ? non_zero_voxels(fixed) : Volume();
  if (masked) input.fixed_mask = &mask;
  solve::RegistrationOutput output = register_often(input, job, repeats, processes);
  if (!truth.empty()) judge(output, truth, fixed, moving);
}

struct Synthetic {
  Size3 size{};
  std::string device = "auto";
  StageSpec stage;
  std::string preset;  ///< of the phantom; empty: brain-cross-modality, to the end
  phantom::Contrast fixed_contrast = phantom::Contrast::t1, moving_contrast = phantom::Contrast::t2;
  double displacement_voxels = 0;  ///< 0: a hundredth of the shortest axis
  bool smooths = false;            ///< --smoothing was given
  int repeats = 1;
};

std::vector<int> parse_list(const std::string& text) {
  std::vector<int> numbers;
  std::istringstream in(text);
  for (std::string item; std::getline(in, item, ',');) numbers.push_back(std::atoi(item.c_str()));
  return numbers;
}

Synthetic parse_synthetic(const std::vector<std::string>& words) {
  Synthetic out;
  std::string levels = "8,4,2,1", iterations = "200,150,100,50";
  out.stage.convergence_slope = 0;  // to the end
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& option = words[i];
    if (option == "--symmetric") {
      out.stage.metric.symmetric_gradient = true;
      continue;
    }
    if (++i >= words.size()) misuse(option + " takes a value.");
    const std::string& value = words[i];
    if (option == "--synthetic" || option == "--phantom")
      out.size = test::parse_size(value);
    else if (option == "--device")
      out.device = value;
    else if (option == "--metric")
      out.stage.metric.kind = test::parse_metric(value);
    else if (option == "--radius")
      out.stage.metric.radius = std::atoi(value.c_str());
    else if (option == "--bins")
      out.stage.metric.bins = std::atoi(value.c_str());
    else if (option == "--levels")
      levels = value;
    else if (option == "--iterations")
      iterations = value;
    else if (option == "--smoothing") {
      char* rest = nullptr;
      out.stage.sigma_gradient_voxels = std::strtod(value.c_str(), &rest);
      out.stage.sigma_warp_voxels = *rest == ',' ? std::atof(rest + 1) : 0;
      out.smooths = true;
    } else if (option == "--displacement")
      out.displacement_voxels = std::atof(value.c_str());
    else if (option == "--preset")
      out.preset = value;
    else if (option == "--contrasts") {
      const std::size_t comma = value.find(',');
      if (comma == std::string::npos) misuse("--contrasts takes two names, as in t1,t2.");
      out.fixed_contrast = phantom::contrast_from_name(value.substr(0, comma));
      out.moving_contrast = phantom::contrast_from_name(value.substr(comma + 1));
    } else if (option == "--repeats")
      out.repeats = std::max(1, std::atoi(value.c_str()));
    else
      misuse("register_pair does not know " + option + ".");
  }
  const std::vector<int> shrinks = parse_list(levels), counts = parse_list(iterations);
  if (shrinks.size() != counts.size() || shrinks.empty())
    misuse("--levels and --iterations take as many numbers as one another.");
  for (std::size_t l = 0; l < shrinks.size(); ++l)
    out.stage.levels.push_back({shrinks[l], counts[l]});
  if (!(out.displacement_voxels > 0))
    out.displacement_voxels =
        0.01 * static_cast<double>(std::min({out.size[0], out.size[1], out.size[2]}));
  return out;
}

void print_distances(const char* what, std::vector<float>& distances) {
  double sum = 0;
  for (const float d : distances) sum += static_cast<double>(d);
  const auto rank = static_cast<std::ptrdiff_t>(0.95 * static_cast<double>(distances.size() - 1));
  std::nth_element(distances.begin(), distances.begin() + rank, distances.end());
  std::printf("%s: mean %.4f, 95th percentile %.4f voxels\n", what,
              sum / static_cast<double>(distances.size()),
              static_cast<double>(distances[static_cast<std::size_t>(rank)]));
}

/// On at most 32 planes, every third voxel of every third row: where there is something to see.
void compare_with_known_map(const bench::Problem& problem, const DisplacementField& found) {
  const Size3 n = problem.fixed.grid().size;
  const std::int64_t step_z = std::max<std::int64_t>(1, n[2] / 32);
  std::vector<float> before, after;
  for (std::int64_t z = step_z / 2; z < n[2]; z += step_z)
    for (std::int64_t y = 1; y < n[1]; y += 3)
      for (std::int64_t x = 1; x < n[0]; x += 3) {
        const auto px = static_cast<double>(x), py = static_cast<double>(y),
                   pz = static_cast<double>(z);
        if (!problem.shows_scene(px, py, pz)) continue;
        const Vec3 u = problem.displacement(px, py, pz);  // voxels are 1 mm
        const std::int64_t i = (z * n[1] + y) * n[0] + x;
        double d[3];
        for (int c = 0; c < 3; ++c)
          d[c] = static_cast<double>(found.component_mm(c)[i]) - u[static_cast<std::size_t>(c)];
        before.push_back(static_cast<float>(std::hypot(u[0], u[1], u[2])));
        after.push_back(static_cast<float>(std::hypot(d[0], d[1], d[2])));
      }
  print_distances("known displacement", before);
  print_distances("error of the result", after);
}

void run_synthetic(const std::vector<std::string>& words, shard::Communicator* processes) {
  const Synthetic synthetic = parse_synthetic(words);
  const auto start = Clock::now();
  const bench::Problem problem(synthetic.size, synthetic.displacement_voxels);
  std::printf("%lld x %lld x %lld u16, displaced by at most %.1f voxels, made in %.2f s\n",
              static_cast<long long>(synthetic.size[0]), static_cast<long long>(synthetic.size[1]),
              static_cast<long long>(synthetic.size[2]), synthetic.displacement_voxels,
              seconds_since(start));
  solve::RegistrationInput input;
  input.fixed = {&problem.fixed};
  input.moving = {&problem.moving};
  input.initial = problem.moving_from_fixed;
  JobSpec job;
  job.stages = {synthetic.stage};
  job.device = synthetic.device;
  job.initialisation = Initialisation::transform;
  job.write_inverse = false;
  const solve::RegistrationOutput output = register_often(input, job, synthetic.repeats, processes);
  if (output.forward_mm) compare_with_known_map(problem, *output.forward_mm);  // the first process
}

void run_phantom(const std::vector<std::string>& words, shard::Communicator* processes) {
  const Synthetic synthetic = parse_synthetic(words);
  const auto start = Clock::now();
  phantom::PhantomSpec spec;
  spec.size = synthetic.size;
  spec.fixed_contrast = synthetic.fixed_contrast;
  spec.moving_contrast = synthetic.moving_contrast;
  const phantom::Phantom head(spec);
  const Volume fixed = head.image(phantom::Side::fixed), moving = head.image(phantom::Side::moving);
  std::printf("phantom of %lld x %lld x %lld voxels of %.3f mm, %s and %s, made in %.2f s\n",
              static_cast<long long>(spec.size[0]), static_cast<long long>(spec.size[1]),
              static_cast<long long>(spec.size[2]), head.spec().spacing_mm,
              phantom::name_of(spec.fixed_contrast).c_str(),
              phantom::name_of(spec.moving_contrast).c_str(), seconds_since(start));
  solve::RegistrationInput input;
  input.fixed = {&fixed};
  input.moving = {&moving};
  const bool judged = !synthetic.preset.empty();
  JobSpec job = job_from_preset(judged ? synthetic.preset : "brain-cross-modality");
  if (!judged) {
    job.stages.back().levels = synthetic.stage.levels;
    job.stages.back().convergence_slope = 0;  // to the end
  }
  if (synthetic.smooths) {
    job.stages.back().sigma_gradient_voxels = synthetic.stage.sigma_gradient_voxels;
    job.stages.back().sigma_warp_voxels = synthetic.stage.sigma_warp_voxels;
  }
  job.device = synthetic.device;
  job.write_inverse = judged;
  solve::RegistrationOutput output = register_often(input, job, synthetic.repeats, processes);
  if (!output.forward_mm) return;  // the first process has it
  print_regularity(output);
  const Transform found = take_map(output);
  if (judged)
    print_overlap(head.labels(phantom::Side::fixed), head.labels(phantom::Side::moving), found);
  const phantom::MapError error = phantom::known_map_error(found, head);
  std::printf("\nerror of the result: mean %.4f, 95th percentile %.4f voxels (%lld points)\n",
              error.mean_voxels, error.p95_voxels, static_cast<long long>(error.points));
}

void run(const std::vector<std::string>& words) {
  const auto is_processes = [](const std::string& word) {
    return word == "mpi" || word == "mpi:cpu" || word == "mpi:cuda";
  };
  std::unique_ptr<shard::Communicator> processes;
  if (std::any_of(words.begin(), words.end(), is_processes)) {
    processes = shard::make_process_communicator();
    if (!processes->is_root() && std::freopen("/dev/null", "w", stdout) == nullptr)
      misuse("There is no /dev/null.");
  }
  try {
    if (std::find(words.begin(), words.end(), "--synthetic") != words.end())
      run_synthetic(words, processes.get());
    else if (std::find(words.begin(), words.end(), "--phantom") != words.end())
      run_phantom(words, processes.get());
    else
      run_files(words, processes.get());
  } catch (const Error& error) {
    if (processes) processes->fail(error.code(), error.what());
    throw;
  }
}

}  // namespace
}  // namespace gigawarp

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  try {
    gigawarp::run(words);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
