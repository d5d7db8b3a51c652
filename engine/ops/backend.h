#pragma once
#include <array>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "gigawarp/device.h"
#include "ops/array.h"
#include "ops/linear_evaluation.h"
#include "ops/resample.h"
#include "ops/similarity.h"
#include "ops/step.h"
#include "ops/update.h"

namespace gigawarp::ops {

/// How the members of a grid of devices (ops/grid_members.h) spent the time in operations that all
/// took part in.
struct GridTimes {
  double seconds = 0;                ///< of those operations
  std::vector<double> busy_seconds;  ///< of each member; the rest it waited for the others
  /// Members that exchange messages: how long each one's travelled, whether it waited for them or
  /// computed meanwhile, and how many bytes it received. Empty otherwise.
  std::vector<double> exchange_seconds;
  std::vector<std::uint64_t> received_bytes;
};

/// One processor's definition of every operation. Solvers call these and nothing else, so a second
/// processor needs no change in them. `sums` is indexed by global z and must have extent.nz
/// entries; entries of `range` are overwritten.
class Backend {
 public:
  virtual ~Backend() = default;

  /// False when the arrays live in memory of their own: then views hold addresses of that memory,
  /// and only upload() and download() carry data across. Compact back ends keep displacements,
  /// gradients and moments as one word per voxel (FieldView::packed, DirectionArgs::moments).
  virtual bool on_host() const { return true; }
  virtual bool compact() const { return false; }
  virtual bool samples_itself() const { return false; }
  /// False for LNCC windows that have no fast kernel here and are summed voxel by voxel.
  virtual bool fast_window(WindowKind /*kind*/, int /*radius*/) const { return true; }
  virtual Array allocate(std::size_t bytes) = 0;  ///< zero-filled; throws Error{does_not_fit}
  /// The same for something of each of `voxels` voxels, slowest axis last: where there are several
  /// devices, it lies with all of them in proportion (make_grid_backend()).
  virtual Array allocate_volume(std::size_t bytes, std::int64_t /*voxels*/) {
    return allocate(bytes);
  }
  /// Where several processes run one registration: the planes, of so many of a volume, whose values
  /// this one brings (upload_planes()). All of them otherwise.
  virtual ZRange own_planes(std::int64_t planes) const { return {0, planes}; }
  /// Fills a volume of `planes` planes of `plane_bytes` bytes. `bring` hands planes [z, z + count)
  /// of own_planes() to its argument, in any pieces that make up all of them.
  using PutPlanes = std::function<void(std::int64_t z, std::int64_t count, const void* values)>;
  virtual void upload_planes(void* to, std::size_t plane_bytes, std::int64_t /*planes*/,
                             const std::function<void(const PutPlanes&)>& bring) {
    bring([&](std::int64_t z, std::int64_t count, const void* values) {
      upload(static_cast<std::byte*>(to) + static_cast<std::size_t>(z) * plane_bytes, values,
             static_cast<std::size_t>(count) * plane_bytes);
    });
  }
  virtual void upload(void* to, const void* host, std::size_t bytes) = 0;
  virtual void download(void* host, const void* from, std::size_t bytes) = 0;
  virtual void copy(void* to, const void* from, std::size_t bytes) = 0;  ///< within that memory
  /// Each of `bytes` bytes, which begin so many bytes behind `from` and `to`.
  struct Piece {
    std::int64_t from = 0, to = 0, bytes = 0;
  };
  virtual void copy_pieces(void* to, const void* from, std::span<const Piece> pieces) {
    for (const Piece& piece : pieces)
      copy(static_cast<std::byte*>(to) + piece.to, static_cast<const std::byte*>(from) + piece.from,
           static_cast<std::size_t>(piece.bytes));
  }
  virtual void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) = 0;
  /// Waits until everything asked for is done; errors of the device show here at the latest.
  virtual void synchronise() {}
  /// Largest number of bytes allocated at once, of this back end's own memory, since the last
  /// forget_peak(); 0 where nobody counts them.
  virtual std::uint64_t peak_bytes() const { return 0; }
  /// From here on the peak is what is allocated now, until it grows.
  virtual void forget_peak() {}

