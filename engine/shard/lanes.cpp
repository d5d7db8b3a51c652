#include "shard/lanes.h"

#include <chrono>
#include <utility>

#include "base/parallel.h"

namespace gigawarp::shard {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Until `value` is another than `old`. To be woken takes tens of microseconds, which is what many
/// waits take: where there are cores for that, one looks for a while before one sleeps.
template <class Value>
void wait_while(const std::atomic<Value>& value, Value old, std::chrono::microseconds looking) {
  const auto end = std::chrono::steady_clock::now() + looking;
  while (value == old && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  value.wait(old);
}

/// With cores to spare, from one iteration to the next: while GPUs queue nothing, their threads
/// have nothing to wait for in the driver either, and all would begin late by the time to wake up.
std::chrono::microseconds looking_time(std::size_t lanes) {
  const std::size_t cores = std::thread::hardware_concurrency();
  return std::chrono::microseconds(cores >= 4 * lanes ? 20000 : cores >= 2 * lanes ? 200 : 0);
}

}  // namespace

Lanes::Lanes(std::size_t count, bool own_threads)
    : own_threads_(own_threads), looking_(looking_time(count)), seconds_(count), errors_(count) {
  if (!own_threads_) return;
  for (std::size_t i = 1; i < count; ++i) threads_.emplace_back([this, i] { serve(i); });
}

Lanes::~Lanes() {
  ending_ = true;
  ++round_;
  round_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Lanes::serve(std::size_t lane) {
  for (std::uint64_t seen = 0;; ++seen) {
    wait_while(round_, seen, looking_);
    if (ending_) return;
    work_on(lane);
    if (--unfinished_ == 0) unfinished_.notify_one();
  }
}

void Lanes::work_on(std::size_t lane) {
  const auto start = std::chrono::steady_clock::now();
  errors_[lane] = nullptr;
  try {
    (*work_)(lane);
  } catch (...) {
    errors_[lane] = std::current_exception();
  }
  seconds_[lane] = seconds_since(start);
}

void Lanes::run(const std::function<void(std::size_t)>& work, std::size_t& failed) {
  const auto start = std::chrono::steady_clock::now();
  work_ = &work;
  if (own_threads_) {
    unfinished_ = threads_.size();
    ++round_;
    round_.notify_all();
    work_on(0);
    for (std::size_t left = unfinished_; left != 0; left = unfinished_)
      wait_while(unfinished_, left, looking_);
  } else {
    parallel_for(static_cast<std::int64_t>(count()),
                 [&](std::int64_t i) { work_on(static_cast<std::size_t>(i)); });
  }
  whole_seconds_ = seconds_since(start);
  for (failed = 0; failed < count(); ++failed)
    if (errors_[failed]) std::rethrow_exception(std::exchange(errors_[failed], nullptr));
}

}  // namespace gigawarp::shard
