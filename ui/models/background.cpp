#include "ui/models/background.h"

#include <QCoreApplication>
#include <algorithm>
#include <latch>
#include <memory>

namespace gigawarp::ui {
namespace {
/// A long task (a checksum, measures) must not hold up the preview of a run.
constexpr int kFewestThreads = 4;
}  // namespace

QThreadPool& background_pool() {
  static QThreadPool pool;
  static const bool prepared = [] {
    pool.setMaxThreadCount(std::max(kFewestThreads, pool.maxThreadCount()));
    // Tasks post what they found to the application, so they end before it does.
    qAddPostRoutine([] { pool.waitForDone(); });
    return true;
  }();
  static_cast<void>(prepared);
  return pool;
}

void make_threads(QThreadPool& pool) {
  constexpr int kNever = -1;
  pool.setExpiryTimeout(kNever);
  // Each waits for all, so that none does the work of two.
  const int count = pool.maxThreadCount();
  const auto all = std::make_shared<std::latch>(count);
  for (int i = 0; i < count; ++i) pool.start([all] { all->arrive_and_wait(); });
}

}  // namespace gigawarp::ui
