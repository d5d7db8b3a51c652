#include "job/batch_folder.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "base/replace_file.h"
#include "gigawarp/error.h"

namespace gigawarp::job {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr const char* kBatchFile = "batch.json";

/// nullopt when the file is not there or not JSON.
std::optional<Json> read_json(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return std::nullopt;
  Json json = Json::parse(stream, nullptr, false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

void write(const fs::path& path, const std::string& text) {
  if (!replace_file(path, own_part_ending(), text))
    throw Error(ErrorCode::output_not_written,
                "\"" + path.string() +
                    "\" could not be written; check that its folder is writable and has room.",
                path.string());
}

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string text_at(const Json& json, const char* key) {
  return json.is_object() && json.contains(key) && json[key].is_string()
             ? json[key].get<std::string>()
             : std::string();
}

std::optional<double> number_at(const Json& json, const char* key) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_number()) return std::nullopt;
  return json[key].get<double>();
}

const Json& part(const Json& json, const char* key) {
  static const Json none = Json::object();
  return json.is_object() && json.contains(key) ? json[key] : none;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string user_name() {
  if (const char* user = std::getenv("USER"); user != nullptr && *user != '\0') return user;
  const passwd* entry = getpwuid(getuid());
  return entry != nullptr ? entry->pw_name : std::to_string(getuid());
}

/// Of result.json and, where it was drawn, qc.json.
void take_report(const fs::path& folder, const Json& report, PairOutcome& outcome) {
  const Json& measures = part(report, "measures");
  PairFigures& f = outcome.figures;
  f.ncc = number_at(measures, "global_ncc");
  f.dice_mean = number_at(measures, "dice_mean");
  f.dice_p30 = number_at(measures, "dice_p30");
  f.landmark_mm = number_at(measures, "landmark_error_mean_mm");
  f.folds_percent = number_at(measures, "folds_percent");
  f.inverse_error_mm = number_at(measures, "inverse_error_mean_mm");
  if (const auto qc = read_json(folder / "qc.json")) f.local_ncc = number_at(*qc, "local_ncc_mean");
  const Json& provenance = part(report, "provenance");
  outcome.finished = text_at(provenance, "finished");
  outcome.seconds = number_at(part(provenance, "seconds"), "total").value_or(0);
  outcome.warnings = static_cast<int>(part(report, "warnings").size());
}

Verdict read_verdict(const fs::path& folder, const std::string& finished) {
  Verdict verdict;
  const auto json = read_json(folder / "verdict.json");
  if (!json) return verdict;
  const std::string kind = text_at(*json, "verdict");
  for (const VerdictKind candidate :
       {VerdictKind::accepted, VerdictKind::rejected, VerdictKind::fix})
    if (kind == name_of(candidate)) verdict.kind = candidate;
  verdict.who = text_at(*json, "who");
  verdict.when = text_at(*json, "when");
  verdict.note = text_at(*json, "note");
  verdict.outdated = text_at(*json, "run_finished") != finished;
  return verdict;
}

/// How bad each figure of a pair is: larger is worse. First those that say how well the images
/// agree.
constexpr std::size_t kAgreement = 5;
std::vector<std::optional<double>> badness(const PairFigures& f) {
  const auto lower_is_worse = [](const std::optional<double>& v) {
    return v ? std::optional(-*v) : v;
  };
  return {lower_is_worse(f.ncc),
          lower_is_worse(f.local_ncc),
          lower_is_worse(f.dice_mean),
          lower_is_worse(f.dice_p30),
          f.landmark_mm,
          f.folds_percent,
          f.inverse_error_mm};
}

/// Mean over the figures of the share of pairs that are better, 0…1. Agreement weighs three times
/// as much as the rest: a run that moved nothing has no folds and inverts best.
std::vector<double> mean_ranks(const std::vector<PairOutcome>& outcomes) {
  std::vector<std::vector<std::optional<double>>> all;
  all.reserve(outcomes.size());
  for (const PairOutcome& outcome : outcomes) all.push_back(badness(outcome.figures));
  std::vector<double> ranks;
  for (const auto& own : all) {
    double sums[2] = {};
    int figures[2] = {};
    for (std::size_t k = 0; k < own.size(); ++k) {
      if (!own[k]) continue;
      int better = 0, others = 0;
      for (const auto& other : all) {
        if (!other[k]) continue;
        ++others;
        better += *other[k] < *own[k] ? 1 : 0;
      }
      const std::size_t group = k < kAgreement ? 0 : 1;
      sums[group] += static_cast<double>(better) / std::max(1, others);
      ++figures[group];
    }
    const double agreement = sums[0] / std::max(1, figures[0]),
                 rest = sums[1] / std::max(1, figures[1]);
    ranks.push_back(figures[0] > 0 && figures[1] > 0 ? 0.75 * agreement + 0.25 * rest
                                                     : agreement + rest);
  }
  return ranks;
}

std::string csv(const std::optional<double>& value) {
  if (!value) return {};
  std::ostringstream text;
  text.precision(6);
  text << *value;
  return text.str();
}

}  // namespace

std::string name_of(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::accepted: return "accepted";
    case VerdictKind::rejected: return "rejected";
    case VerdictKind::fix: return "fix";
    case VerdictKind::none: break;
  }
  return {};
}

