#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "job/run_switch.h"
#include "solve/registration.h"

namespace gigawarp::job {

/// What a run depends on; a checkpoint continues only a run with the same.
struct RunIdentity {
  std::string job_digest;                     ///< of the settings that change the result
  std::map<std::string, std::string> inputs;  ///< role ("fixed[0]") to SHA-256 of the file
  friend bool operator==(const RunIdentity&, const RunIdentity&) = default;
};

/// The checkpoint of a run as files: <folder>/header.json names the raw array files of its
/// generation with their checksums. A save writes the arrays of the next generation, then replaces
/// the header by rename, then removes the old arrays; so a process killed at any time leaves the
/// old or the new checkpoint whole, or none. Doubles are stored as hexadecimal floats and survive
/// exactly.
class CheckpointFiles final : public solve::CheckpointStore {
 public:
  /// `identity` is asked for at the first save or match (it may wait for checksums of the inputs).
  CheckpointFiles(std::filesystem::path folder, std::function<RunIdentity()> identity,
                  RunSwitch* control, std::chrono::duration<double> interval);

  static bool exists(const std::filesystem::path& folder);
  /// Reads the header so that position() and load() answer. Throws Error{bad_input} when it is
  /// damaged and Error{usage} when it belongs to another job or other inputs.
  void open();
  /// Removes the checkpoint from disk.
  void discard();
  int saves() const { return saves_; }

  bool due() override;
  void save(const solve::Position& position, std::span<const solve::ArrayRef> arrays) override;
  /// What open() read; a save does not change it.
  std::optional<solve::Position> position() override { return position_; }
  void load(const std::string& name, std::size_t bytes, const solve::ArraySink& sink) override;

 private:
  struct StoredArray {
    std::string file, sha256;
    std::uint64_t bytes = 0;
  };
  std::filesystem::path header_path() const { return folder_ / "header.json"; }
  StoredArray write_array(const solve::ArrayRef& array) const;
  void write_header(const solve::Position& position) const;
  void remove_unnamed_files() const;

  std::filesystem::path folder_;
  std::function<RunIdentity()> identity_;
  RunSwitch* control_;
  std::chrono::duration<double> interval_;
  std::chrono::steady_clock::time_point last_save_ = std::chrono::steady_clock::now();
  std::uint64_t generation_ = 0;
  int saves_ = 0;
  std::map<std::string, StoredArray> arrays_;
  std::optional<solve::Position> position_;
};

}  // namespace gigawarp::job
