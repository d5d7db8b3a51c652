#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "job/folder_lock.h"

namespace gigawarp::job {

/// The output directory of one run: locked against a second run, and filled so that results appear
/// only complete. Files are written in a hidden folder inside and renamed together at the end; the
/// report (result.json) comes last, so a directory with a report is a finished run.
class OutputFolder {
 public:
  enum class State { fresh, unfinished, finished };

  /// Creates the directory and locks it. Throws Error{output_not_written} and Error{usage}: another
  /// run uses it.
  explicit OutputFolder(const std::filesystem::path& path);
  ~OutputFolder();
  OutputFolder(const OutputFolder&) = delete;
  OutputFolder& operator=(const OutputFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path checkpoint() const { return path_ / "checkpoint"; }
  State state() const;
  /// A file under a name of a run's that no run wrote, as far as the folder tells: nothing says
  /// that a run was here, or a finished run does not list it. Empty when there is none. clear() and
  /// set_aside() would take it, so they are only for folders without one.
  std::filesystem::path stranger() const;
  /// True while a run, of whatever process, writes to a folder.
  static bool is_in_use(const std::filesystem::path& path);
  /// True for a file that clear() would remove, or publish() replace.
  bool would_replace(const std::filesystem::path& file) const;
  /// Removes what an earlier run left: only files that Gigawarp writes.
  void clear();
  /// Hides what an earlier run left, so that it can come back: put_back() undoes it, as abandon()
  /// and the next OutputFolder of this path do, until forget_set_aside() removes it.
  void set_aside();
  void put_back();
  void forget_set_aside();
  bool has_set_aside() const;
  /// Where to write a result before publish().
  std::filesystem::path pending(const std::string& name);
  /// Renames every pending file into place, in the order of the calls of pending().
  void publish();
  /// Removes files of a failed run, puts back what was set aside for it, and removes the directory
  /// if this object made it and nothing else is in it.
  void abandon();

 private:
  std::filesystem::path path_;
  std::vector<std::string> pending_;
  std::optional<FolderLock> lock_;
  bool created_ = false;
};

}  // namespace gigawarp::job
