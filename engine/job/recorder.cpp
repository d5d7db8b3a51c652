#include "job/recorder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "job/names.h"

namespace gigawarp::job {

namespace {

/// Events of iterations wait this long at most before they are in the file.
constexpr double kFlushSeconds = 0.5;

constexpr std::array<std::pair<EventKind, const char*>, 14> kEventNames{
    {{EventKind::run_started, "run_started"},
     {EventKind::stage_started, "stage_started"},
     {EventKind::level_started, "level_started"},
     {EventKind::iteration, "iteration"},
     {EventKind::level_finished, "level_finished"},
     {EventKind::stage_finished, "stage_finished"},
     {EventKind::checkpoint_written, "checkpoint_written"},
     {EventKind::preview_written, "preview_written"},
     {EventKind::warning, "warning"},
     {EventKind::message, "message"},
     {EventKind::paused, "paused"},
     {EventKind::resumed, "resumed"},
     {EventKind::run_finished, "run_finished"},
     {EventKind::run_failed, "run_failed"}}};

std::string event_name(EventKind kind) {
  for (const auto& [candidate, name] : kEventNames)
    if (candidate == kind) return name;
  return "message";
}

std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &utc);
  return text.data();
}

}  // namespace

std::string event_json(const ProgressEvent& event) {
  nlohmann::ordered_json json{{"event", event_name(event.kind)}};
  if (!event.stage.empty()) json["stage"] = event.stage;
  if (!event.text.empty()) json["text"] = event.text;
  if (event.levels > 0) {
    json["level"] = event.level;
    json["levels"] = event.levels;
    json["shrink"] = event.shrink;
  }
  if (event.iterations > 0) {
    json["iteration"] = event.iteration;
    json["iterations"] = event.iterations;
  }
  const bool has_loss =
      event.kind == EventKind::iteration || event.kind == EventKind::level_finished;
  if (has_loss) {
    json["loss"] = event.loss;
    json["step_voxels"] = event.step_voxels;
    json["ns_per_voxel"] = event.ns_per_voxel;
  }
  if (event.kind == EventKind::level_finished) json["folds_percent"] = event.folds_percent;
  json["elapsed_s"] = event.elapsed_s;
  if (event.eta_s >= 0) json["eta_s"] = event.eta_s;
  json["fraction"] = event.fraction;
  json["memory_bytes"] = event.memory_bytes;
  if (!event.device_peak_bytes.empty()) json["device_peak_bytes"] = event.device_peak_bytes;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

WorkModel::WorkModel(const JobSpec& job, std::int64_t fixed_voxels, double predicted_seconds,
                     const FileSeconds& files)
    : predicted_seconds_(predicted_seconds), files_(files) {
  // A linear iteration reads both images once; a deformable one passes over images and field about
  // four times. Each level costs something besides its iterations.
  constexpr double kLinear = 0.25, kLevelIterations = 3;
  for (const StageSpec& stage : job.stages) {
    names_.push_back(name_of(stage.kind));
    levels_.emplace_back();
    shrinks_.emplace_back();
    for (const LevelSpec& level : stage.levels) {
      const double voxels = static_cast<double>(fixed_voxels) / std::pow(level.shrink, 3);
      levels_.back().push_back((level.iterations + kLevelIterations) * voxels *
                               (is_deformable(stage.kind) ? 1 : kLinear));
      shrinks_.back().push_back(level.shrink);
      total_ += levels_.back().back();
    }
  }
  total_ *= 1.08;  // inverse and writing
}

double WorkModel::done() const {
  double sum = 0;
  for (std::size_t s = 0; s < levels_.size(); ++s)
    for (std::size_t l = 0; l < levels_[s].size(); ++l) {
      const auto stage = static_cast<std::size_t>(std::max(stage_, 0));
      if (stage_ < 0 || s > stage) return sum;
      if (s < stage || l < static_cast<std::size_t>(level_))
        sum += levels_[s][l];
      else if (l == static_cast<std::size_t>(level_))
        sum += levels_[s][l] * within_level_;
    }
  return sum;
}

int WorkModel::level_index(const ProgressEvent& event) const {
  const std::vector<int>& shrinks = shrinks_[static_cast<std::size_t>(stage_)];
  const auto found = std::find(shrinks.begin(), shrinks.end(), event.shrink);
  return found == shrinks.end() ? event.level : static_cast<int>(found - shrinks.begin());
}

void WorkModel::update(const ProgressEvent& event, double elapsed_s) {
  if (event.kind == EventKind::run_finished) finished_ = true;
  if (event.kind == EventKind::stage_finished && event.stage == "load") loaded_ = 1;
  if (event.kind == EventKind::stage_started)
    for (auto s = static_cast<std::size_t>(std::int64_t{stage_} + 1); s < names_.size(); ++s)
      if (names_[s] == event.stage) {
        stage_ = static_cast<int>(s);
        level_ = 0;
        within_level_ = 0;
        break;
      }
  if (stage_ < 0 || event.stage != names_[static_cast<std::size_t>(stage_)]) return;
  if (event.kind == EventKind::level_started || event.kind == EventKind::iteration) {
    level_ = level_index(event);
    within_level_ = event.iterations > 0
                        ? std::max(0, event.iteration) / static_cast<double>(event.iterations)
                        : 0;
  }
  if (event.kind == EventKind::level_finished) {
    level_ = level_index(event);
    within_level_ = 1;
  }
  if (event.kind == EventKind::stage_finished) level_ = 1 << 20;
  if (solve_began_s_ < 0 && event.kind != EventKind::stage_started) {
    solve_began_s_ = elapsed_s;
    done_at_begin_ = done();
  }
}

double WorkModel::fraction() const {
  if (finished_) return 1;
  if (!(total_ > 0)) return 0;
  const double solved = done() / total_;
  if (!(predicted_seconds_ > 0)) return std::min(solved, 0.999);
  const double all = predicted_seconds_ + files_.load + files_.write;
  return std::clamp(1 - (predicted_seconds_ * (1 - solved) + file_seconds_left()) / all, 0.0,
                    0.999);
}

double WorkModel::file_seconds_left() const {
  return files_.load * (1 - loaded_) + files_.write * (1 - written_);
}

double WorkModel::eta_s(double elapsed_s) const {
  if (finished_) return 0;
  if (total_ <= 0) return -1;
  const double remaining = total_ - done();
  const double here = done() - done_at_begin_;
  const double trust = std::min(1.0, here / (0.2 * total_));  // in the speed measured in this run
  double seconds_per_unit = predicted_seconds_ / total_;
  if (here > 0 && solve_began_s_ >= 0) {
    const double measured = (elapsed_s - solve_began_s_) / here;
    seconds_per_unit =
        predicted_seconds_ > 0 ? trust * measured + (1 - trust) * seconds_per_unit : measured;
  }
  return seconds_per_unit > 0 ? remaining * seconds_per_unit + file_seconds_left() : -1;
}

Recorder::Recorder(const std::filesystem::path& folder, bool append, WorkModel model,
                   ProgressSink* next)
    : folder_(folder),
      events_(folder / "events.jsonl", append ? std::ios::app : std::ios::trunc),
      log_(folder / "log.txt", append ? std::ios::app : std::ios::trunc),
      model_(std::move(model)),
      next_(next) {
  if (!events_ || !log_)
    throw Error(ErrorCode::output_not_written,
                "\"" + folder.string() + "\" is not writable; choose another --out.",
                folder.string());
}

double Recorder::elapsed_s() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
}

