#include "base/beside.h"

#include <oneapi/tbb/task_group.h>

#include "base/parallel.h"
#include "base/thread_order.h"

namespace gigawarp {

void beside(const std::function<void()>& work, const std::function<void()>& other) {
  oneapi::tbb::task_group group;
  ThreadOrder order;
  group.run([&] {
    const OrderedPiece piece(order);
    other();
  });
  try {
    isolated(work);
  } catch (...) {
    try {
      group.wait();
    } catch (...) {  // what failed first is told
    }
    throw;
  }
  group.wait();
}

}  // namespace gigawarp
