#pragma once
#include <memory>
#include <utility>
#include <vector>

#include "ops/backend.h"

namespace gigawarp::test {

/// Hands everything to another back end: what a test changes, it overrides.
class ForwardingBackend : public ops::Backend {
 public:
  explicit ForwardingBackend(std::unique_ptr<ops::Backend> to) : to_(std::move(to)) {}

  bool on_host() const override { return to_->on_host(); }
  bool compact() const override { return to_->compact(); }
  bool samples_itself() const override { return to_->samples_itself(); }
  std::int64_t slab_multiple() const override { return to_->slab_multiple(); }
  std::int64_t lncc_slab_multiple(const ops::LnccArgs& args) const override {
    return to_->lncc_slab_multiple(args);
  }
  ops::Array allocate(std::size_t bytes) override { return to_->allocate(bytes); }
  void upload(void* to, const void* host, std::size_t bytes) override {
    to_->upload(to, host, bytes);
  }
  void download(void* host, const void* from, std::size_t bytes) override {
    to_->download(host, from, bytes);
  }
  void copy(void* to, const void* from, std::size_t bytes) override { to_->copy(to, from, bytes); }
  void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) override {
    to_->fill_words(to, word, count);
  }
  void synchronise() override { to_->synchronise(); }
  void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) override {
    to_->warp(args, sums);
  }
  void lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) override {
    to_->lncc(args, sums);
  }
  void mi_histogram(const ops::MiArgs& args, ops::JointHistogram& histogram) override {
    to_->mi_histogram(args, histogram);
  }
  void mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                   std::vector<ops::PlaneSums>& sums) override {
    to_->mi_gradient(args, table, sums);
  }
  void mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) override {
    to_->mse(args, sums);
  }
  float direction(const ops::DirectionArgs& args) override { return to_->direction(args); }
  void compose(const ops::ComposeArgs& args) override { to_->compose(args); }
  ops::FoldRepair repair_folds(const ops::RepairArgs& args) override {
    return to_->repair_folds(args);
  }
  std::int64_t find_folds(const ops::RepairArgs& args) override { return to_->find_folds(args); }
  std::int64_t relax_folds(const ops::RepairArgs& args, std::int64_t found) override {
    return to_->relax_folds(args, found);
  }
  void relax_marked(const ops::RepairArgs& args, int radius) override {
    to_->relax_marked(args, radius);
  }
  std::int64_t recheck_marked(const ops::RepairArgs& args, int radius,
                              std::uint32_t* marks_after) override {
    return to_->recheck_marked(args, radius, marks_after);
  }
  std::array<float, 6> displacement_range(const ops::FieldView& u, ops::ZRange range) override {
    return to_->displacement_range(u, range);
  }
  void downsample(const ops::DownsampleArgs& args) override { to_->downsample(args); }
  void upsample_field(const ops::UpsampleArgs& args) override { to_->upsample_field(args); }
  void invert(const ops::InvertArgs& args) override { to_->invert(args); }
  double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                     ops::ZRange range) override {
    return to_->keep_common(a, b, range);
  }

 private:
  std::unique_ptr<ops::Backend> to_;
};

}  // namespace gigawarp::test
