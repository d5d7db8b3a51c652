#include <cooperative_groups.h>

#include <algorithm>

#include "cuda/cuda_ops.h"
#include "cuda/fold_sets.cuh"
#include "cuda/queued.h"
#include "gigawarp/error.h"
#include "ops/grid_steps.h"

/// Keeps det(I + grad u) above a minimum as cpu/repair.cpp does.
namespace gigawarp::cuda {
namespace {

enum Counter { kBadVoxels, kBadWords, kAroundWords, kTouchedWords, kCounters };

/// A set of voxels: its bits, the words that are not zero, and how many.
struct VoxelSet {
  unsigned *bits, *list;
  FoldCount* words;
};

/// All of the sweeps of one volume.
struct SweepArgs {
  FoldField u;
  VoxelSet bad, around, touched;
  FoldCount* counters;      ///< kCounters of them
  std::int64_t first, end;  ///< words of `bad` that say something
  std::uint64_t* beside;    ///< a field of u's extent
  float minimum_steps;
  int sweeps;
  FoldCounts* counts;
};

/// Relaxes around the marked voxels until there are none, or the sweeps are used up. All blocks run
/// at once and wait for one another between the steps of a sweep, so that the host needs to know
/// nothing: where nothing folds, which is the rule, they leave at once.
__global__ void __launch_bounds__(kFoldThreads) sweep_kernel(const __grid_constant__ SweepArgs a) {
  if (a.counts->found == 0) return;
  const auto grid = cooperative_groups::this_grid();
  const auto thread = static_cast<std::int64_t>(grid.thread_rank());
  for (std::int64_t i = thread; i < a.u.all_words(); i += static_cast<std::int64_t>(grid.size()))
    a.around.bits[i] = a.touched.bits[i] = 0;
  if (thread < kCounters) a.counters[thread] = 0;
  grid.sync();
  list_words(a.bad.bits, a.first, a.end, a.bad.list, a.bad.words);
  grid.sync();
  const auto beside = [&](std::int64_t, int, std::int64_t at) { return a.beside + at; };
  FoldCount left = a.counts->found;
  for (int sweep = 0; sweep < a.sweeps && left > 0; ++sweep) {
    dilate_words(a.u, a.bad.bits, a.bad.list, a.bad.words, ops::relaxation_radius(sweep),
                 a.around.bits, a.around.list, a.around.words);
    grid.sync();
    relax_words(a.u, a.around.bits, a.around.list, a.around.words, beside);
    if (thread == 0) a.counters[kBadVoxels] = a.counters[kBadWords] = 0;
    grid.sync();
    store_words(a.u, a.around.bits, a.around.list, a.around.words, beside);
    dilate_words(a.u, a.around.bits, a.around.list, a.around.words, 1, a.touched.bits,
                 a.touched.list, a.touched.words);
    grid.sync();
    check_words(a.u, a.touched.bits, a.touched.list, a.touched.words, a.minimum_steps, a.bad.bits,
                a.bad.list, a.bad.words, a.counters + kBadVoxels);
    grid.sync();
    left = a.counters[kBadVoxels];
    clear_words(a.around.bits, a.around.list, a.around.words);
    clear_words(a.touched.bits, a.touched.list, a.touched.words);
    grid.sync();
    if (thread == 0) *a.around.words = *a.touched.words = 0;
    grid.sync();
  }
  if (thread == 0) a.counts->remaining = left;
}

float minimum_steps(const ops::RepairArgs& args) {
  return args.minimum * kIdentitySteps * kIdentitySteps * kIdentitySteps;
}

void queue_search(Device& device, const ops::RepairArgs& args, FoldCount* found) {
  const ops::SlabView<std::uint64_t>& u = args.displacement.packed;
  const FoldField field(u);
  if (args.range.begin >= args.range.end || field.all_words() == 0) return;
  const auto begin = static_cast<int>(args.range.begin - u.extent.z_begin),
             end = static_cast<int>(args.range.end - u.extent.z_begin);
  const dim3 grid(blocks_for(field.nx, kFoldColumns), blocks_for(field.ny, kFoldRows),
                  blocks_for(end - begin, kFoldPlanes));
  mark_folds<<<grid, dim3(kFoldColumns, kFoldWarps), 0, device.stream()>>>(
      field, begin, end, minimum_steps(args), args.marks, found);
  check_launch("looking for folds");
}

/// After queue_search(). `list`: scratch of ops::GridStep::kFoldLists·all_words() words, 5/8 byte
/// per voxel.
void queue_sweeps(Device& device, const ops::RepairArgs& args, std::uint64_t* beside,
                  unsigned* list, FoldCounts* counts) {
  const ops::Extent& e = args.displacement.packed.extent;
  const FoldField field(args.displacement.packed);
  if (args.range.begin >= args.range.end || field.all_words() == 0) return;
  const auto words = static_cast<std::size_t>(field.all_words());
  const ops::Array counter_array = device.allocate(kCounters * sizeof(FoldCount));
  auto* const counters = counter_array.as<FoldCount>();
  const std::int64_t plane = ops::fold_words_of_plane(e);
  SweepArgs sweep{field,
                  {args.marks, list, counters + kBadWords},
                  {list + words, list + 2 * words, counters + kAroundWords},
                  {list + 3 * words, list + 4 * words, counters + kTouchedWords},
                  counters,
                  (args.range.begin - e.z_begin) * plane,
                  (args.range.end - e.z_begin) * plane,
                  beside,
                  minimum_steps(args),
                  args.sweeps,
                  counts};
  constexpr int kMostBlocks = 4;  // of a multiprocessor: more wait for one another longer
  int fit = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&fit, sweep_kernel, kFoldThreads, 0),
        "repairing folds");
  const std::int64_t blocks =
      std::clamp<std::int64_t>(field.all_words() / kFoldListWarps, 1,
                               std::int64_t{std::min(fit, kMostBlocks)} * device.multiprocessors());
  void* arguments[] = {&sweep};
  check(cudaLaunchCooperativeKernel(reinterpret_cast<const void*>(&sweep_kernel),
                                    dim3(static_cast<unsigned>(blocks)), dim3(kFoldThreads),
                                    arguments, 0, device.stream()),
        "repairing folds");
}

