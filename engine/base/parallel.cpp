#include "base/parallel.h"

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/thread_order.h"

namespace gigawarp {

void with_threads(int threads, const std::function<void()>& work) {
  if (threads <= 0) {
    work();
    return;
  }
  oneapi::tbb::task_arena arena(threads);
  ThreadOrder order;
  arena.execute([&] {
    const OrderedPiece piece(order);
    work();
  });
}

int available_threads() { return std::max(1, oneapi::tbb::this_task_arena::max_concurrency()); }

void parallel_for(std::int64_t n, const std::function<void(std::int64_t)>& body) {
  if (n <= 0) return;
  ThreadOrder order;
  oneapi::tbb::parallel_for(
      oneapi::tbb::blocked_range<std::int64_t>(0, n, 1),
      [&](const oneapi::tbb::blocked_range<std::int64_t>& range) {
        const OrderedPiece piece(order);
        for (std::int64_t i = range.begin(); i < range.end(); ++i) body(i);
      },
      oneapi::tbb::simple_partitioner());
}

void isolated(const std::function<void()>& work) { oneapi::tbb::this_task_arena::isolate(work); }

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::uint64_t available_memory_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  std::uint64_t kib = 0;
  while (meminfo >> key >> kib >> unit)
    if (key == "MemAvailable:") return kib * 1024;
  return 0;
}

}  // namespace gigawarp
