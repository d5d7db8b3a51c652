#include "app/progress_display.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "app/verbs.h"
#include "gigawarp/error.h"
#include "job/recorder.h"

namespace gigawarp::app {

namespace {

class WarningsOnly : public ProgressSink {
 public:
  void on_event(const ProgressEvent& event) override {
    if (event.kind == EventKind::warning) std::cerr << "gigawarp: warning: " << event.text << "\n";
  }
};

class JsonLines final : public ProgressSink {
 public:
  void on_event(const ProgressEvent& event) override {
    std::cout << job::event_json(event) << "\n" << std::flush;
  }
};

std::string level_text(const ProgressEvent& event) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), "%s %d/%d (1/%d), iteration %d/%d, loss %.5f",
                event.stage.c_str(), event.level + 1, event.levels, event.shrink, event.iteration,
                event.iterations, event.loss);
  return text.data();
}

class PlainLines final : public WarningsOnly {
 public:
  void on_event(const ProgressEvent& event) override {
    WarningsOnly::on_event(event);
    if (event.kind == EventKind::level_finished)
      std::cerr << percent(event) << level_text(event) << ", " << duration_text(event.elapsed_s)
                << " elapsed" << remaining(event) << "\n";
    else if (event.kind == EventKind::message && !event.text.empty())
      std::cerr << percent(event) << event.text << "\n";
    else if (event.kind == EventKind::stage_started &&
             (event.stage == "load" || event.stage == "write"))
      std::cerr << percent(event)
                << (event.stage == "load" ? "reading the images" : "measuring and writing") << "\n";
  }

 private:
  static std::string percent(const ProgressEvent& event) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "%3.0f %%  ", 100 * event.fraction);
    return text.data();
  }
  static std::string remaining(const ProgressEvent& event) {
    return event.eta_s < 0 ? "" : ", about " + duration_text(event.eta_s) + " to go";
  }
};

class Bar final : public ProgressSink {
 public:
  Bar() = default;
  Bar(const Bar&) = delete;
  Bar& operator=(const Bar&) = delete;
  ~Bar() override { erase(); }

  void on_event(const ProgressEvent& event) override {
    if (event.kind == EventKind::warning) {
      erase();
      std::cerr << "gigawarp: warning: " << event.text << "\n";
    }
    if (event.kind == EventKind::run_finished || event.kind == EventKind::run_failed)
      return erase();
    const auto now = std::chrono::steady_clock::now();
    const bool may_wait = event.kind == EventKind::iteration;
    if (may_wait && now - drawn_ < std::chrono::milliseconds(100)) return;
    drawn_ = now;
    draw(event);
  }

 private:
  void draw(const ProgressEvent& event) {
    winsize window{};
    const int columns =
        ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 ? window.ws_col : 80;
    std::string what = event.kind == EventKind::paused ? "paused" : event.stage;
    if (event.kind == EventKind::iteration) what = level_text(event);
    if (event.kind == EventKind::message && !event.text.empty()) what = event.text;
    if (what.empty()) return;
    std::array<char, 32> percent{};
    std::snprintf(percent.data(), percent.size(), " %3.0f %% ", 100 * event.fraction);
    std::string tail = percent.data();
    if (event.eta_s >= 0) tail += duration_text(event.eta_s) + " to go ";
    constexpr int kBar = 24;
    const int filled = static_cast<int>(std::lround(kBar * event.fraction));
    std::string text = "[" + std::string(static_cast<std::size_t>(filled), '#') +
                       std::string(static_cast<std::size_t>(kBar - filled), '.') + "]" + tail +
                       what;
    text.resize(std::min(text.size(), static_cast<std::size_t>(std::max(columns - 1, 1))));
    std::cerr << "\r\x1b[K" << text << std::flush;
    shown_ = true;
  }
  void erase() {
    if (shown_) std::cerr << "\r\x1b[K" << std::flush;
    shown_ = false;
  }

  std::chrono::steady_clock::time_point drawn_{};
  bool shown_ = false;
};

}  // namespace

StepProgress::StepProgress(const std::string& kind)
    : display_(
          make_progress_display(kind == "auto" && !is_terminal(STDERR_FILENO) ? "none" : kind)) {}

void StepProgress::part(double from, double to, const std::string& what) {
  from_ = from;
  to_ = to;
  ProgressEvent event;
  event.stage = event.text = what;
  on_event(event);
}

void StepProgress::on_event(const ProgressEvent& event) {
  ProgressEvent complete = event;
  complete.fraction = from_ + (to_ - from_) * event.fraction;
  complete.elapsed_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
  constexpr double kEnoughToTell = 0.05;
  if (complete.fraction > kEnoughToTell)
    complete.eta_s = complete.elapsed_s * (1 - complete.fraction) / complete.fraction;
  display_->on_event(complete);
}

void StepProgress::finish() {
  from_ = to_ = 1;
  ProgressEvent event;
  event.kind = EventKind::run_finished;
  on_event(event);
}

void add_progress_option(CLI::App* verb, std::string& kind, const std::string& json) {
  verb->add_option("--progress", kind, "bar, lines, json (" + json + "), none or auto (default)")
      ->type_name("bar|lines|json|none|auto");
}

std::string duration_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
  std::array<char, 32> text{};
  if (whole >= 3600)
    std::snprintf(text.data(), text.size(), "%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60,
                  whole % 60);
  else
    std::snprintf(text.data(), text.size(), "%lld:%02lld", whole / 60, whole % 60);
  return text.data();
}

std::unique_ptr<ProgressSink> make_progress_display(const std::string& kind) {
  if (kind == "json") return std::make_unique<JsonLines>();
  if (kind == "none") return std::make_unique<WarningsOnly>();
  if (kind == "bar" || (kind == "auto" && is_terminal(STDERR_FILENO)))
    return std::make_unique<Bar>();
  if (kind == "lines" || kind == "auto") return std::make_unique<PlainLines>();
  throw Error(ErrorCode::usage,
              "--progress takes bar, lines, json, none or auto, not \"" + kind + "\".",
              "--progress");
}

}  // namespace gigawarp::app
