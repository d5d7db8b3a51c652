#pragma once

/// TBB is not compiled with the thread sanitizer, which therefore does not see that a call hands
/// its data to the pool and gets it back. `ThreadOrder` tells it exactly that, and nothing more:
/// two pieces of one call stay unordered, so that a race between them is reported. It costs nothing
/// in other builds.
#ifdef GIGAWARP_THREAD_SANITIZER
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}
#endif

namespace gigawarp {

class ThreadOrder {
 public:
#ifdef GIGAWARP_THREAD_SANITIZER
  ThreadOrder() { __tsan_release(&begun_); }
  ~ThreadOrder() { __tsan_acquire(&done_); }
  void begin_piece() { __tsan_acquire(&begun_); }
  void end_piece() { __tsan_release(&done_); }

 private:
  char begun_ = 0, done_ = 0;
#else
  void begin_piece() {}
  void end_piece() {}
#endif
};

/// One piece of a call, from its construction to its end, also when it throws.
class OrderedPiece {
 public:
  explicit OrderedPiece(ThreadOrder& order) : order_(order) { order_.begin_piece(); }
  ~OrderedPiece() { order_.end_piece(); }
  OrderedPiece(const OrderedPiece&) = delete;
  OrderedPiece& operator=(const OrderedPiece&) = delete;

 private:
  ThreadOrder& order_;
};

}  // namespace gigawarp
