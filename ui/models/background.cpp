#include "ui/models/background.h"

#include <QCoreApplication>
#include <algorithm>

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

}  // namespace gigawarp::ui
