#include <filesystem>
#include <iostream>
#include <memory>
#include <stop_token>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "app/imported.h"
#include "app/job_options.h"
#include "app/join_ranks.h"
#include "app/progress_display.h"
#include "app/run_commands.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "job/inputs.h"
#include "job/plan.h"
#include "job/ranks.h"
#include "job/report.h"
#include "job/runner.h"

namespace gigawarp::app {
namespace {

struct RegisterOptions {
  JobOptions job;
  std::string progress = "auto", control;
  bool resume = false, overwrite = false;
  ImportChoice import = ImportChoice::automatic;
  double checkpoint_interval_s = 60;
};

/// Puts compressed images that the run could read as it needs them into the cache, where it looks
/// for them. What is returned keeps them there.
std::vector<std::unique_ptr<io::BrickSource>> import_images(const JobSpec& job, ImportChoice choice,
                                                            const std::stop_token& stop) {
  std::vector<std::unique_ptr<io::BrickSource>> imported;
  if (choice == ImportChoice::never || job::is_for_ranks(job.device) ||
      job.output_directory.empty())
    return imported;
  validate(job);
  const job::Plan plan = job::make_plan(job);
  const auto import = [&](const std::string& path, io::ReadOptions options, bool companion) {
    std::error_code code;
    if (!std::filesystem::exists(path, code)) return;  // no name of a file, or the run says so
    if (companion) options = io::companion_options(options, path);
    if (auto source = open_in_part(path, options, choice, stop))
      imported.push_back(std::move(source));
  };
  for (const auto& [images, labels, options, streams] :
       {std::tuple{&job.fixed, &job.fixed_labels, job::fixed_options(job), plan.levels.fixed},
        std::tuple{&job.moving, &job.moving_labels, job::moving_options(job),
                   plan.levels.moving}}) {
    if (streams)
      for (const std::string& path : *images) import(path, options, false);
    if (!labels->empty()) import(*labels, options, true);
  }
  for (const auto& [mask, options, streams] :
       {std::tuple{&job.fixed_mask, job::fixed_options(job), plan.levels.fixed},
        std::tuple{&job.moving_mask, job::moving_options(job), plan.levels.moving}}) {
    io::ReadOptions as_mask = io::companion_options(options, *mask);
    as_mask.label_map = false;
    if (streams && !mask->empty()) import(*mask, as_mask, false);
  }
  return imported;
}

void register_images(const RegisterOptions& options) {
  if (options.resume && options.overwrite)
    throw Error(ErrorCode::usage, "Give --resume or --overwrite, not both.", "--resume");
  if (!options.control.empty() && options.control != "stdin")
    throw Error(ErrorCode::usage, "--control takes stdin, not \"" + options.control + "\".",
                "--control");
  if (!(options.checkpoint_interval_s >= 0))
    throw Error(ErrorCode::usage, "--checkpoint-every takes seconds, zero or more.",
                "--checkpoint-every");
  const JobSpec job = make_job(options.job, options.resume);
  const std::unique_ptr<job::Ranks> ranks = join_ranks(job.device);
  const bool is_first = ranks == nullptr || ranks->is_first();
  const std::unique_ptr<ProgressSink> display =
      make_progress_display(is_first ? options.progress : "none");
  job::RunSwitch control;
  const SignalWatch signals(control);
  std::unique_ptr<StdinCommands> commands;
  if (!options.control.empty() && is_first) commands = std::make_unique<StdinCommands>(control);
  const auto imported = import_images(job, options.import, control.stop_token());
  job::RunOptions run;
  run.overwrite = options.overwrite;
  run.resume = options.resume;
  run.progress = display.get();
  run.control = &control;
  run.checkpoint_interval_s = options.checkpoint_interval_s;
  run.command_line = command_line();
  run.ranks = ranks.get();
  job::RunResult result;
  on_all_ranks(ranks.get(), [&] { result = job::run_job(job, run); });
  if (options.progress == "json" || !is_first) return;
  if (result.was_complete)
    std::cout << "The run in " << result.folder.string() << " is already complete.\n";
  else
    std::cout << job::report_text(result);
}

}  // namespace

void add_register_verb(CLI::App& app) {
  CLI::App* verb =
      add_verb(app, "register",
               "Align a moving image to a fixed one; writes transforms, warped image, figures",
               "gigawarp register --fixed atlas.nii.gz --moving subject.nii.gz --out result "
               "--labels aseg.nii.gz");
  auto options = std::make_shared<RegisterOptions>();
  add_job_options(verb, options->job);
  add_import_option(verb, options->import);
  verb->add_option("--progress", options->progress,
                   "bar, lines, json (events on stdout), none or auto (default)")
      ->type_name("bar|lines|json|none|auto");
  verb->add_flag("--resume", options->resume, "Continue the unfinished run in --out");
  verb->add_flag("--overwrite", options->overwrite, "Replace what an earlier run left in --out");
  verb->add_option("--checkpoint-every", options->checkpoint_interval_s,
                   "Seconds between checkpoints (default: 60)");
  verb->add_option(
          "--control", options->control,
          "stdin: read {\"command\": \"pause\"} (resume, cancel, checkpoint), one per line")
      ->type_name("stdin");
  verb->callback([options] { register_images(*options); });
}

}  // namespace gigawarp::app
