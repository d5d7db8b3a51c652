#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/batch_runner.h"
#include "app/job_options.h"
#include "app/progress_display.h"
#include "app/run_commands.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/http.h"
#include "job/folder_lock.h"
#include "job/plan.h"

namespace gigawarp::app {
namespace {

namespace fs = std::filesystem;

struct BatchOptions {
  std::string source, out, preset, job_file, fixed, fixed_labels, fixed_mask, fixed_landmarks;
  std::string memory, progress = "auto";
  std::vector<std::string> devices;
  int jobs = 0, threads = 0;
  bool no_sheets = false, overwrite = false, dry_run = false;
};

std::string absolute(const std::string& file) {
  return file.empty() || file == kNonZeroMask || file == kNoMask || io::is_address(file)
             ? file
             : fs::absolute(file).lexically_normal().string();
}

/// The pairs of a list or folder, or of a batch that is gone on with.
std::vector<job::BatchPair> read_pairs(const BatchOptions& o) {
  if (!fs::exists(o.source))
    throw Error(ErrorCode::bad_input,
                "\"" + o.source + "\" does not exist; give a list (CSV) or a folder.", o.source);
  if (job::BatchFolder::is_one(o.source)) return job::BatchFolder(o.source).pairs();
  job::BatchDefaults defaults;
  defaults.fixed = absolute(o.fixed);
  defaults.fixed_labels = absolute(o.fixed_labels);
  defaults.fixed_mask = absolute(o.fixed_mask);
  defaults.fixed_landmarks = absolute(o.fixed_landmarks);
  defaults.job = [&o](const std::string& preset, const std::string& job_file) {
    JobOptions job;
    job.preset = preset;
    job.job_file = job_file;
    if (preset.empty() && job_file.empty()) {
      job.preset = o.preset;
      job.job_file = o.job_file;
    }
    return make_job(job, false);
  };
  return fs::is_directory(o.source) ? job::pairs_of_folder(o.source, defaults)
                                    : job::read_batch_list(o.source, defaults);
}

fs::path output_of(const BatchOptions& o) {
  if (!o.out.empty()) return fs::absolute(o.out);
  if (job::BatchFolder::is_one(o.source)) return fs::absolute(o.source);
  throw Error(ErrorCode::usage,
              "Say with --out where the results of the batch go; only a folder that batch has "
              "filled goes on in itself.",
              "--out");
}

std::string figures_text(const job::PairOutcome& outcome) {
  std::string text;
  const auto add = [&](const char* format, const std::optional<double>& value) {
    if (!value) return;
    std::array<char, 64> part{};
    std::snprintf(part.data(), part.size(), format, *value);
    text += part.data();
  };
  add("  NCC %.3f", outcome.figures.ncc);
  add("  Dice %.3f", outcome.figures.dice_mean);
  add("  landmarks %.2f mm", outcome.figures.landmark_mm);
  add("  folds %.4g %%", outcome.figures.folds_percent);
  return text;
}

/// A line on stderr for every pair that ends and, on a terminal, a bar below them; or events on
/// stdout.
class BatchDisplay final : public BatchListener {
 public:
  BatchDisplay(const job::BatchFolder& batch, const std::string& kind)
      : batch_(batch),
        kind_(kind == "auto" ? (is_terminal(STDERR_FILENO) ? "bar" : "lines") : kind) {
    if (kind_ == "bar") bar_ = std::make_unique<StepProgress>("bar");
    (void)make_progress_display(kind);  // refuses a kind that does not exist
  }
  void pair_started(std::size_t index) override {
    if (kind_ == "json") event("pair_started", index);
    if (bar_ != nullptr) bar_->part(0, 1, batch_.pairs()[index].name);
  }
  void pair_finished(std::size_t index, const job::PairOutcome& outcome) override {
    if (kind_ == "json") return event("pair_finished", index, &outcome);
    if (kind_ == "none") return;
    if (bar_ != nullptr) bar_->finish();
    const bool done = outcome.state == job::PairState::done;
    std::cerr << name_of(outcome.state) << "  " << batch_.pairs()[index].name << "  "
              << (done ? duration_text(outcome.seconds) + figures_text(outcome) : outcome.problem)
              << "\n";
  }
  void progressed(double fraction) override {
    if (kind_ == "json") {
      if (fraction - told_ < 0.001) return;
      told_ = fraction;
      std::cout << nlohmann::json{{"event", "progress"}, {"fraction", fraction}}.dump()
                << std::endl;
    }
    if (bar_ == nullptr) return;
    ProgressEvent event;
    event.fraction = fraction;
    bar_->on_event(event);
  }
  void finish() {
    if (bar_ != nullptr) bar_->finish();
  }

