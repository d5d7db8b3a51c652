#include "job/output_folder.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/replace_file.h"
#include "gigawarp/error.h"
#include "io/http.h"
#include "job/checkpoint_files.h"
#include "job/preview_file.h"
#include "shard/communicator.h"

namespace gigawarp::job {

namespace {

constexpr const char* kPending = ".writing";
/// An earlier run's files while the inputs of the run that replaces it are read, and then until
/// they are deleted: one rename decides, whenever a run is killed.
constexpr const char* kAside = ".replaced";
constexpr const char* kForgotten = ".forgotten";
/// Of programs that look on, where a run was killed.
constexpr std::array kOnlookers{kOnlooker, kOnlookersPreview};

/// Everything a run may leave behind, in the order of removal: job.json, by which a run's folder
/// is known, goes last, as it comes first.
constexpr std::array kNames{"result.json",
                            "0GenericAffine.mat",
                            "1Warp.nii.gz",
                            "1Warp.nii",
                            "1InverseWarp.nii.gz",
                            "1InverseWarp.nii",
                            "warped.nii.gz",
                            "warped.nii",
                            "warped_labels.nii.gz",
                            "warped_labels.nii",
                            "warped.ome.zarr",
                            "warped_labels.ome.zarr",
                            "fixed_labels_on_moving.nii.gz",
                            "fixed_labels_on_moving.nii",
                            "fixed_labels_on_moving.ome.zarr",
                            "events.jsonl",
                            "log.txt",
                            "job.json"};

/// Null when there is no such file, or no JSON object in it.
nlohmann::json json_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  nlohmann::json json = nlohmann::json::parse(stream, nullptr, false);
  return json.is_object() ? json : nlohmann::json();
}

/// True where a run says so itself: by its job, its checkpoint or its report.
bool is_of_a_run(const std::filesystem::path& folder) {
  const nlohmann::json job = json_of(folder / "job.json");
  if (job.contains("version") && job.contains("fixed") && job.contains("stages")) return true;
  const nlohmann::json checkpoint = json_of(folder / "checkpoint" / "header.json");
  if (checkpoint.contains("sha256") && checkpoint.contains("body")) return true;
  const nlohmann::json report = json_of(folder / "result.json");
  return report.contains("provenance") && report.contains("measures");
}

[[noreturn]] void refuse(const std::filesystem::path& path, const std::string& why) {
  throw Error(ErrorCode::output_not_written, "\"" + path.string() + "\" " + why, path.string());
}

}  // namespace

OutputFolder::OutputFolder(const std::filesystem::path& path) : path_(path) {
  if (io::is_address(path)) refuse(path, "is an address, and nothing is written over the network.");
  std::error_code failure;
  created_ = std::filesystem::create_directories(path_, failure);
  if (failure || !std::filesystem::is_directory(path_, failure))
    refuse(path_, "cannot be made a folder; choose another --out.");
  if (access(path_.c_str(), W_OK | X_OK) != 0)
    refuse(path_, "is not writable; choose another --out.");
  lock_.emplace(path_);
  if (!lock_->could_open()) refuse(path_, "cannot be opened; check its permissions.");
  if (lock_->is_taken()) {
    throw Error(ErrorCode::usage,
                "Another run is writing to \"" + path_.string() +
                    "\"; wait for it to end or choose another --out" +
                    (shard::launched_processes() > 1
                         ? ", or take --device mpi: then the processes that were started together "
                           "share one run."
                         : "."),
                path_.string());
  }
  std::filesystem::remove_all(path_ / kPending, failure);  // of a killed run
  std::filesystem::remove_all(path_ / kForgotten, failure);
  put_back();
  for (const char* name : kOnlookers) std::filesystem::remove(path_ / name, failure);
}

OutputFolder::~OutputFolder() = default;

/// By the kernel's list: trying the lock would take it for a moment, from a run that begins.
bool OutputFolder::is_in_use(const std::filesystem::path& path) {
  struct stat info {};
  if (stat(path.c_str(), &info) != 0) return false;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    // "1: FLOCK  ADVISORY  WRITE 4711 08:01:1234567 0 EOF": device in hexadecimal, then the inode
    std::istringstream words(line);
    std::string number, kind, advisory, mode, process, place;
    words >> number >> kind >> advisory >> mode >> process >> place;
    unsigned major_number = 0, minor_number = 0;
    unsigned long long inode = 0;
    if (kind != "FLOCK" ||
        std::sscanf(place.c_str(), "%x:%x:%llu", &major_number, &minor_number, &inode) != 3)
      continue;
    if (inode == info.st_ino && major_number == major(info.st_dev) &&
        minor_number == minor(info.st_dev))
      return true;
  }
  return false;
}

