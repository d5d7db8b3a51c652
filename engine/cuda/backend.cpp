#include <string>
#include <utility>

#include "cuda/cuda_ops.h"
#include "cuda/cut_work.h"
#include "cuda/devices.h"
#include "cuda/event_clock.h"
#include "cuda/global_memory.h"
#include "cuda/grid_steps.h"
#include "cuda/linear_evaluation.h"
#include "cuda/member_order.h"
#include "cuda/sparse_memory.h"
#include "cuda/staging.h"
#include "cuda/step_queue.h"
#include "gigawarp/error.h"
#include "ops/lncc_chunks.h"

namespace gigawarp::ops {
namespace {

class CudaBackend final : public Backend {
 public:
  CudaBackend(int device, std::uint64_t memory_bytes)
      : device_(device, memory_bytes), steps_(device_), staging_(device_) {}

  bool on_host() const override { return false; }
  bool compact() const override { return true; }
  bool samples_itself() const override { return true; }
  bool fast_window(WindowKind kind, int radius) const override {
    return cuda::lncc_marches(kind, radius);
  }

  Array allocate(std::size_t bytes) override {
    Array array = here().allocate(bytes);
    cuda::check(cudaMemsetAsync(array.data(), 0, bytes, device_.stream()), "clearing memory");
    return array;
  }
  void upload(void* to, const void* host, std::size_t bytes) override {
    here().wait_where_somebody_looks();
    cuda::check(cudaMemcpyAsync(to, host, bytes, cudaMemcpyHostToDevice, device_.stream()),
                "copying to the device");
    device_.synchronise();
  }
  void download(void* host, const void* from, std::size_t bytes) override {
    here().wait_where_somebody_looks();
    if (bytes >= cuda::Staging::kLarge) {
      staging_.download(static_cast<std::byte*>(host), static_cast<const std::byte*>(from), bytes);
      return;
    }
    cuda::check(cudaMemcpyAsync(host, from, bytes, cudaMemcpyDeviceToHost, device_.stream()),
                "copying from the device");
    device_.synchronise();
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    cuda::check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, here().stream()),
                "copying on the device");
  }
  void copy_pieces(void* to, const void* from, std::span<const Piece> pieces) override {
    if (pieces.empty()) return;
    const Array there = here().allocate(pieces.size_bytes());
    upload(there.data(), pieces.data(), pieces.size_bytes());
    cuda::copy_pieces(here(), to, from, pieces, there.as<Piece>());
  }
  void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) override {
    cuda::fill_words(here(), to, word, count);
  }
  void synchronise() override { device_.synchronise(); }
  std::uint64_t peak_bytes() const override { return device_.peak_bytes(); }
  void forget_peak() override { device_.forget_peak(); }

  void warp(const WarpArgs& args, std::vector<PlaneSums>& sums) override {
    cuda::warp(here(), args, sums);
  }
  void lncc(const LnccArgs& args, std::vector<PlaneSums>& sums) override {
    cuda::lncc(here(), args, sums);
  }
  void mi_histogram(const MiArgs& args, JointHistogram& histogram) override {
    cuda::mi_histogram(here(), args, histogram);
  }
  void mi_gradient(const MiArgs& args, const MiTable& table,
                   std::vector<PlaneSums>& sums) override {
    cuda::mi_gradient(here(), args, table, sums);
  }
  void mse(const MseArgs& args, std::vector<PlaneSums>& sums) override {
    cuda::mse(here(), args, sums);
  }
  float direction(const DirectionArgs& args) override { return cuda::direction(here(), args); }
  void compose(const ComposeArgs& args) override { cuda::compose(here(), args); }
  FoldRepair repair_folds(const RepairArgs& args) override {
    return cuda::repair_folds(here(), args);
  }
  std::int64_t find_folds(const RepairArgs& args) override {
    return cuda::find_folds(here(), args);
  }
  std::int64_t relax_folds(const RepairArgs& args, std::int64_t found) override {
    return cuda::relax_folds(here(), args, found);
  }
  void relax_marked(const RepairArgs& args, int radius) override {
    cuda::relax_marked(here(), args, radius);
  }
  std::int64_t recheck_marked(const RepairArgs& args, int radius,
                              std::uint32_t* marks_after) override {
    return cuda::recheck_marked(here(), args, radius, marks_after);
  }
  std::array<float, 6> displacement_range(const FieldView& u, ZRange range) override {
    return cuda::displacement_range(here(), u, range);
  }
  int steps_ahead() const override { return cuda::StepQueue::kSlots; }
  bool begin_step(const StepArgs& args, int slot) override {
    here();
    return steps_.begin(args, slot);
  }
  StepNumbers finish_step(int slot) override {
    here();
    return steps_.finish(slot);
  }
  std::unique_ptr<LinearEvaluation> linear_evaluation(const MetricArgs& args) override {
    return std::make_unique<cuda::LinearEvaluation>(here(), args);
  }
  void downsample(const DownsampleArgs& args) override { cuda::downsample(here(), args); }
  void upsample_field(const UpsampleArgs& args) override { cuda::upsample_field(here(), args); }
  void invert(const InvertArgs& args) override { cuda::invert(here(), args); }
  double keep_common(const SlabView<float>& a, const SlabView<float>& b, ZRange range) override {
    return cuda::keep_common(here(), a, b, range);
  }

  std::int64_t slab_multiple() const override { return cuda::kSlabPlanes; }
  std::int64_t lncc_slab_multiple(const LnccArgs& args) const override {
    return args.target.field || args.target.intensity || !args.target.wanted
               ? cuda::kSlabPlanes
               : cuda::kLinearSlabPlanes;
  }
  cuda::Device& device() { return device_; }

 private:
  /// Current for the calling thread, whatever that did before.
  cuda::Device& here() {
    device_.make_current();
    return device_;
  }

  cuda::Device device_;
  cuda::StepQueue steps_;
  cuda::Staging staging_;
};

}  // namespace