std::string name_of(PairState state) {
  switch (state) {
    case PairState::waiting: return "waiting";
    case PairState::unfinished: return "unfinished";
    case PairState::done: return "done";
    case PairState::failed: break;
  }
  return "failed";
}

bool BatchFolder::is_one(const fs::path& path) { return fs::exists(path / kBatchFile); }

BatchFolder::BatchFolder(const fs::path& path) : path_(fs::absolute(path)) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::bad_input, "\"" + path.string() + "\" " + what, path.string());
  };
  const auto json = read_json(path_ / kBatchFile);
  if (!json || !part(*json, "pairs").is_array())
    refuse("holds no batch: its batch.json is missing or damaged.");
  for (const Json& name : part(*json, "pairs")) {
    BatchPair pair;
    if (!name.is_string()) refuse("holds a damaged batch.json; start the batch again.");
    pair.name = name.get<std::string>();
    std::ifstream stream(job_file(pair), std::ios::binary);
    std::ostringstream text;
    text << stream.rdbuf();
    if (!stream) refuse("misses jobs/" + pair.name + ".json; start the batch again.");
    pair.job = parse_job(text.str());
    pairs_.push_back(std::move(pair));
  }
}

BatchFolder::BatchFolder(const fs::path& path, std::vector<BatchPair> pairs)
    : path_(fs::absolute(path)), pairs_(std::move(pairs)) {
  Json names = Json::array();
  for (BatchPair& pair : pairs_) {
    pair.job.output_directory = folder_of(pair).string();
    std::error_code failure;
    fs::create_directories(job_file(pair).parent_path(), failure);
    fs::create_directories(log_file(pair).parent_path(), failure);
    write(job_file(pair), to_json(pair.job));
    names.push_back(pair.name);
  }
  write(path_ / kBatchFile, dump({{"version", 1}, {"pairs", names}}));
}

BatchFolder BatchFolder::planned(const fs::path& path, std::vector<BatchPair> pairs) {
  BatchFolder folder;
  folder.path_ = fs::absolute(path);
  folder.pairs_ = std::move(pairs);
  for (BatchPair& pair : folder.pairs_) pair.job.output_directory = folder.folder_of(pair).string();
  return folder;
}

fs::path BatchFolder::job_file(const BatchPair& pair) const {
  return path_ / "jobs" / (pair.name + ".json");
}

fs::path BatchFolder::log_file(const BatchPair& pair) const {
  return path_ / "logs" / (pair.name + ".log");
}

fs::path BatchFolder::failure_file(const BatchPair& pair) const {
  return path_ / "logs" / (pair.name + ".failed.json");
}

PairOutcome BatchFolder::outcome(const BatchPair& pair) const {
  PairOutcome outcome;
  const fs::path folder = folder_of(pair);
  if (fs::exists(folder / "result.json")) {
    outcome.state = PairState::done;
    if (const auto report = read_json(folder / "result.json")) {
      take_report(folder, *report, outcome);
      // What went wrong since: its sheet, or the list names other images now.
      if (const auto failure = read_json(failure_file(pair)))
        outcome.problem = text_at(*failure, "problem");
    } else {
      outcome.state = PairState::failed;
      outcome.problem = "\"" + (folder / "result.json").string() +
                        "\" is damaged; remove the folder and run the batch again.";
    }
  } else if (const auto failure = read_json(failure_file(pair))) {
    outcome.state = PairState::failed;
    outcome.exit_code = static_cast<int>(number_at(*failure, "exit_code").value_or(1));
    outcome.problem = text_at(*failure, "problem");
  } else if (fs::exists(folder / "checkpoint" / "header.json")) {
    outcome.state = PairState::unfinished;
  }
  outcome.verdict = read_verdict(folder, outcome.finished);
  return outcome;
}

void BatchFolder::set_failure(const BatchPair& pair, int exit_code,
                              const std::string& sentence) const {
  if (sentence.empty()) {
    std::error_code ignored;
    fs::remove(failure_file(pair), ignored);
    return;
  }
  write(failure_file(pair),
        dump({{"exit_code", exit_code}, {"problem", sentence}, {"when", utc_now()}}));
}