OutputFolder::State OutputFolder::state() const {
  std::error_code failure;
  if (std::filesystem::exists(path_ / "result.json", failure) && is_of_a_run(path_))
    return State::finished;
  if (CheckpointFiles::exists(checkpoint())) return State::unfinished;
  for (const char* name : kNames)
    if (std::filesystem::exists(path_ / name, failure)) return State::unfinished;
  return State::fresh;
}

std::filesystem::path OutputFolder::stranger() const {
  std::error_code failure;
  const bool of_a_run = is_of_a_run(path_);
  if (!of_a_run && std::filesystem::exists(checkpoint(), failure)) return checkpoint();
  const nlohmann::json report = json_of(path_ / "result.json");
  const nlohmann::json files = report.contains("files") ? report["files"] : nlohmann::json();
  const auto is_listed = [&](const char* name) {
    return !files.is_array() || std::find(files.begin(), files.end(), name) != files.end();
  };
  for (const char* name : kNames)
    if (std::filesystem::exists(path_ / name, failure) && !(of_a_run && is_listed(name)))
      return path_ / name;
  return {};
}

bool OutputFolder::would_replace(const std::filesystem::path& file) const {
  return lies_at(file, checkpoint()) ||
         std::any_of(kNames.begin(), kNames.end(),
                     [&](const char* name) { return lies_at(file, path_ / name); });
}

void OutputFolder::clear() {
  std::error_code failure;
  for (const char* name : kOnlookers) std::filesystem::remove(path_ / name, failure);
  std::filesystem::remove_all(checkpoint(), failure);
  std::filesystem::remove_all(path_ / kPending, failure);
  for (const char* name : kNames) std::filesystem::remove_all(path_ / name, failure);
}

void OutputFolder::set_aside() {
  const std::filesystem::path aside = path_ / kAside;
  std::error_code failure;
  std::filesystem::create_directory(aside, failure);
  if (failure) refuse(path_, "is not writable; choose another --out.");
  const auto hide = [&](const std::filesystem::path& file) {
    std::error_code missing;
    if (!std::filesystem::exists(std::filesystem::symlink_status(file, missing))) return;
    std::filesystem::rename(file, aside / file.filename(), failure);
    if (!failure) return;
    put_back();
    refuse(file, "could not be replaced; check its permissions or choose another --out.");
  };
  hide(checkpoint());
  for (const char* name : kNames) hide(path_ / name);
}

bool OutputFolder::has_set_aside() const {
  std::error_code failure;
  return std::filesystem::is_directory(path_ / kAside, failure);
}

void OutputFolder::put_back() {
  if (!has_set_aside()) return;
  std::error_code failure;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(path_ / kAside, failure))
    files.push_back(entry.path());
  // A killed run may have left its own job and log in their places; results it had none yet.
  for (const std::filesystem::path& file : files)
    std::filesystem::rename(file, path_ / file.filename(), failure);
  std::filesystem::remove(path_ / kAside, failure);  // stays when something could not go back
}

void OutputFolder::forget_set_aside() {
  if (!has_set_aside()) return;
  std::error_code failure;
  std::filesystem::rename(path_ / kAside, path_ / kForgotten, failure);
  std::filesystem::remove_all(path_ / kForgotten, failure);
}

std::filesystem::path OutputFolder::pending(const std::string& name) {
  std::error_code failure;
  std::filesystem::create_directory(path_ / kPending, failure);
  if (failure) refuse(path_, "is not writable; choose another --out.");
  pending_.push_back(name);
  return path_ / kPending / name;
}

void OutputFolder::publish() {
  std::error_code failure;
  for (const std::string& name : pending_) {
    std::filesystem::rename(path_ / kPending / name, path_ / name, failure);
    if (failure) refuse(path_ / name, "could not be written; check the folder and its disk.");
  }
  pending_.clear();
  std::filesystem::remove_all(path_ / kPending, failure);
}

void OutputFolder::abandon() {
  clear();
  put_back();
  std::error_code failure;
  if (created_)
    std::filesystem::remove(path_, failure);  // fails, rightly, when something else is in it
}

}  // namespace gigawarp::job