  virtual void warp(const WarpArgs& args, std::vector<PlaneSums>& sums) = 0;
  virtual void lncc(const LnccArgs& args, std::vector<PlaneSums>& sums) = 0;
  virtual void mi_histogram(const MiArgs& args, JointHistogram& histogram) = 0;  ///< adds
  virtual void mi_gradient(const MiArgs& args, const MiTable& table,
                           std::vector<PlaneSums>& sums) = 0;
  virtual void mse(const MseArgs& args, std::vector<PlaneSums>& sums) = 0;
  /// Returns the largest |d|, voxels.
  virtual float direction(const DirectionArgs& args) = 0;
  virtual void compose(const ComposeArgs& args) = 0;
  virtual FoldRepair repair_folds(const RepairArgs& args) = 0;
  /// The first half of repair_folds(): marks the voxels of the range below the minimum, overwriting
  /// the marks of its planes, and returns how many.
  virtual std::int64_t find_folds(const RepairArgs& args) = 0;
  /// The second: relaxes around the marked voxels of the range, `found` in number, and returns how
  /// many remain. The marks are used up.
  virtual std::int64_t relax_folds(const RepairArgs& args, std::int64_t found) = 0;
  /// One sweep of relax_folds(), in two steps, for ranges whose neighbours are others': u becomes
  /// its neighbourhood mean at the voxels of the range within `radius` of a marked one. Halo:
  /// `radius` planes of marks, one of u.
  virtual void relax_marked(const RepairArgs& args, int radius);
  /// Then, with the neighbours' planes renewed: marks of the range into `marks_after`, of voxels
  /// within `radius` + 1 of a marked one that are below the minimum; returns how many. Halo:
  /// `radius` + 1 planes of marks, one of u. Back ends of several devices have neither.
  virtual std::int64_t recheck_marked(const RepairArgs& args, int radius,
                                      std::uint32_t* marks_after);
  /// Least and greatest displacement of the range, voxels: x, y, z least, then greatest.
  virtual std::array<float, 6> displacement_range(const FieldView& u, ZRange range) = 0;
  /// How many steps may be begun before the first is finished. None: begin_step() and finish_step()
  /// are not there, and solvers call the operations above one by one; the results are the same.
  virtual int steps_ahead() const { return 0; }
  /// Queues a whole iteration and returns; `slot` in [0, steps_ahead()) is free again after
  /// finish_step(). False, and nothing is done, for what cannot be queued. Views of the arguments
  /// stay valid until then.
  virtual bool begin_step(const StepArgs& args, int slot);
  /// Waits for that iteration. Slots are finished in the order in which they were begun.
  virtual StepNumbers finish_step(int slot);
  /// For linear stages: a metric's value and sums in one go. Nothing where that gains nothing:
  /// then solvers call the operations above; the results are the same. The views of the arguments
  /// stay valid as long as it lives.
  virtual std::unique_ptr<LinearEvaluation> linear_evaluation(const MetricArgs& /*args*/) {
    return nullptr;
  }
  virtual void downsample(const DownsampleArgs& args) = 0;
  virtual void upsample_field(const UpsampleArgs& args) = 0;
  virtual void invert(const InvertArgs& args) = 0;
  /// Voxels that do not count (NaN) in one of two warped volumes shall not in the other; returns
  /// how many count in both.
  virtual double keep_common(const SlabView<float>& a, const SlabView<float>& b, ZRange range) = 0;

  /// Ranges that begin and end at multiples of this (or at the volume's end) give together the bits
  /// of one range: floating-point sums are taken over segments of that many planes.
  virtual std::int64_t slab_multiple() const { return 1; }
  virtual std::int64_t lncc_slab_multiple(const LnccArgs& /*args*/) const {
    return slab_multiple();
  }
  /// Where several processes run one registration, each with a back end of its own: whether any of
  /// them says yes. All ask at the same points.
  virtual bool any(bool mine) { return mine; }
  /// What the first of them says.
  virtual std::int64_t as_the_first(std::int64_t mine) { return mine; }
  /// The sum of what each of them counted, as of its own_planes().
  virtual std::int64_t sum(std::int64_t mine) { return mine; }
  /// Whether coarse levels of volumes are made on the host, of what files hold; otherwise this back
  /// end makes them of the full volume in its memory.
  virtual bool takes_levels_of_files() const { return on_host(); }
  /// From here on the process that collects downloads as it likes, and the others, which stay in
  /// this call, send what it asks for until it calls end_service(); it returns there at once.
  virtual void serve_downloads() {}
  virtual void end_service() {}
  /// Brings `halo` planes of a field on either side of own_planes() here. Where memory is the
  /// host's, those and the own can be read from then on until somebody writes.
  virtual void hold_planes(const FieldView& /*u*/, std::int64_t /*halo*/) {}
  /// False where download() receives nothing, because another process collects the results.
  virtual bool collects() const { return true; }
  /// Whether invert() makes the inverse of a run; otherwise that is made of the downloaded field.
  virtual bool inverts() const { return !on_host(); }
  /// Since the last call; nothing unless this is a grid.
  virtual GridTimes take_grid_times() { return {}; }
  /// The same of each device; one entry unless a grid.
  virtual std::vector<std::uint64_t> peak_bytes_of_each() const { return {peak_bytes()}; }
};

/// The CPU: threads and SIMD. Results do not depend on the number of threads.
std::unique_ptr<Backend> make_cpu_backend();

/// Every GPU seen, or one unusable entry that says why there is none. Whether a GPU is free costs a
/// context on it, a quarter of a second and some of its memory: with `asked`, only the GPUs of
/// these numbers are looked at, and the others come as unusable.
std::vector<DeviceInfo> list_gpus(const std::vector<int>& asked = {});

/// An NVIDIA GPU by its CUDA number. Throws Error{device_fault} with the reason when it cannot be
/// used. `memory_bytes`: budget of its memory, 0 for what is free. Definition: cuda/, or stub/ in
/// builds without CUDA.
std::unique_ptr<Backend> make_cuda_backend(int device, std::uint64_t memory_bytes = 0);

}  // namespace gigawarp::ops