 private:
  void event(const char* what, std::size_t index, const job::PairOutcome* outcome = nullptr) {
    nlohmann::ordered_json json{{"event", what}, {"name", batch_.pairs()[index].name}};
    if (outcome != nullptr) {
      json["state"] = name_of(outcome->state);
      if (!outcome->problem.empty()) json["problem"] = outcome->problem;
      if (outcome->figures.ncc) json["ncc"] = *outcome->figures.ncc;
    }
    std::cout << json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace)
              << std::endl;
  }
  const job::BatchFolder& batch_;
  std::string kind_;
  std::unique_ptr<StepProgress> bar_;
  double told_ = -1;
};

BatchSettings settings_of(const BatchOptions& o) {
  BatchSettings settings;
  settings.devices = o.devices;
  settings.jobs = o.jobs > 0 ? o.jobs : std::max(1, static_cast<int>(o.devices.size()));
  settings.threads = o.threads;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (settings.threads == 0 && settings.jobs > 1)
    settings.threads = std::max(1, cores / settings.jobs);
  settings.memory = o.memory;
  settings.sheets = !o.no_sheets;
  settings.overwrite = o.overwrite;
  return settings;
}

class Silent final : public BatchListener {
  void pair_started(std::size_t) override {}
  void pair_finished(std::size_t, const job::PairOutcome&) override {}
  void progressed(double) override {}
};

/// What would be done, with memory and time of each from its headers; nothing is written but
/// stdout.
void print_plan(const job::BatchFolder& batch, const BatchSettings& settings) {
  Silent silent;
  const BatchRunner runner(batch, settings, silent);
  double seconds = 0;
  std::uint64_t largest = 0;
  int problems = 0;
  for (const job::BatchPair& pair : batch.pairs()) {
    std::string action, more;
    try {
      action = runner.action_of(pair);
      if (action != "skip" && action != "draw") {
        JobSpec job = pair.job;
        if (!settings.devices.empty()) job.device = settings.devices.front();
        if (settings.threads > 0) job.threads = settings.threads;
        validate(job);
        const job::Plan plan = job::make_plan(job);
        seconds += plan.forecast.seconds;
        largest = std::max(largest, plan.memory_needed);
        more = "about " + duration_text(plan.forecast.seconds) + ", " +
               std::to_string(plan.memory_needed >> 20) + " MiB on " + plan.device;
        if (const std::string misfit = job::misfit(plan); !misfit.empty()) {
          more = misfit;
          action = "cannot run";
        }
      }
    } catch (const Error& error) {
      action = "cannot run";
      more = error.what();
    }
    problems += action == "cannot run" ? 1 : 0;
    action.resize(std::max<std::size_t>(action.size(), 10), ' ');
    std::cout << "  " << action << "  " << pair.name << "  " << more << "\n";
  }
  std::cout << batch.pairs().size() << " pairs, " << settings.jobs << " at a time, about "
            << duration_text(seconds / settings.jobs) << ", " << (largest >> 20)
            << " MiB each at most\n";
  if (problems > 0)
    throw Error(ErrorCode::bad_input, std::to_string(problems) + " of " +
                                          std::to_string(batch.pairs().size()) +
                                          " pairs cannot run; see the list above.");
}

void run_batch(const BatchOptions& o) {
  if (o.jobs < 0) throw Error(ErrorCode::usage, "--jobs takes one or more.", "--jobs");
  if (o.threads < 0) throw Error(ErrorCode::usage, "--threads takes one or more.", "--threads");
  if (!o.preset.empty() && !o.job_file.empty())
    throw Error(ErrorCode::usage, "Give --preset or --job, not both.", "--preset");
  const fs::path out = output_of(o);
  for (const char* own : {"batch.json", "summary.csv", "summary.json", "index.html"})
    keep_inputs(out / own, {o.source, o.job_file});
  std::vector<job::BatchPair> pairs = read_pairs(o);
  const BatchSettings settings = settings_of(o);
  if (o.dry_run) return print_plan(job::BatchFolder::planned(out, std::move(pairs)), settings);
  for (const job::BatchPair& pair : pairs) validate(pair.job);
  const Interruption interruption;
  std::error_code failure;
  fs::create_directories(out, failure);  // where that fails, so does what is written there
  const job::FolderLock lock(out);
  if (lock.is_taken())
    throw Error(ErrorCode::usage,
                "Another batch is at work in \"" + out.string() +
                    "\"; wait for it to end or choose another --out.",
                out.string());
  const job::BatchFolder batch(out, std::move(pairs));
  BatchDisplay display(batch, o.progress);
  BatchRunner runner(batch, settings, display);
  const int failed = runner.run(interruption.stop());
  display.finish();
  int done = 0, first_code = 0;
  for (const job::BatchPair& pair : batch.pairs()) {
    const job::PairOutcome outcome = batch.outcome(pair);
    done += outcome.state == job::PairState::done ? 1 : 0;
    if (outcome.state == job::PairState::failed && first_code == 0) first_code = outcome.exit_code;
  }
  const std::string of_all =
      std::to_string(done) + " of " + std::to_string(batch.pairs().size()) + " pairs are done";
  if (interruption.stop().stop_requested())
    throw Error(ErrorCode::cancelled,
                "Interrupted; " + of_all + ". The same command, or gigawarp batch \"" +
                    out.string() + "\", goes on from there.",
                "signal");
  if (failed > 0)
    throw Error(first_code > 0 ? static_cast<ErrorCode>(first_code) : ErrorCode::bad_input,
                of_all + ", " + std::to_string(failed) + " failed; \"" +
                    (out / "summary.csv").string() + "\" says why.",
                out.string());
  if (o.progress != "json")
    std::cout << of_all << ". Look at them: gigawarp " << out.string() << ", or "
              << (out / "index.html").string() << "\n";
}

void add_inputs(CLI::App* verb, BatchOptions& o) {
  std::string columns;
  for (const std::string& column : job::batch_columns())
    columns += (columns.empty() ? "" : ", ") + column;
  verb->add_option("source", o.source,
                   "List (CSV with the columns " + columns +
                       "), folder of pairs, folder of moving images, or a batch to go on with")
      ->required()
      ->type_name("LIST|DIR");
  verb->add_option("--out", o.out, "Folder for the results: one in it for each pair")
      ->type_name("DIR");
  verb->add_option("--fixed", o.fixed, "Fixed image of pairs that name none")->type_name("FILE");
  verb->add_option("--fixed-labels", o.fixed_labels,
                   "Its labels: brought onto every moving image, and scored where that has its own")
      ->type_name("FILE");
  verb->add_option("--fixed-mask", o.fixed_mask, "Its mask")->type_name("FILE");
  verb->add_option("--fixed-landmarks", o.fixed_landmarks, "Its landmarks")->type_name("FILE");
  verb->add_option("--preset", o.preset, "Settings of pairs that name none (default: brain-t1)")
      ->type_name("NAME");
  verb->add_option("--job", o.job_file, "Job file (JSON) with the settings of pairs that name none")
      ->type_name("FILE");
}

}  // namespace

