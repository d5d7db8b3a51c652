#include "app/run_commands.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "gigawarp/error.h"

namespace gigawarp::app {

namespace {

sigset_t ending_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

/// A batch that is killed dies thread by thread, and the kernel tells its runs of each (PDEATHSIG):
/// SIGTERMs that come together are one, or the first checkpoint after it would be lost.
void watch_signals(const std::stop_token& stop, job::RunSwitch& control) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds kTogether{1};
  const sigset_t signals = ending_signals();
  std::optional<Clock::time_point> asked;
  while (!stop.stop_requested()) {
    constexpr timespec kPatience{0, 50'000'000};
    const int signal = sigtimedwait(&signals, nullptr, &kPatience);
    if (signal < 0) continue;
    if (asked && signal == SIGTERM && Clock::now() - *asked < kTogether) continue;
    if (asked) _exit(static_cast<int>(ErrorCode::cancelled));
    asked = Clock::now();
    control.cancel();
  }
}

/// {"command": "preview", "file": F, "interval_s": S, "largest_voxels": N}; without a file it ends.
job::RunSwitch::Preview preview_of(const nlohmann::json& json) {
  job::RunSwitch::Preview preview;
  if (json.contains("file") && json["file"].is_string()) preview.file = json["file"];
  if (json.contains("interval_s") && json["interval_s"].is_number())
    preview.interval_s = json["interval_s"];
  if (json.contains("largest_voxels") && json["largest_voxels"].is_number_integer())
    preview.largest_voxels = json["largest_voxels"];
  return preview;
}

void obey(const std::string& line, job::RunSwitch& control) {
  const nlohmann::json json = nlohmann::json::parse(line, nullptr, false);
  std::string command;
  if (json.is_object() && json.contains("command") && json["command"].is_string())
    command = json["command"].get<std::string>();
  if (command == "pause")
    control.pause();
  else if (command == "resume")
    control.resume();
  else if (command == "cancel")
    control.cancel();
  else if (command == "checkpoint")
    control.request_checkpoint();
  else if (command == "preview")
    control.show_preview(preview_of(json));
  else
    std::cerr << "gigawarp: Not a command: " << line.substr(0, 80)
              << "; send {\"command\": \"pause\"}, resume, cancel, checkpoint or "
                 "preview.\n";
}

void read_commands(const std::stop_token& stop, job::RunSwitch& control) {
  std::string waiting;
  constexpr std::size_t kLongest = 65536;
  while (!stop.stop_requested()) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    constexpr int kPatienceMs = 50;
    if (poll(&input, 1, kPatienceMs) <= 0) continue;
    std::array<char, 4096> chunk{};
    const ssize_t bytes = read(STDIN_FILENO, chunk.data(), chunk.size());
    if (bytes <= 0) return;
    waiting.append(chunk.data(), static_cast<std::size_t>(bytes));
    for (std::size_t end = 0; (end = waiting.find('\n')) != std::string::npos;
         waiting.erase(0, end + 1))
      if (end > 0) obey(waiting.substr(0, end), control);
    if (waiting.size() > kLongest) waiting.clear();
  }
}

}  // namespace

SignalWatch::SignalWatch(job::RunSwitch& control) {
  const sigset_t signals = ending_signals();
  pthread_sigmask(SIG_BLOCK, &signals, &previous_);
  thread_ = std::jthread(watch_signals, std::ref(control));
}

SignalWatch::~SignalWatch() {
  thread_ = {};  // stops and joins
  pthread_sigmask(SIG_SETMASK, &previous_, nullptr);
}

void Interruption::look() const {
  if (control_.cancelled())
    throw Error(ErrorCode::cancelled, "Interrupted; nothing was written.", "signal");
}

StdinCommands::StdinCommands(job::RunSwitch& control) : thread_(read_commands, std::ref(control)) {}

}  // namespace gigawarp::app
