#pragma once
#include <QThreadPool>

namespace gigawarp::ui {

/// Threads for work that may take long. Qt's painting takes threads from the global pool and waits
/// for them, so long work there would hold up the interface.
QThreadPool& background_pool();

}  // namespace gigawarp::ui
