#pragma once
#include <algorithm>
#include <vector>

#include "ops/rank_parts.h"

namespace gigawarp::shard {

/// Of a back end that does at once what it is asked for, or whose waits do not matter.
class PlainCutWork final : public ops::CutWork {
 public:
  explicit PlainCutWork(ops::Backend& backend) : backend_(backend) {}
  void warp(const ops::WarpArgs& args, const ops::CutRange& cut,
            std::vector<ops::PlaneSums>& sums) override {
    ops::in_pieces(args, cut, [&](const ops::WarpArgs& piece) { backend_.warp(piece, sums); });
  }
  void lncc(const ops::LnccArgs& args, const ops::CutRange& cut,
            std::vector<ops::PlaneSums>& sums) override {
    ops::in_pieces(args, cut, [&](const ops::LnccArgs& piece) { backend_.lncc(piece, sums); });
  }
  void mse(const ops::MseArgs& args, const ops::CutRange& cut,
           std::vector<ops::PlaneSums>& sums) override {
    ops::in_pieces(args, cut, [&](const ops::MseArgs& piece) { backend_.mse(piece, sums); });
  }
  float direction(const ops::DirectionArgs& args, const ops::CutRange& cut) override {
    float largest = 0;
    ops::in_pieces(args, cut, [&](const ops::DirectionArgs& piece) {
      largest = std::max(largest, backend_.direction(piece));
    });
    return largest;
  }
  double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                     const ops::CutRange& cut) override {
    double count = 0;  // whole numbers
    ops::in_pieces(cut, [&](ops::ZRange piece) { count += backend_.keep_common(a, b, piece); });
    return count;
  }

 private:
  ops::Backend& backend_;
};

}  // namespace gigawarp::shard