void BatchFolder::set_verdict(const BatchPair& pair, VerdictKind kind,
                              const std::string& note) const {
  const fs::path file = folder_of(pair) / "verdict.json";
  std::error_code failure;
  if (kind == VerdictKind::none) {
    fs::remove(file, failure);
    return;
  }
  fs::create_directories(folder_of(pair), failure);  // of a pair that failed before it had one
  write(file, dump({{"verdict", name_of(kind)},
                    {"who", user_name()},
                    {"when", utc_now()},
                    {"note", note},
                    {"run_finished", outcome(pair).finished}}));
}

std::vector<std::size_t> BatchFolder::worst_first(const std::vector<PairOutcome>& outcomes) {
  const std::vector<double> ranks = mean_ranks(outcomes);
  const auto group = [&](std::size_t i) {
    return outcomes[i].state == PairState::failed ? 0
           : outcomes[i].state == PairState::done ? 1
                                                  : 2;
  };
  std::vector<std::size_t> order(outcomes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return group(a) != group(b) ? group(a) < group(b) : ranks[a] > ranks[b];
  });
  return order;
}

std::string BatchFolder::summary_csv(const std::vector<PairOutcome>& outcomes) const {
  std::string text =
      "name,state,ncc,local_ncc,dice_mean,dice_p30,landmark_error_mean_mm,folds_percent,"
      "inverse_error_mean_mm,seconds,warnings,verdict,who,when,note,problem,fixed,moving\n";
  for (const std::size_t i : worst_first(outcomes)) {
    const PairOutcome& o = outcomes[i];
    const PairFigures& f = o.figures;
    const JobSpec& job = pairs_[i].job;
    const std::string verdict = name_of(o.verdict.kind) + (o.verdict.outdated ? " (outdated)" : "");
    const std::string seconds = o.state == PairState::done ? csv(std::optional(o.seconds)) : "";
    const std::string fields[] = {pairs_[i].name,
                                  name_of(o.state),
                                  csv(f.ncc),
                                  csv(f.local_ncc),
                                  csv(f.dice_mean),
                                  csv(f.dice_p30),
                                  csv(f.landmark_mm),
                                  csv(f.folds_percent),
                                  csv(f.inverse_error_mm),
                                  seconds,
                                  std::to_string(o.warnings),
                                  o.verdict.kind == VerdictKind::none ? "" : verdict,
                                  o.verdict.who,
                                  o.verdict.when,
                                  o.verdict.note,
                                  o.problem,
                                  job.fixed.empty() ? "" : job.fixed.front(),
                                  job.moving.empty() ? "" : job.moving.front()};
    std::string row;
    for (const std::string& field : fields) row += csv_field(field) + ",";
    row.back() = '\n';
    text += row;
  }
  return text;
}

std::string BatchFolder::summary_json(const std::vector<PairOutcome>& outcomes) const {
  Json pairs = Json::array();
  std::map<std::string, int> counts;
  for (const std::size_t i : worst_first(outcomes)) {
    const PairOutcome& o = outcomes[i];
    ++counts[name_of(o.state)];
    Json json{{"name", pairs_[i].name}, {"state", name_of(o.state)}};
    const auto add = [&json](const char* key, const std::optional<double>& value) {
      if (value) json[key] = *value;
    };
    add("ncc", o.figures.ncc);
    add("local_ncc", o.figures.local_ncc);
    add("dice_mean", o.figures.dice_mean);
    add("dice_p30", o.figures.dice_p30);
    add("landmark_error_mean_mm", o.figures.landmark_mm);
    add("folds_percent", o.figures.folds_percent);
    add("inverse_error_mean_mm", o.figures.inverse_error_mm);
    if (o.state == PairState::done) json["seconds"] = o.seconds;
    if (o.state == PairState::done) json["finished"] = o.finished;
    if (o.state == PairState::failed) json["exit_code"] = o.exit_code;
    if (!o.problem.empty()) json["problem"] = o.problem;
    if (o.verdict.kind != VerdictKind::none)
      json["verdict"] = {{"verdict", name_of(o.verdict.kind)},
                         {"who", o.verdict.who},
                         {"when", o.verdict.when},
                         {"note", o.verdict.note},
                         {"outdated", o.verdict.outdated}};
    pairs.push_back(std::move(json));
  }
  return dump({{"version", 1}, {"counts", counts}, {"pairs", pairs}});
}

std::string BatchFolder::rejects_csv(const std::vector<PairOutcome>& outcomes) const {
  std::vector<BatchPair> rejects;
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    if (outcomes[i].verdict.kind == VerdictKind::rejected ||
        outcomes[i].verdict.kind == VerdictKind::fix)
      rejects.push_back(pairs_[i]);
  if (rejects.empty()) return {};
  return batch_list_text(rejects, [this](const BatchPair& pair) { return job_file(pair); });
}

}  // namespace gigawarp::job
