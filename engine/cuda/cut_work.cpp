#include "cuda/cut_work.h"

#include <cmath>
#include <cstring>
#include <deque>

#include "cuda/cuda_ops.h"
#include "cuda/queued.h"

namespace gigawarp::cuda {
namespace {

/// A number of an operation, zero at first, that its pieces add to on the device.
template <class T>
class Left {
 public:
  Left(Device& device, const char* what)
      : device_(device), what_(what), array_(device.allocate(sizeof(T))) {
    check(cudaMemsetAsync(array_.data(), 0, sizeof(T), device.stream()), what);
  }
  T* get() const { return array_.as<T>(); }
  /// Waits for the stream.
  T read() const { return device_.read<T>(array_.data(), what_); }

 private:
  Device& device_;
  const char* what_;
  ops::Array array_;
};

/// Of the whole range, filed under its first plane.
ops::PlaneSums& only_sums(ops::ZRange range, std::vector<ops::PlaneSums>& sums) {
  for (std::int64_t z = range.begin; z < range.end; ++z) sums[static_cast<std::size_t>(z)] = {};
  return sums[static_cast<std::size_t>(range.begin)];
}

class DeviceCutWork final : public ops::CutWork {
 public:
  explicit DeviceCutWork(Device& device) : device_(device) {}

  void warp(const ops::WarpArgs& args, const ops::CutRange& cut,
            std::vector<ops::PlaneSums>& sums) override {
    const Left<unsigned long long> count(here(), "warp");
    ops::in_pieces(args, cut,
                   [&](const ops::WarpArgs& piece) { queue_warp(device_, piece, count.get()); });
    only_sums(args.range, sums).count = static_cast<double>(count.read());
  }

  void lncc(const ops::LnccArgs& args, const ops::CutRange& cut,
            std::vector<ops::PlaneSums>& sums) override {
    if (ops::takes_linear_sums(args.target)) {
      // Taken by segments of more than a piece.
      cuda::lncc(here(), args, sums);
      cut.border_is_asked_for();
      return;
    }
    const Left<LnccTotals> totals(here(), "lncc");
    ops::in_pieces(args, cut,
                   [&](const ops::LnccArgs& piece) { queue_lncc(device_, piece, totals.get()); });
    const LnccTotals found = totals.read();
    ops::PlaneSums& all = only_sums(args.range, sums);
    all.value = lncc_value(found);
    all.count = static_cast<double>(found.count);
  }

  void mse(const ops::MseArgs& args, const ops::CutRange& cut,
           std::vector<ops::PlaneSums>& sums) override {
    const Left<unsigned long long> counted(here(), "mse");
    const auto voxels = static_cast<unsigned long long>(args.count);
    check(cudaMemcpyAsync(counted.get(), &voxels, sizeof voxels, cudaMemcpyHostToDevice,
                          device_.stream()),
          "mse");
    std::deque<SegmentSums> of_pieces;
    ops::in_pieces(args, cut, [&](const ops::MseArgs& piece) {
      queue_mse(device_, piece, counted.get(),
                of_pieces.emplace_back(device_, mse_segments(piece)));
    });
    for (SegmentSums& of_piece : of_pieces) of_piece.collect(sums);
  }

  float direction(const ops::DirectionArgs& args, const ops::CutRange& cut) override {
    const Left<unsigned> largest(here(), "direction");
    ops::in_pieces(args, cut, [&](const ops::DirectionArgs& piece) {
      queue_direction(device_, piece, largest.get());
    });
    const unsigned bits = largest.read();
    float square = 0;
    std::memcpy(&square, &bits, sizeof square);
    return std::sqrt(square);
  }

  double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                     const ops::CutRange& cut) override {
    const Left<unsigned long long> count(here(), "keep_common");
    ops::in_pieces(
        cut, [&](ops::ZRange piece) { queue_keep_common(device_, a, b, piece, count.get()); });
    return static_cast<double>(count.read());
  }

 private:
  Device& here() const {
    device_.make_current();
    return device_;
  }
  Device& device_;
};

}  // namespace

std::unique_ptr<ops::CutWork> make_cut_work(Device& device) {
  return std::make_unique<DeviceCutWork>(device);
}

}  // namespace gigawarp::cuda