void add_batch_verb(CLI::App& app) {
  CLI::App* verb = add_verb(app, "batch",
                            "Register many pairs, each in a process of its own; done ones are kept",
                            "gigawarp batch pairs.csv --out results");
  auto options = std::make_shared<BatchOptions>();
  add_inputs(verb, *options);
  verb->add_option("--jobs", options->jobs,
                   "Runs at a time (default: as many as --device names, else 1)");
  verb->add_option("--device", options->devices,
                   "auto, cpu, cuda:0; several are dealt out to the runs")
      ->type_name("DEVICE");
  verb->add_option("--threads", options->threads,
                   "CPU threads of each run (default: the machine's, shared)");
  verb->add_option("--memory", options->memory, "Memory of each run, e.g. 8G")->type_name("BYTES");
  verb->add_flag("--no-sheets", options->no_sheets, "Leave out contact sheets and thumbnails");
  verb->add_flag("--overwrite", options->overwrite, "Run every pair again from its beginning");
  verb->add_flag("--dry-run", options->dry_run,
                 "Say what would be done, with memory and time; exit 3 if a pair cannot run");
  verb->add_option("--progress", options->progress,
                   "bar, lines, json (events on stdout), none or auto (default)")
      ->type_name("bar|lines|json|none|auto");
  verb->callback([options] { run_batch(*options); });
}

}  // namespace gigawarp::app
