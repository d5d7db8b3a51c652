#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace gigawarp::app {

/// This very program as a child in a process group of its own, so that a Ctrl-C of the terminal
/// reaches it through its parent alone. Its stdout is read line by line, its stderr is appended to
/// a file. It is asked to end when the parent dies.
class ChildProcess {
 public:
  /// Throws Error{output_not_written} when the file or the process cannot be made.
  ChildProcess(const std::vector<std::string>& arguments, const std::filesystem::path& log);
  ~ChildProcess();  ///< ends it at once if it still runs
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  int output() const { return output_; }  ///< to be polled
  /// Lines that have come since, without their ends. Call when output() is readable; false once the
  /// child has closed it.
  bool read_lines(std::vector<std::string>& lines);
  /// SIGTERM: a run leaves a checkpoint and ends.
  void ask_to_end() const;

  struct Ending {
    int exit_code = 0;
    int signal = 0;        ///< 0: it ended by itself
    std::string sentence;  ///< its last "gigawarp: …" on stderr, without the name
  };
  /// Waits for it.
  Ending wait();

 private:
  int pid_ = -1;
  int output_ = -1;
  std::string waiting_;
  std::filesystem::path log_;
  std::uintmax_t log_began_ = 0;
};

}  // namespace gigawarp::app
