#include "job/runner.h"

#include <cmath>
#include <fstream>
#include <future>
#include <memory>
#include <new>
#include <sstream>

#include "base/parallel.h"
#include "base/replace_file.h"
#include "gigawarp/error.h"
#include "io/http.h"
#include "job/checkpoint_files.h"
#include "job/checksum.h"
#include "job/inputs.h"
#include "job/output_folder.h"
#include "job/preview_file.h"
#include "job/recorder.h"
#include "job/report.h"
#include "job/results.h"
#include "shard/plane_sharing.h"
#include "solve/device_choice.h"

namespace gigawarp::job {

namespace {

std::string absolute(const std::string& path) {
  if (path.empty() || path == kNonZeroMask || path == kNoMask || io::is_address(path)) return path;
  if (const auto inverted = inverted_transform(path)) return "[" + absolute(*inverted) + ",1]";
  return std::filesystem::absolute(path).lexically_normal().string();
}

void make_absolute(JobSpec& job) {
  for (std::string& path : job.fixed) path = absolute(path);
  for (std::string& path : job.moving) path = absolute(path);
  for (std::string* path :
       {&job.fixed_mask, &job.moving_mask, &job.fixed_labels, &job.moving_labels,
        &job.initial_transform, &job.fixed_landmarks, &job.moving_landmarks, &job.output_directory})
    *path = absolute(*path);
}

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  if (!replace_file(path, ".part", text))
    throw Error(ErrorCode::output_not_written,
                "\"" + path.string() + "\" could not be written; is the disk full?", path.string());
}

/// Paces of two machines (tests/bench/RESULTS.md), seconds per voxel: threads share all but what
/// goes into one file uncompressed.
FileSeconds file_seconds(const JobSpec& job, const Plan& plan) {
  constexpr double kRead = 5e-9, kWarped = 60e-9, kField = 7e-9, kCompressed = 250e-9;
  const auto fixed = static_cast<double>(plan.fixed.voxel_count()),
             moving = static_cast<double>(plan.moving.voxel_count());
  const double cores = available_threads();
  FileSeconds out;
  out.load = kRead * (fixed + moving) / cores;
  if (job.write_warped) out.write += kWarped * fixed / cores;
  const int fields = !is_deformable(job.stages.back().kind) || job.warp_grid == WarpGrid::level
                         ? 0
                         : (job.write_inverse ? 2 : 1);
  out.write += fields * fixed * (job.compress ? kCompressed / cores : kField);
  return out;
}

/// One run from plan to report.
class Run {
 public:
  Run(JobSpec job, const RunOptions& options)
      : job_(std::move(job)),
        options_(options),
        control_(options.control != nullptr ? *options.control : own_control_) {}

  RunResult run();

 private:
  bool prepare_folder();
  void keep_inputs() const;
  void start_checksums();
  RunResult execute();
  solve::RegistrationOutput register_images();
  void stop_here(const char* when) const;
  void warn_of_disagreement();
  void write_job() const;
  void timed(const char* phase, const std::function<void()>& work);
  RunIdentity identity() const;

