#include "app/child_process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>

#include "gigawarp/error.h"

namespace gigawarp::app {
namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr const char* kName = "gigawarp: ";

[[noreturn]] void refuse(const std::filesystem::path& log) {
  throw Error(ErrorCode::output_not_written,
              "A run could not be started with its log in \"" + log.string() +
                  "\"; check that the folder is writable and the system not short of processes.",
              log.string());
}

/// Between fork and exec: calls that are allowed there only.
[[noreturn]] void become(char* const* arguments, int out, int log, int parent) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() != parent) _exit(1);  // it died in between
  signal(SIGPIPE, SIG_IGN);           // without its reader a run must still reach its checkpoint
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int in = open("/dev/null", O_RDONLY);
  dup2(in, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(kSelf, arguments);
  _exit(1);
}

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::filesystem::path& log)
    : log_(log) {
  std::vector<std::string> words{"gigawarp"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  std::array<int, 2> ends{-1, -1};
  const int log_end = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_end < 0) refuse(log);
  std::error_code failure;
  log_began_ = std::filesystem::file_size(log, failure);
  if (pipe2(ends.data(), O_CLOEXEC) == 0) {
    const int parent = getpid();
    pid_ = fork();
    if (pid_ == 0) become(pointers.data(), ends[1], log_end, parent);
    close(ends[1]);
    output_ = ends[0];
  }
  close(log_end);
  if (pid_ < 0) refuse(log);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) close(output_);
}

bool ChildProcess::read_lines(std::vector<std::string>& lines) {
  std::array<char, 4096> chunk{};
  const ssize_t bytes = read(output_, chunk.data(), chunk.size());
  if (bytes < 0 && errno == EINTR) return true;
  if (bytes <= 0) return false;
  waiting_.append(chunk.data(), static_cast<std::size_t>(bytes));
  for (std::size_t end = 0; (end = waiting_.find('\n')) != std::string::npos;
       waiting_.erase(0, end + 1))
    lines.push_back(waiting_.substr(0, end));
  return true;
}

void ChildProcess::ask_to_end() const {
  if (pid_ > 0) kill(pid_, SIGTERM);
}

ChildProcess::Ending ChildProcess::wait() {
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
  Ending ending;
  ending.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
  ending.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  std::ifstream log(log_, std::ios::binary);
  log.seekg(static_cast<std::streamoff>(log_began_));
  const std::string name = kName, warning = name + "warning: ";
  for (std::string line; std::getline(log, line);)
    if (line.starts_with(name) && !line.starts_with(warning))
      ending.sentence = line.substr(name.size());
  return ending;
}

}  // namespace gigawarp::app