void queue_sweeps(Device& device, const ops::RepairArgs& args, std::uint64_t* beside,
                  FoldCounts* counts) {
  const auto words = static_cast<std::size_t>(FoldField(args.displacement.packed).all_words());
  const ops::Array lists = device.allocate(ops::GridStep::kFoldLists * words * sizeof(unsigned));
  queue_sweeps(device, args, beside, lists.as<unsigned>(), counts);
}

/// The field beside u, or memory of its own where there is none.
class Beside {
 public:
  Beside(Device& device, const ops::RepairArgs& args) {
    const ops::SlabView<std::uint64_t>& u = args.displacement.packed;
    if (args.beside.packed) {
      data_ = args.beside.packed.data;
      return;
    }
    own_ = device.allocate(
        static_cast<std::size_t>((u.extent.z_end - u.extent.z_begin) * u.extent.stride_z) *
        sizeof(std::uint64_t));
    data_ = own_.as<std::uint64_t>();
  }
  std::uint64_t* data() const { return data_; }

 private:
  ops::Array own_;
  std::uint64_t* data_ = nullptr;
};

/// `args` with marks of their own, in memory of the device.
class Marked {
 public:
  Marked(Device& device, const ops::RepairArgs& given)
      : marks_(device.allocate(
            static_cast<std::size_t>(FoldField(given.displacement.packed).all_words()) *
            sizeof(std::uint32_t))),
        args_(given) {
    args_.marks = marks_.as<std::uint32_t>();
  }
  const ops::RepairArgs& args() const { return args_; }

 private:
  ops::Array marks_;
  ops::RepairArgs args_;
};

__global__ void __launch_bounds__(kFoldThreads)
    list_kernel(const unsigned* bits, std::int64_t first, std::int64_t end, unsigned* list,
                FoldCount* count) {
  list_words(bits, first, end, list, count);
}
__global__ void __launch_bounds__(kFoldThreads)
    dilate_kernel(const FoldField f, const unsigned* in, const unsigned* in_list,
                  const FoldCount* in_count, int radius, unsigned* out, unsigned* out_list,
                  FoldCount* out_count) {
  dilate_words(f, in, in_list, in_count, radius, out, out_list, out_count);
}
/// Relaxed values in the order of the list.
struct InOrder {
  std::uint64_t* values;
  __device__ std::uint64_t* operator()(std::int64_t number, int lane, std::int64_t) const {
    return values + number * 32 + lane;
  }
};
__global__ void __launch_bounds__(kFoldThreads)
    relax_kernel(const FoldField f, const unsigned* bits, const unsigned* list,
                 const FoldCount* count, std::uint64_t* relaxed) {
  relax_words(f, bits, list, count, InOrder{relaxed});
}
__global__ void __launch_bounds__(kFoldThreads)
    store_kernel(const FoldField f, const unsigned* bits, const unsigned* list,
                 const FoldCount* count, std::uint64_t* relaxed) {
  store_words(f, bits, list, count, InOrder{relaxed});
}
__global__ void __launch_bounds__(kFoldThreads)
    check_kernel(const FoldField f, const unsigned* bits, const unsigned* list,
                 const FoldCount* count, float minimum_steps, unsigned* bad, unsigned* bad_list,
                 FoldCount* bad_words, FoldCount* bad_voxels) {
  check_words(f, bits, list, count, minimum_steps, bad, bad_list, bad_words, bad_voxels);
}