void Recorder::say(EventKind kind, const std::string& stage, const std::string& text) {
  ProgressEvent event;
  event.kind = kind;
  event.stage = stage;
  event.text = text;
  on_event(event);
}

void Recorder::say_share(const std::string& stage, double share, const std::string& what) {
  constexpr double kEverySeconds = 1;
  stage == "load" ? model_.set_loaded(share) : model_.set_written(share);
  if (elapsed_s() - shared_s_ < kEverySeconds) return;
  shared_s_ = elapsed_s();
  ProgressEvent event;
  event.kind = EventKind::message;
  event.stage = stage;
  event.text = what + ": " + std::to_string(static_cast<int>(100 * share)) + " %";
  record(event, false);
}

/// Writes out what is kept back, for whoever watches the run by its file.
void Recorder::flush() {
  events_.flush();
  flushed_s_ = elapsed_s();
}

void Recorder::on_event(const ProgressEvent& event) {
  record(event, event.kind != EventKind::iteration && event.kind != EventKind::preview_written);
}

void Recorder::record(const ProgressEvent& event, bool in_log) {
  ProgressEvent complete = event;
  complete.elapsed_s = elapsed_s();
  model_.update(complete, complete.elapsed_s);
  complete.fraction = model_.fraction();
  complete.eta_s = model_.eta_s(complete.elapsed_s);
  complete.memory_bytes = resident_bytes();
  if (complete.kind == EventKind::warning) warnings_.push_back(complete.text);
  if (complete.kind != EventKind::preview_written) events_ << event_json(complete) << '\n';
  if (in_log) {
    log(complete);
    flush();
  } else if (complete.elapsed_s - flushed_s_ > kFlushSeconds) {
    flush();
  }
  if (next_ != nullptr) next_->on_event(complete);
}

void Recorder::log(const ProgressEvent& event) {
  log_ << time_of_day() << ' ' << event_name(event.kind);
  if (!event.stage.empty()) log_ << ' ' << event.stage;
  if (event.levels > 0)
    log_ << " level " << event.level + 1 << '/' << event.levels << " (shrink " << event.shrink
         << ')';
  if (event.kind == EventKind::level_finished) {
    std::array<char, 160> text{};
    std::snprintf(text.data(), text.size(),
                  " after %d iterations: loss %.6g, folds %.4f %%, %.2f ns per voxel",
                  event.iteration, event.loss, event.folds_percent, event.ns_per_voxel);
    log_ << text.data();
    for (const std::uint64_t bytes : event.device_peak_bytes)
      log_ << ", " << (bytes >> 20) << " MiB on the GPU";
  }
  if (!event.text.empty()) log_ << ": " << event.text;
  log_ << '\n';
  log_.flush();
}

void Recorder::close() {
  events_.close();
  log_.close();
  if (!events_ || !log_)
    throw Error(ErrorCode::output_not_written,
                "The log in \"" + folder_.string() + "\" could not be written; is the disk full?",
                folder_.string());
}

}  // namespace gigawarp::job