std::vector<DeviceInfo> list_gpus(const std::vector<int>& asked) {
  return cuda::list_devices(asked);
}

namespace {

std::unique_ptr<CudaBackend> usable_backend(int device, std::uint64_t memory_bytes) {
  const std::string id = "cuda:" + std::to_string(device);
  std::string reason = "this machine has no GPU of that number";
  for (const DeviceInfo& info : list_gpus({device})) {
    if (info.id == id && info.usable) return std::make_unique<CudaBackend>(device, memory_bytes);
    if (info.id == id || info.id == "cuda") reason = info.why_not;
  }
  throw Error(ErrorCode::device_fault, "Device \"" + id + "\" cannot be used: " + reason, id);
}

}  // namespace

std::unique_ptr<Backend> make_cuda_backend(int device, std::uint64_t memory_bytes) {
  return usable_backend(device, memory_bytes);
}

GridMembers make_cuda_members(const std::vector<int>& devices, std::uint64_t memory_bytes) {
  GridMembers members;
  std::vector<cuda::Device*> owners;
  for (const int device : devices) {
    auto backend = usable_backend(device, memory_bytes);
    owners.push_back(&backend->device());
    members.names.push_back("cuda:" + std::to_string(device));
    members.shares.push_back(static_cast<double>(owners.back()->budget_bytes()));
    members.backends.push_back(std::move(backend));
  }
  ops::even_out(members.shares);
  owners.front()->make_current();
  members.memory = cuda::make_global_memory(owners);
  members.order = cuda::make_member_order(owners);
  members.steps = cuda::make_grid_steps(owners);
  for (const cuda::Device* owner : owners) members.clocks.push_back(cuda::make_event_clock(*owner));
  members.small_voxels = kSmallVolume;
  return members;
}

std::string gpu_identity(int device) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
    cudaGetLastError();
    return {};
  }
  return {properties.uuid.bytes, sizeof properties.uuid.bytes};
}

RankParts make_cuda_rank(int device, std::uint64_t memory_bytes) {
  /// Kernels load the planes after next while they work on one.
  constexpr int kPlanesAhead = 4;
  /// Marches are cut there anyway (MarchGrid): nothing is computed twice but LNCC's samples and
  /// windows around the cut. Thinner pieces cost each march another run-up, which takes about as
  /// long as the messages that they would hide.
  constexpr int kLeastPiece = ops::LnccChunks::kSegment;
  auto backend = usable_backend(device, memory_bytes);
  cuda::Device& own = backend->device();
  own.make_current();
  RankParts parts;
  parts.memory = cuda::make_sparse_memory(own);
  parts.name = "cuda:" + std::to_string(device);
  parts.memory_bytes = static_cast<double>(own.budget_bytes());
  parts.small_voxels = kSmallVolume;
  parts.planes_ahead = kPlanesAhead;
  parts.stream = own.stream();
  parts.clock = cuda::make_event_clock(own);
  parts.cut_work = cuda::make_cut_work(own);
  parts.least_piece = kLeastPiece;
  parts.look_while_waiting = [&own](std::function<void()> look) {
    own.look_while_waiting(std::move(look));
  };
  parts.device = device;
  parts.backend = std::move(backend);
  return parts;
}

}  // namespace gigawarp::ops
