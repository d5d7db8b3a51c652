#include <array>
#include <cstdio>
#include <iostream>
#include <memory>

#include "app/job_options.h"
#include "app/join_ranks.h"
#include "app/progress_display.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "job/plan.h"

namespace gigawarp::app {
namespace {

std::string grid_text(const Grid& grid) {
  const Vec3 mm = grid.spacing_mm();
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), "%lld x %lld x %lld voxels of %.4g x %.4g x %.4g mm, %s",
                static_cast<long long>(grid.size[0]), static_cast<long long>(grid.size[1]),
                static_cast<long long>(grid.size[2]), mm[0], mm[1], mm[2],
                grid.orientation().c_str());
  return text.data();
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

bool is_on_hosts(const job::Plan& plan) { return plan.device == "mpi:cpu"; }

void print(const job::Plan& plan) {
  std::cout << "  device    " << plan.device << ", " << plan.threads << " threads\n"
            << "  fixed     " << grid_text(plan.fixed) << "\n"
            << "  moving    " << grid_text(plan.moving) << "\n"
            << "  memory    " << mebibytes(plan.memory_needed) << " of "
            << mebibytes(plan.memory_available) << " available (images "
            << mebibytes(plan.forecast.images_bytes) << ", state "
            << mebibytes(plan.forecast.state_bytes) << ", scratch "
            << mebibytes(plan.forecast.scratch_bytes) << ")\n";
  for (const job::GpuPlan& gpu : plan.gpus) {
    std::cout << (is_on_hosts(plan) ? "  rank      " : "  GPU       ") << mebibytes(gpu.needed)
              << " of " << mebibytes(gpu.available) << " free";
    if (plan.gpus.size() > 1)
      std::cout << " on " << gpu.id << ", planes " << gpu.z_begin << " to " << gpu.z_end;
    std::cout << "\n";
  }
  if (plan.streamed.fixed || plan.streamed.moving)
    std::cout << "  streamed  "
              << (plan.streamed.fixed ? plan.streamed.moving ? "both images" : "the fixed image"
                                      : "the moving image")
              << ": read as needed, never whole in memory\n";
  if (!plan.note.empty()) std::cout << "  note      " << plan.note << "\n";
  if (!plan.disk.empty())
    std::cout << "  disk      up to " << mebibytes(plan.disk_needed) << " of "
              << mebibytes(plan.disk_free) << " free in " << plan.disk << "\n";
  std::cout << "  time      about " << duration_text(plan.forecast.seconds) << "\n";
}

}  // namespace

void add_plan_verb(CLI::App& app) {
  CLI::App* verb =
      add_verb(app, "plan",
               "Say what a registration will need, without running it; exit 4 if it does not fit",
               "gigawarp plan --fixed atlas.nii.gz --moving subject.nii.gz --out result");
  struct PlanOptions {
    JobOptions job;
    bool json = false;
  };
  auto options = std::make_shared<PlanOptions>();
  add_job_options(verb, options->job);
  verb->add_flag("--json", options->json, "Print JSON");
  verb->callback([options] {
    const JobSpec job = make_job(options->job, false);
    validate(job);
    const std::unique_ptr<job::Ranks> ranks = join_ranks(job.device);
    job::Plan plan;
    on_all_ranks(ranks.get(), [&] { plan = job::make_plan(job, ranks.get()); });
    if (ranks != nullptr && !ranks->is_first()) return;
    if (options->json)
      std::cout << job::to_json(plan);
    else
      print(plan);
    if (const std::string sentence = job::misfit(plan); !sentence.empty())
      throw Error(ErrorCode::does_not_fit, sentence);
  });
}

}  // namespace gigawarp::app
