#include <algorithm>
#include <cstring>

#include "cpu/cpu_ops.h"

namespace gigawarp::ops {
namespace {

class CpuBackend final : public Backend {
 public:
  Array allocate(std::size_t bytes) override {
    auto buffer = std::make_shared<Buffer>(bytes);
    std::byte* data = buffer->data();
    return {data, bytes, [buffer](std::byte*) mutable { buffer.reset(); }};
  }
  void upload(void* to, const void* host, std::size_t bytes) override {
    std::memcpy(to, host, bytes);
  }
  void download(void* host, const void* from, std::size_t bytes) override {
    std::memcpy(host, from, bytes);
  }
  void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) override {
    std::fill_n(to, count, word);
  }
  void warp(const WarpArgs& args, std::vector<PlaneSums>& sums) override { cpu::warp(args, sums); }
  void lncc(const LnccArgs& args, std::vector<PlaneSums>& sums) override { cpu::lncc(args, sums); }
  void mi_histogram(const MiArgs& args, JointHistogram& histogram) override {
    cpu::mi_histogram(args, histogram);
  }
  void mi_gradient(const MiArgs& args, const MiTable& table,
                   std::vector<PlaneSums>& sums) override {
    cpu::mi_gradient(args, table, sums);
  }
  void mse(const MseArgs& args, std::vector<PlaneSums>& sums) override { cpu::mse(args, sums); }
  float direction(const DirectionArgs& args) override { return cpu::direction(args); }
  void compose(const ComposeArgs& args) override { cpu::compose(args); }
  FoldRepair repair_folds(const RepairArgs& args) override { return cpu::repair_folds(args); }
  void downsample(const DownsampleArgs& args) override { cpu::downsample(args); }
  void upsample_field(const UpsampleArgs& args) override { cpu::upsample_field(args); }
  void invert(const InvertArgs& args) override { cpu::invert(args); }
  double keep_common(const SlabView<float>& a, const SlabView<float>& b, ZRange range) override {
    return cpu::keep_common(a, b, range);
  }
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace gigawarp::ops
