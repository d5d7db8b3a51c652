#pragma once
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "support/forwarding_backend.h"

namespace gigawarp::test {

/// Counts the calls in which a moving volume comes by the parts of its rows (ops::ImageView::rows):
/// warps where metrics read what they left, histograms where these sample themselves.
class RowsNoted final : public ForwardingBackend {
 public:
  RowsNoted(std::unique_ptr<ops::Backend> to, std::atomic<int>& seen)
      : ForwardingBackend(std::move(to)), seen_(seen) {}
  void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) override {
    note(args.pair);
    ForwardingBackend::warp(args, sums);
  }
  void mi_histogram(const ops::MiArgs& args, ops::JointHistogram& histogram) override {
    note(args.pair);
    ForwardingBackend::mi_histogram(args, histogram);
  }

 private:
  void note(const ops::ImagePair& pair) {
    if (pair.moving.rows != nullptr) ++seen_;
  }
  std::atomic<int>& seen_;
};

}  // namespace gigawarp::test