/// A set of voxels with the list of its words, in memory of its own.
struct OwnSet {
  ops::Array bits, list;
  OwnSet(Device& device, std::int64_t words)
      : bits(device.allocate(static_cast<std::size_t>(words) * sizeof(unsigned))),
        list(device.allocate(static_cast<std::size_t>(words) * sizeof(unsigned))) {
    check(cudaMemsetAsync(bits.data(), 0, bits.bytes(), device.stream()), "clearing a set");
  }
};

/// One sweep of a slab whose neighbours are others' (ops::Backend::relax_marked): the words of the
/// range around the marked voxels of all planes stored.
class SlabSweep {
 public:
  SlabSweep(Device& device, const ops::RepairArgs& args, int radius)
      : device_(device),
        args_(args),
        f_(args.displacement.packed),
        counter_array_(device.allocate(kCounters * sizeof(FoldCount))),
        counters_(counter_array_.as<FoldCount>()),
        list_(device.allocate(static_cast<std::size_t>(f_.all_words()) * sizeof(unsigned))),
        around_(device, f_.all_words()) {
    const cudaStream_t stream = device.stream();
    check(cudaMemsetAsync(counters_, 0, counter_array_.bytes(), stream),
          "clearing counts of folds");
    list_kernel<<<grid(f_.all_words() / kFoldThreads + 1), kFoldThreads, 0, stream>>>(
        args.marks, 0, f_.all_words(), list_.as<unsigned>(), counters_ + kBadWords);
    dilate_kernel<<<grid(f_.all_words() / kFoldListWarps + 1), kFoldThreads, 0, stream>>>(
        f_, args.marks, list_.as<unsigned>(), counters_ + kBadWords, radius,
        around_.bits.as<unsigned>(), around_.list.as<unsigned>(), counters_ + kAroundWords);
    // Of the range alone.
    check(cudaMemsetAsync(counters_, 0, counter_array_.bytes(), stream),
          "clearing counts of folds");
    list_kernel<<<grid((end_word() - first_word()) / kFoldThreads + 1), kFoldThreads, 0, stream>>>(
        around_.bits.as<unsigned>(), first_word(), end_word(), around_.list.as<unsigned>(),
        counters_ + kAroundWords);
    check_launch("listing folds");
    words_ = static_cast<std::int64_t>(read(kAroundWords));
  }

  void relax_range() {
    if (words_ == 0) return;
    const ops::Array relaxed =
        device_.allocate(static_cast<std::size_t>(words_) * 32 * sizeof(std::uint64_t));
    const unsigned blocks = grid(words_ / kFoldListWarps + 1);
    relax_kernel<<<blocks, kFoldThreads, 0, device_.stream()>>>(
        f_, around_.bits.as<unsigned>(), around_.list.as<unsigned>(), around_count(),
        relaxed.as<std::uint64_t>());
    store_kernel<<<blocks, kFoldThreads, 0, device_.stream()>>>(
        f_, around_.bits.as<unsigned>(), around_.list.as<unsigned>(), around_count(),
        relaxed.as<std::uint64_t>());
    check_launch("repairing folds");
  }

  std::int64_t recheck_range(std::uint32_t* marks_after) {
    check(cudaMemsetAsync(marks_after + first_word(), 0,
                          static_cast<std::size_t>(end_word() - first_word()) * sizeof(unsigned),
                          device_.stream()),
          "clearing marks of folds");
    if (words_ == 0) return 0;
    check_kernel<<<grid(words_ / kFoldListWarps + 1), kFoldThreads, 0, device_.stream()>>>(
        f_, around_.bits.as<unsigned>(), around_.list.as<unsigned>(), around_count(),
        minimum_steps(args_), marks_after, list_.as<unsigned>(), counters_ + kBadWords,
        counters_ + kBadVoxels);
    check_launch("looking for folds again");
    return static_cast<std::int64_t>(read(kBadVoxels));
  }

