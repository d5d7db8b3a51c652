#pragma once
#include <QThreadPool>

namespace gigawarp::ui {

/// Threads for work that may take long. Qt's painting takes threads from the global pool and waits
/// for them, so long work there would hold up the interface.
QThreadPool& background_pool();

/// Makes the threads of a pool now and keeps them. A thread cannot be made while another one loads
/// a library (pthread_create waits for glibc's loader, which reads and relocates under one lock:
/// 0.3 s were seen, OpenVDB's most likely), and Qt's painting would make them when it first needs
/// them, or needs them again after half a minute. Interface thread.
void make_threads(QThreadPool& pool);

}  // namespace gigawarp::ui
