#include <algorithm>
#include <cstring>

#include "base/parallel.h"
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
  void copy(void* to, const void* from, std::size_t bytes) override {
    const auto shares = static_cast<std::size_t>(available_threads());
    parallel_for(static_cast<std::int64_t>(shares), [&](std::int64_t i) {
      const std::size_t begin = bytes * static_cast<std::size_t>(i) / shares;
      const std::size_t end = bytes * static_cast<std::size_t>(i + 1) / shares;
      std::memcpy(static_cast<std::byte*>(to) + begin, static_cast<const std::byte*>(from) + begin,
                  end - begin);
    });
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
  std::int64_t find_folds(const RepairArgs& args) override { return cpu::find_folds(args); }
  std::int64_t relax_folds(const RepairArgs& args, std::int64_t found) override {
    return cpu::relax_folds(args, found);
  }
  void relax_marked(const RepairArgs& args, int radius) override {
    cpu::relax_marked(args, radius);
  }
  std::int64_t recheck_marked(const RepairArgs& args, int radius,
                              std::uint32_t* marks_after) override {
    return cpu::recheck_marked(args, radius, marks_after);
  }
  std::array<float, 6> displacement_range(const FieldView& u, ZRange range) override {
    return cpu::displacement_range(u, range);
  }
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