 private:
  std::int64_t word_of(std::int64_t z) const {
    const ops::Extent& e = args_.displacement.packed.extent;
    return (z - e.z_begin) * ops::fold_words_of_plane(e);
  }
  std::int64_t first_word() const { return word_of(args_.range.begin); }
  std::int64_t end_word() const { return word_of(args_.range.end); }
  const FoldCount* around_count() const { return counters_ + kAroundWords; }
  unsigned grid(std::int64_t blocks) const {
    return static_cast<unsigned>(
        std::clamp<std::int64_t>(blocks, 1, std::int64_t{16} * device_.multiprocessors()));
  }
  FoldCount read(Counter which) {
    return device_.read<FoldCount>(counters_ + which, "reading counts of folds");
  }

  Device& device_;
  const ops::RepairArgs& args_;
  const FoldField f_;
  ops::Array counter_array_;
  FoldCount* const counters_;
  ops::Array list_;
  OwnSet around_;
  std::int64_t words_ = 0;
};

}  // namespace

void relax_marked(Device& device, const ops::RepairArgs& args, int radius) {
  const Range range("relax_marked");
  SlabSweep(device, args, radius).relax_range();
}

std::int64_t recheck_marked(Device& device, const ops::RepairArgs& args, int radius,
                            std::uint32_t* marks_after) {
  const Range range("recheck_marked");
  return SlabSweep(device, args, radius + 1).recheck_range(marks_after);
}

bool can_repair(const ops::Extent& extent) {
  return ops::fold_words(extent) <= std::int64_t{0xffffffff};
}

std::int64_t find_folds(Device& device, const ops::RepairArgs& args) {
  const ops::Array found = device.allocate(sizeof(FoldCount));
  check(cudaMemsetAsync(found.data(), 0, found.bytes(), device.stream()),
        "clearing a count of folds");
  queue_search(device, args, found.as<FoldCount>());
  return static_cast<std::int64_t>(
      device.read<FoldCount>(found.data(), "reading a count of folds"));
}

std::int64_t relax_folds(Device& device, const ops::RepairArgs& args, std::int64_t found) {
  const FoldField field(args.displacement.packed);
  if (args.range.begin >= args.range.end || field.all_words() == 0 || found == 0) return found;
  if (!can_repair(args.displacement.packed.extent))
    throw Error(ErrorCode::does_not_fit,
                "The volume has too many voxels for the repair of folds on a GPU.", "--device");
  const FoldCounts before{static_cast<FoldCount>(found), 0};
  const ops::Array counts = device.allocate(sizeof(FoldCounts));
  check(cudaMemcpyAsync(counts.data(), &before, sizeof before, cudaMemcpyHostToDevice,
                        device.stream()),
        "sending a count of folds");
  const Beside beside(device, args);
  queue_sweeps(device, args, beside.data(), counts.as<FoldCounts>());
  return static_cast<std::int64_t>(
      device.read<FoldCounts>(counts.data(), "reading counts of folds").remaining);
}

void queue_find_folds(Device& device, const ops::RepairArgs& args, FoldCount* found) {
  const Range range("find_folds");
  queue_search(device, args, found);
}

void queue_relax_folds(Device& device, const ops::RepairArgs& args, std::uint32_t* lists,
                       FoldCounts* counts) {
  const Range range("relax_folds");
  queue_sweeps(device, args, args.beside.packed.data, lists, counts);
}

void queue_repair(Device& device, const ops::RepairArgs& args, FoldCounts* counts) {
  const Range range("repair_folds");
  const Marked marked(device, args);
  queue_search(device, marked.args(), &counts->found);
  queue_sweeps(device, marked.args(), args.beside.packed.data, counts);
}

ops::FoldRepair repair_folds(Device& device, const ops::RepairArgs& args) {
  const Range range("repair_folds");
  const Marked marked(device, args);
  ops::FoldRepair report;
  report.found = find_folds(device, marked.args());
  report.remaining = relax_folds(device, marked.args(), report.found);
  return report;
}

}  // namespace gigawarp::cuda
