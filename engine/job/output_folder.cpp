#include "job/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
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
/// Of programs that look on, where a run was killed.
constexpr std::array kOnlookers{kOnlooker, kOnlookersPreview};

/// Everything a run may leave behind.
constexpr std::array kNames{"result.json",       "0GenericAffine.mat",  "1Warp.nii.gz",
                            "1Warp.nii",         "1InverseWarp.nii.gz", "1InverseWarp.nii",
                            "warped.nii.gz",     "warped.nii",          "warped_labels.nii.gz",
                            "warped_labels.nii", "warped.ome.zarr",     "warped_labels.ome.zarr",
                            "job.json",          "events.jsonl",        "log.txt"};

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
  lock_ = open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (lock_ < 0) refuse(path_, "cannot be opened; check its permissions.");
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    close(lock_);
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
  for (const char* name : kOnlookers) std::filesystem::remove(path_ / name, failure);
}

OutputFolder::~OutputFolder() {
  if (lock_ >= 0) close(lock_);
}

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
  if (std::filesystem::exists(path_ / "result.json", failure)) return State::finished;
  if (CheckpointFiles::exists(checkpoint())) return State::unfinished;
  for (const char* name : kNames)
    if (std::filesystem::exists(path_ / name, failure)) return State::unfinished;
  return State::fresh;
}

bool OutputFolder::would_replace(const std::filesystem::path& file) const {
  return lies_at(file, checkpoint()) ||
         std::any_of(kNames.begin(), kNames.end(),
                     [&](const char* name) { return lies_at(file, path_ / name); });
}

void OutputFolder::clear() {
  std::error_code failure;
  for (const char* name : kNames) std::filesystem::remove_all(path_ / name, failure);
  for (const char* name : kOnlookers) std::filesystem::remove(path_ / name, failure);
  std::filesystem::remove_all(checkpoint(), failure);
  std::filesystem::remove_all(path_ / kPending, failure);
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
  std::error_code failure;
  if (created_)
    std::filesystem::remove(path_, failure);  // fails, rightly, when something else is in it
}

}  // namespace gigawarp::job
