#pragma once
#include "gigawarp/error.h"
#include "support/forwarding_backend.h"

namespace gigawarp::test {

/// Fails when it is asked for the n-th direction.
class FailingDevice : public ForwardingBackend {
 public:
  explicit FailingDevice(int when) : ForwardingBackend(ops::make_cpu_backend()), left_(when) {}
  float direction(const ops::DirectionArgs& args) override {
    if (--left_ == 0) throw Error(ErrorCode::device_fault, "It fell off the bus.", "bus");
    return ForwardingBackend::direction(args);
  }

 private:
  int left_;
};

}  // namespace gigawarp::test