  JobSpec job_;
  const RunOptions& options_;
  RunSwitch own_control_;
  RunSwitch& control_;
  Plan plan_;
  std::unique_ptr<OutputFolder> folder_;
  std::unique_ptr<Recorder> recorder_;
  std::unique_ptr<CheckpointFiles> checkpoints_;
  std::shared_future<std::map<std::string, std::string>> checksums_;
  RunInputs inputs_;
  RunResult result_;
  bool resuming_ = false;
};

/// Of a run that ended well but aligned nothing. Contrasts that differ may correlate little; those
/// that a stage compared as one do not.
void Run::warn_of_disagreement() {
  const std::optional<double> ncc = result_.measures.global_ncc;
  const bool one_contrast = job_.stages.back().metric.kind != MetricKind::mi;
  if (!ncc || (one_contrast ? *ncc : std::abs(*ncc)) >= (one_contrast ? 0.2 : 0.05)) return;
  std::ostringstream text;
  text.precision(2);
  text << "The images hardly agree after the registration (NCC " << *ncc
       << "): look at the result before it is used. A voxel size, the orientation or the start may "
          "be wrong.";
  recorder_->say(EventKind::warning, "write", text.str());
}

void Run::stop_here(const char* when) const {
  if (control_.cancelled())
    throw Error(ErrorCode::cancelled, std::string("The run was cancelled ") + when + ".");
}

void Run::write_job() const { write_text(folder_->path() / "job.json", gigawarp::to_json(job_)); }

void Run::timed(const char* phase, const std::function<void()>& work) {
  const auto began = std::chrono::steady_clock::now();
  work();
  result_.seconds[phase] +=
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
}

RunIdentity Run::identity() const {
  RunIdentity identity{job_digest(job_), checksums_.get()};
  identity.inputs.erase("fixed_labels");  // carried and scored after the run, they do not change it
  identity.inputs.erase("moving_labels");
  return identity;
}

void Run::start_checksums() {
  checksums_ =
      std::async(std::launch::async, [files = input_files(job_), stop = control_.stop_token()] {
        std::map<std::string, std::string> sums;
        std::map<std::string, std::string> by_path;  // one file may play two roles
        for (const InputFile& file : files) {
          auto [known, is_new] = by_path.try_emplace(file.path);
          if (is_new) known->second = sha256_of_file(file.path, stop);
          sums[file.role] = known->second;
        }
        return sums;
      }).share();
}

/// An earlier run's warped image or affine may be what this one starts from: --overwrite and
/// --resume would remove it before it is read.
void Run::keep_inputs() const {
  for (const InputFile& input : input_files(job_))
    if (folder_->would_replace(input.path))
      throw Error(
          ErrorCode::usage,
          "\"" + input.path +
              "\" is an input of this run, which would replace it by a result of that name; "
              "choose another --out.",
          input.path);
}

/// Decides between a fresh start, going on and refusing; true when there is nothing left to do.
bool Run::prepare_folder() {
  folder_ = std::make_unique<OutputFolder>(job_.output_directory);
  keep_inputs();
  const std::string where = "\"" + job_.output_directory + "\"";
  const OutputFolder::State state = folder_->state();
  if (const std::filesystem::path stranger = folder_->stranger();
      !stranger.empty() && (state != OutputFolder::State::finished || !options_.resume))
    throw Error(ErrorCode::usage,
                "\"" + stranger.string() +
                    "\" was not written by a run of Gigawarp, but has a name of a run's files; "
                    "choose another --out.",
                stranger.string());
  if (state == OutputFolder::State::fresh) return false;
  if (options_.overwrite) {
    folder_->set_aside();
    return false;
  }
  if (!options_.resume)
    throw Error(ErrorCode::usage,
                where + (state == OutputFolder::State::finished
                             ? " already holds the results of a run; choose another --out or use "
                               "--overwrite."
                             : " holds an unfinished run; use --resume to continue or --overwrite "
                               "to start again."),
                job_.output_directory);
  if (state == OutputFolder::State::finished) {
    const std::string earlier = read_text(folder_->path() / "job.json");
    const JobSpec had = parse_job(earlier);
    if (job_digest(had) != job_digest(job_) || had.warp_grid != job_.warp_grid ||
        had.image_format != job_.image_format)
      throw Error(ErrorCode::usage,
                  where +
                      " holds the finished run of a job with other settings; choose another "
                      "--out or use --overwrite.",
                  job_.output_directory);
    return true;
  }
  resuming_ = CheckpointFiles::exists(folder_->checkpoint());
  if (!resuming_) folder_->clear();
  return false;
}

RunResult Run::run() {
  plan_ = make_plan(job_, options_.ranks);
  if (const std::string sentence = misfit(plan_); !sentence.empty())
    throw Error(ErrorCode::does_not_fit, sentence);
  result_.folder = job_.output_directory;
  const bool nothing_to_do = prepare_folder();
  if (options_.ranks != nullptr)
    announce(options_.ranks->communicator(), {nothing_to_do, plan_.streamed, plan_.levels});
  if (nothing_to_do) {
    result_.was_complete = true;
    return std::move(result_);
  }
  try {
    if (!resuming_) write_job();  // first: it tells that the other files are a run's
    recorder_ =
        std::make_unique<Recorder>(folder_->path(), resuming_,
                                   WorkModel(job_, plan_.fixed.voxel_count(),
                                             plan_.forecast.seconds, file_seconds(job_, plan_)),
                                   options_.progress);
    return execute();
  } catch (const std::exception& error) {
    if (recorder_ != nullptr) recorder_->say(EventKind::run_failed, "", error.what());
    const bool kept = CheckpointFiles::exists(folder_->checkpoint());
    const bool comes_back = folder_->has_set_aside();
    if (!kept) folder_->abandon();
    const auto* known = dynamic_cast<const Error*>(&error);
    if (known == nullptr || known->code() != ErrorCode::cancelled) throw;
    throw Error(
        ErrorCode::cancelled,
        kept ? "The run was cancelled; continue it with gigawarp register --resume --out \"" +
                   job_.output_directory + "\"."
             : std::string("The run was cancelled before its first checkpoint; ") +
                   (comes_back ? "what an earlier run left is as it was." : "nothing was kept."),
        job_.output_directory);
  }
}

solve::RegistrationOutput Run::register_images() {
  solve::RunControl control;
  control.progress = recorder_.get();
  control.stop = control_.stop_token();
  control.checkpoints = checkpoints_.get();
  control.pause_gate = [this] {
    if (!control_.paused()) return;
    recorder_->say(EventKind::paused, "", "");
    control_.wait_while_paused();
    recorder_->say(EventKind::resumed, "", "");
  };
  PreviewFile preview(
      control_, folder_->path(),
      [this](const std::string& file) { recorder_->say(EventKind::preview_written, "", file); },
      [this](const std::string& why) { recorder_->say(EventKind::warning, "", why); });
  control.preview = &preview;
  control.leave_fields = true;
  JobSpec resolved = job_;
  resolved.device = plan_.device;
  if (options_.ranks != nullptr)
    return solve::register_on_ranks(inputs_.view(), resolved, control,
                                    options_.ranks->communicator());
  return solve::register_volumes(inputs_.view(), resolved, control);
}

RunResult Run::execute() {
  start_checksums();
  recorder_->say(EventKind::run_started, "",
                 resuming_ ? "Continuing from the checkpoint" : job_.output_directory);
  if (plan_.gpus.size() > 1) recorder_->say(EventKind::message, "plan", slabs_text(plan_));
  if (!plan_.note.empty())
    recorder_->say(plan_.passed_over_a_gpu ? EventKind::warning : EventKind::message, "plan",
                   plan_.note);
  timed("load", [&] {
    recorder_->say(EventKind::stage_started, "load", "");
    Reading reading{plan_.streamed, plan_.levels, nullptr, [this](double share) {
                      recorder_->say_share("load", share, "reading the images");
                    }};
    if (options_.ranks != nullptr)
      reading.sharing = shard::share_planes(options_.ranks->communicator());
    inputs_ = load_inputs(job_, reading, control_.stop_token());
    for (const std::string& warning : inputs_.warnings)
      recorder_->say(EventKind::warning, "load", warning);
    result_.fixed_mask_chosen = inputs_.fixed_mask_chosen;
    recorder_->say(EventKind::stage_finished, "load", "");
  });
  stop_here("after the images were read");
  folder_->forget_set_aside();  // only now: until here the new run may have been for nothing
  checkpoints_ = std::make_unique<CheckpointFiles>(
      folder_->checkpoint(), [this] { return identity(); }, &control_,
      std::chrono::duration<double>(options_.checkpoint_interval_s));
  if (resuming_) {
    checkpoints_->open();
    write_job();  // only now: the checkpoint may belong to another job
  }
  solve::RegistrationOutput output;
  timed("register", [&] { output = register_images(); });
  result_.levels = std::move(output.levels);
  result_.notes = std::move(output.notes);
  const std::shared_ptr<TimeSum> read_time = inputs_.read_time, transfers = output.transfer_time;
  result_.seconds["upload"] = output.upload_seconds;
  const std::function<void()> release = std::move(output.release);
  timed("write", [&] {
    recorder_->say(EventKind::stage_started, "write", "");
    Results results(job_, std::move(inputs_), std::move(output), *folder_);
    results.tell([this](double share, const std::string& what) {
      recorder_->say_share("write", share, what);
    });
    result_.measures = results.measure_and_write(control_.stop_token());
    result_.seconds["write_files"] = results.write_seconds();
    result_.files = results.files();
    warn_of_disagreement();
    recorder_->say(EventKind::stage_finished, "write", "");
  });
  if (release) release();
  result_.files.insert(result_.files.end(), {"job.json", "result.json", "log.txt", "events.jsonl"});
  result_.warnings = recorder_->warnings();
  result_.peak_memory_bytes = peak_resident_bytes();
  result_.seconds["total"] = recorder_->elapsed_s();
  result_.seconds["read_files"] = read_time->seconds();
  result_.seconds["download"] = solve::is_gpu(plan_.device) ? transfers->seconds() : 0;
  write_text(folder_->pending("result.json"),
             report_json(job_, plan_, result_, checksums_.get(), options_.command_line));
  recorder_->say(EventKind::run_finished, "", "");
  recorder_->close();
  folder_->publish();
  checkpoints_->discard();
  return std::move(result_);
}

}  // namespace

