#include "app/batch_runner.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "app/verbs.h"
#include "gigawarp/error.h"
#include "job/runner.h"
#include "ui/models/batch_page.h"

namespace gigawarp::app {
namespace {

namespace fs = std::filesystem;

constexpr int kLookMs = 100;
constexpr double kRunShare = 0.9;  // of a pair's time; the rest is drawing

std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

/// The result in a pair's folder is of this very job and of these images.
bool is_result_of(const fs::path& folder, const JobSpec& job) {
  try {
    const JobSpec earlier = parse_job(read_text(folder / "job.json"));
    return job::job_digest(earlier) == job::job_digest(job) && earlier.fixed == job.fixed &&
           earlier.moving == job.moving;
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

BatchRunner::BatchRunner(const job::BatchFolder& batch, BatchSettings settings,
                         BatchListener& listener)
    : batch_(batch), settings_(std::move(settings)), listener_(listener) {}

bool BatchRunner::has_sheet(const job::BatchPair& pair) const {
  const fs::path folder = batch_.folder_of(pair);
  return fs::exists(folder / "sheet.png") && fs::exists(folder / "thumbnail.png") &&
         fs::last_write_time(folder / "sheet.png") >= fs::last_write_time(folder / "result.json");
}

std::string BatchRunner::action_of(const job::BatchPair& pair) const {
  const job::PairOutcome outcome = batch_.outcome(pair);
  if (settings_.overwrite) return "run";
  switch (outcome.state) {
    case job::PairState::waiting: return "run";
    case job::PairState::unfinished: return "resume";
    case job::PairState::failed: return "run again";
    case job::PairState::done: break;
  }
  if (!is_result_of(batch_.folder_of(pair), pair.job))
    throw Error(ErrorCode::bad_input,
                "\"" + batch_.folder_of(pair).string() +
                    "\" holds the result of another job or of other images; give --overwrite, or "
                    "the pair another name.",
                pair.name);
  return settings_.sheets && !has_sheet(pair) ? "draw" : "skip";
}

int BatchRunner::run(const std::stop_token& stop) {
  next_ = finished_ = 0;
  failed_ = 0;
  std::vector<Slot> slots(static_cast<std::size_t>(std::max(1, settings_.jobs)));
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (!settings_.devices.empty())
      slots[i].device = settings_.devices[i % settings_.devices.size()];
  bool asked = false;
  for (;;) {
    if (stop.stop_requested() && !std::exchange(asked, true))
      for (const Slot& slot : slots)
        if (slot.child != nullptr) slot.child->ask_to_end();
    std::vector<pollfd> open;
    std::vector<Slot*> owners;
    for (Slot& slot : slots) {
      if (slot.child == nullptr && !asked && !start_next(slot)) continue;
      if (slot.child == nullptr) continue;
      open.push_back({slot.child->output(), POLLIN, 0});
      owners.push_back(&slot);
    }
    if (open.empty()) break;
    poll(open.data(), open.size(), kLookMs);
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (open[i].revents == 0) continue;
      std::vector<std::string> lines;
      const bool is_open = owners[i]->child->read_lines(lines);
      for (const std::string& line : lines) {
        const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
        if (json.is_object() && json.contains("fraction") && json["fraction"].is_number())
          owners[i]->fraction = json["fraction"].get<double>();
      }
      if (!is_open) end_child(*owners[i], asked);
    }
    listener_.progressed(fraction(slots));
  }
  write_summaries();
  return failed_;
}

/// False when nothing is left to be started.
bool BatchRunner::start_next(Slot& slot) {
  while (next_ < batch_.pairs().size()) {
    slot.pair = next_++;
    slot.fraction = 0;
    const job::BatchPair& pair = batch_.pairs()[slot.pair];
    std::string action;
    try {
      action = action_of(pair);
    } catch (const Error& error) {
      ++failed_;
      ++finished_;
      job::PairOutcome outcome;
      outcome.state = job::PairState::failed;
      outcome.exit_code = static_cast<int>(error.code());
      outcome.problem = error.what();
      batch_.set_failure(pair, outcome.exit_code, outcome.problem);
      listener_.pair_finished(slot.pair, outcome);
      continue;
    }
    if (action == "skip") {
      batch_.set_failure(pair, 0, {});
      ++finished_;
      continue;
    }
    listener_.pair_started(slot.pair);
    if (action == "draw")
      start_drawing(slot);
    else
      start_run(slot);
    return true;
  }
  return false;
}

void BatchRunner::start_run(Slot& slot) {
  const job::BatchPair& pair = batch_.pairs()[slot.pair];
  std::vector<std::string> arguments{"register",
                                     "--job",
                                     batch_.job_file(pair).string(),
                                     "--out",
                                     batch_.folder_of(pair).string(),
                                     settings_.overwrite ? "--overwrite" : "--resume",
                                     "--progress",
                                     "json"};
  const auto add = [&](const char* option, const std::string& value) {
    if (!value.empty()) arguments.insert(arguments.end(), {option, value});
  };
  add("--device", slot.device);
  add("--memory", settings_.memory);
  if (settings_.threads > 0) add("--threads", std::to_string(settings_.threads));
  slot.drawing = false;
  slot.child = std::make_unique<ChildProcess>(arguments, batch_.log_file(pair));
}

void BatchRunner::start_drawing(Slot& slot) {
  const job::BatchPair& pair = batch_.pairs()[slot.pair];
  const fs::path folder = batch_.folder_of(pair);
  slot.drawing = true;
  slot.fraction = kRunShare;
  slot.child = std::make_unique<ChildProcess>(
      std::vector<std::string>{
          "qc", "--result", folder.string(), "--json", (folder / "qc.json").string(), "--sheet",
          (folder / "sheet.png").string(), "--thumbnail", (folder / "thumbnail.png").string(),
          "--no-hd95", "--summary", "--progress", "none"},
      batch_.log_file(pair));
}

void BatchRunner::end_child(Slot& slot, bool stopped) {
  const job::BatchPair& pair = batch_.pairs()[slot.pair];
  const ChildProcess::Ending ending = slot.child->wait();
  slot.child.reset();
  const bool went_well = ending.exit_code == 0 && ending.signal == 0;
  if (stopped && !went_well) return;  // a checkpoint is left, or nothing
  if (!went_well) {
    fail(pair, ending);
  } else if (!slot.drawing) {
    batch_.set_failure(pair, 0, {});
    if (settings_.sheets && !stopped) return start_drawing(slot);
  }
  finish_pair(slot);
}

void BatchRunner::fail(const job::BatchPair& pair, const ChildProcess::Ending& ending) {
  ++failed_;
  std::string sentence = ending.sentence;
  if (ending.signal != 0)
    sentence = "It was ended by signal " + std::to_string(ending.signal) +
               (ending.signal == 9 ? ", as the system does when memory is short." : ".");
  if (sentence.empty()) sentence = "It failed without a word.";
  batch_.set_failure(pair, ending.exit_code, sentence);
}

void BatchRunner::finish_pair(const Slot& slot) {
  ++finished_;
  listener_.pair_finished(slot.pair, batch_.outcome(batch_.pairs()[slot.pair]));
  write_summaries();
}

double BatchRunner::fraction(const std::vector<Slot>& slots) const {
  auto done = static_cast<double>(finished_);
  for (const Slot& slot : slots)
    if (slot.child != nullptr) done += slot.drawing ? slot.fraction : kRunShare * slot.fraction;
  return done / static_cast<double>(std::max<std::size_t>(1, batch_.pairs().size()));
}

void BatchRunner::write_summaries() const {
  std::vector<job::PairOutcome> outcomes;
  for (const job::BatchPair& pair : batch_.pairs()) outcomes.push_back(batch_.outcome(pair));
  write_text_file(batch_.path() / "summary.csv", batch_.summary_csv(outcomes));
  write_text_file(batch_.path() / "summary.json", batch_.summary_json(outcomes));
  write_text_file(batch_.path() / "index.html", ui::batch_page(batch_, outcomes).toStdString());
}

}  // namespace gigawarp::app