RunResult run_job(JobSpec job, const RunOptions& options) {
  validate(job);
  if (job.output_directory.empty())
    throw Error(ErrorCode::usage, "No output directory is given; name one with --out.",
                "output_directory");
  make_absolute(job);
  RunResult result;
  if (is_for_ranks(job.device) != (options.ranks != nullptr))
    throw Error(ErrorCode::usage,
                "Device \"" + job.device +
                    "\" is for gigawarp register under mpirun; see gigawarp register --help.",
                "--device");
  if (options.ranks == nullptr) {
    with_threads(job.threads, [&] { result = Run(std::move(job), options).run(); });
    return result;
  }
  shard::Communicator& communicator = options.ranks->communicator();
  try {
    with_threads(job.threads, [&] {
      if (!communicator.is_root()) {
        job.device = solve::chosen_rank_device(job.device, communicator);
        solve::rank_devices(job.device, communicator, job.memory_bytes);  // for rank 0's plan
        result = take_part(job, options);
        return;
      }
      result = Run(std::move(job), options).run();
      if (!result.was_complete) communicator.barrier();
    });
  } catch (const Error& error) {
    options.ranks->fail(error);
    throw;
  } catch (const std::bad_alloc&) {
    const Error error(ErrorCode::does_not_fit,
                      "There is not enough memory; start more ranks, on more hosts, or leave out "
                      "the finest level.");
    options.ranks->fail(error);
    throw Error(error);
  } catch (const std::exception& error) {
    communicator.fail(ErrorCode::internal, error.what());
    throw;
  }
  return result;
}

std::string job_digest(const JobSpec& job) {
  JobSpec relevant;
  relevant.stages = job.stages;
  relevant.channel_weights = job.channel_weights;
  relevant.fixed_spacing_mm = job.fixed_spacing_mm;
  relevant.moving_spacing_mm = job.moving_spacing_mm;
  relevant.fixed_selection = job.fixed_selection;
  relevant.moving_selection = job.moving_selection;
  relevant.initialisation = job.initialisation;
  relevant.initial_transform = inverted_transform(job.initial_transform) ? "inverse" : "";
  relevant.write_inverse = job.write_inverse;
  relevant.pyramid = job.pyramid;
  return sha256(gigawarp::to_json(relevant));
}

}  // namespace gigawarp::job
