#include <algorithm>
#include <array>

#include "cuda/cuda_ops.h"
#include "cuda/fold_march.cuh"
#include "gigawarp/error.h"

/// Keeps det(I + grad u) above a minimum as cpu/repair.cpp does. Sets of voxels are bitmaps; lists
/// name the words of a bitmap that are not zero. Lists are in any order, but what is computed from
/// them is a set, or a Jacobi step: scheduling cannot show.
namespace gigawarp::cuda {
namespace {

constexpr int kThreads = 256, kWarps = kThreads / 32;

enum Counter { kBadVoxels, kBadWords, kAroundWords, kTouchedWords, kCounters };
using Count = unsigned long long;

struct WordPlace {
  int column, y, z;
};

__device__ inline WordPlace place_of(const FoldField& f, unsigned word) {
  const unsigned words = static_cast<unsigned>(f.words), ny = static_cast<unsigned>(f.ny);
  const unsigned row = word / words;
  return {static_cast<int>(word % words), static_cast<int>(row % ny), static_cast<int>(row / ny)};
}

/// Appends words that are not zero to a list.
__global__ void __launch_bounds__(kThreads)
    list_words(const unsigned* bits, std::int64_t first, std::int64_t end, unsigned* list,
               Count* count) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = first + static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x;
       i < end; i += step)
    if (bits[i] != 0) list[atomicAdd(count, Count{1})] = static_cast<unsigned>(i);
}

/// A warp per listed word; its lanes share the rows around it.
struct WarpWork {
  std::int64_t begin, end, step;
  __device__ explicit WarpWork(const Count* count)
      : begin(static_cast<std::int64_t>(blockIdx.x) * kWarps + (threadIdx.x >> 5U)),
        end(static_cast<std::int64_t>(*count)),
        step(static_cast<std::int64_t>(gridDim.x) * kWarps) {}
};

/// out = every voxel within `radius` (largest coordinate difference) of one in `in`.
__global__ void __launch_bounds__(kThreads)
    dilate(const FoldField f, const unsigned* in, const unsigned* in_list, const Count* in_count,
           int radius, unsigned* out, unsigned* out_list, Count* out_count) {
  const WarpWork work(in_count);
  const int lane = static_cast<int>(threadIdx.x & 31U), side = 2 * radius + 1;
  for (std::int64_t i = work.begin; i < work.end; i += work.step) {
    const WordPlace p = place_of(f, in_list[i]);
    const unsigned b = in[in_list[i]];
    unsigned middle = b, left = 0, right = 0;
    for (int k = 1; k <= radius; ++k) {
      middle |= b << k | b >> k;
      left |= b << (32 - k);
      right |= b >> (32 - k);
    }
    const auto add = [&](int column, int y, int z, unsigned bits) {
      if (column < 0 || column >= f.words) return;
      bits &= f.inside(column);
      if (bits == 0) return;
      const std::int64_t w = f.word(column, y, z);
      if (atomicOr(out + w, bits) == 0)
        out_list[atomicAdd(out_count, Count{1})] = static_cast<unsigned>(w);
    };
    for (int r = lane; r < side * side; r += 32) {
      const int y = p.y + r % side - radius, z = p.z + r / side - radius;
      if (y < 0 || y >= f.ny || z < 0 || z >= f.nz) continue;
      add(p.column, y, z, middle);
      add(p.column - 1, y, z, left);
      add(p.column + 1, y, z, right);
    }
  }
}

/// The 3×3×3 binomial mean of u at the voxels of the listed words, kept beside u.
__global__ void __launch_bounds__(kThreads)
    relax(const FoldField f, const unsigned* bits, const unsigned* list, const Count* count,
          std::uint64_t* relaxed) {
  const WarpWork work(count);
  const int lane = static_cast<int>(threadIdx.x & 31U);
  for (std::int64_t i = work.begin; i < work.end; i += work.step) {
    if ((bits[list[i]] >> lane & 1U) == 0) continue;
    const WordPlace p = place_of(f, list[i]);
    const int x = 32 * p.column + lane;
    math::Float3 sum;
    for (int dz = -1; dz <= 1; ++dz)
      for (int dy = -1; dy <= 1; ++dy)
#pragma unroll
        for (int dx = -1; dx <= 1; ++dx) {
          const math::Float3 v =
              f.steps(min(max(x + dx, 0), f.nx - 1), min(max(p.y + dy, 0), f.ny - 1),
                      min(max(p.z + dz, 0), f.nz - 1));
          const auto w = static_cast<float>((2 - dz * dz) * (2 - dy * dy) * (2 - dx * dx));
          sum = {sum.x + v.x * w, sum.y + v.y * w, sum.z + v.z * w};
        }
    constexpr float kScale = 1.0F / (64.0F * math::kPackedSteps);
    relaxed[i * 32 + lane] = math::pack_vector({sum.x * kScale, sum.y * kScale, sum.z * kScale});
  }
}

__global__ void __launch_bounds__(kThreads)
    store_relaxed(const FoldField f, const unsigned* bits, const unsigned* list, const Count* count,
                  const std::uint64_t* relaxed) {
  const WarpWork work(count);
  const int lane = static_cast<int>(threadIdx.x & 31U);
  for (std::int64_t i = work.begin; i < work.end; i += work.step) {
    if ((bits[list[i]] >> lane & 1U) == 0) continue;
    const WordPlace p = place_of(f, list[i]);
    f.u[f.at(32 * p.column + lane, p.y, p.z)] = relaxed[i * 32 + lane];
  }
}

/// Determinants again at the listed words' voxels; `bad` is overwritten there.
__global__ void __launch_bounds__(kThreads)
    check_again(const FoldField f, const unsigned* bits, const unsigned* list, const Count* count,
                float minimum_steps, unsigned* bad, unsigned* bad_list, Count* bad_words,
                Count* bad_voxels) {
  const WarpWork work(count);
  const int lane = static_cast<int>(threadIdx.x & 31U);
  for (std::int64_t i = work.begin; i < work.end; i += work.step) {
    const WordPlace p = place_of(f, list[i]);
    const bool below = (bits[list[i]] >> lane & 1U) != 0 &&
                       !(determinant_at(f, 32 * p.column + lane, p.y, p.z) >= minimum_steps);
    const unsigned word = __ballot_sync(0xffffffffU, below);
    if (lane != 0) continue;
    bad[list[i]] = word;
    if (word == 0) continue;
    bad_list[atomicAdd(bad_words, Count{1})] = list[i];
    atomicAdd(bad_voxels, static_cast<Count>(__popc(word)));
  }
}

__global__ void __launch_bounds__(kThreads)
    clear_words(unsigned* bits, const unsigned* list, const Count* count) {
  const std::int64_t end = static_cast<std::int64_t>(*count);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * kThreads;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < end;
       i += step)
    bits[list[i]] = 0;
}

/// A set of voxels with the list of its words.
struct VoxelSet {
  ops::Array bits, list;
  VoxelSet(Device& device, std::int64_t words)
      : bits(device.allocate(static_cast<std::size_t>(words) * sizeof(unsigned))),
        list(device.allocate(static_cast<std::size_t>(words) * sizeof(unsigned))) {
    check(cudaMemsetAsync(bits.data(), 0, bits.bytes(), device.stream()), "clearing a set");
  }
};

/// The sweeps, once folds were found. Scratch: 5/8 byte per voxel of the volume and 8 bytes per
/// voxel of the words around folds.
class Repair {
 public:
  Repair(Device& device, const ops::RepairArgs& args, const FoldField& field, float minimum)
      : device_(device),
        args_(args),
        f_(field),
        minimum_(minimum),
        bad_(args.marks),
        counter_array_(device.allocate(kCounters * sizeof(Count))),
        counters_(counter_array_.as<Count>()),
        bad_list_(device.allocate(static_cast<std::size_t>(field.all_words()) * sizeof(unsigned))),
        around_(device, field.all_words()),
        touched_(device, field.all_words()) {}

  std::int64_t run(Count found) {
    check(cudaMemsetAsync(counters_, 0, counter_array_.bytes(), device_.stream()),
          "clearing counts of folds");
    // Words of planes outside the range say nothing.
    const ops::Extent& e = args_.displacement.packed.extent;
    const std::int64_t plane = ops::fold_words_of_plane(e),
                       first = (args_.range.begin - e.z_begin) * plane,
                       end = (args_.range.end - e.z_begin) * plane;
    list_words<<<grid((end - first) / kThreads + 1), kThreads, 0, device_.stream()>>>(
        bad_, first, end, bad_list_.as<unsigned>(), counters_ + kBadWords);
    check_launch("listing folds");
    std::array<Count, kCounters> now = read();
    now[kBadVoxels] = found;
    for (int sweep = 0; sweep < args_.sweeps && now[kBadVoxels] > 0; ++sweep)
      now = one_sweep(ops::relaxation_radius(sweep), now[kBadWords]);
    return static_cast<std::int64_t>(now[kBadVoxels]);
  }

 private:
  unsigned grid(std::int64_t blocks) const {
    return static_cast<unsigned>(
        std::clamp<std::int64_t>(blocks, 1, std::int64_t{16} * device_.multiprocessors()));
  }

  std::array<Count, kCounters> read() {
    return device_.read<std::array<Count, kCounters>>(counters_, "reading counts of folds");
  }

  std::array<Count, kCounters> one_sweep(int radius, Count bad_words) {
    const cudaStream_t stream = device_.stream();
    const std::int64_t side = 2 * radius + 1;
    std::int64_t most = std::min(static_cast<std::int64_t>(bad_words) * 3 * side * side,
                                 f_.all_words());  // words that relaxation can reach
    auto* const around = around_.bits.as<unsigned>();
    auto* const around_list = around_.list.as<unsigned>();
    auto* const touched = touched_.bits.as<unsigned>();
    auto* const touched_list = touched_.list.as<unsigned>();
    Count* const around_count = counters_ + kAroundWords;
    Count* const touched_count = counters_ + kTouchedWords;
    check(cudaMemsetAsync(around_count, 0, 2 * sizeof(Count), stream), "clearing counts of folds");
    dilate<<<grid(static_cast<std::int64_t>(bad_words) / kWarps + 1), kThreads, 0, stream>>>(
        f_, bad_, bad_list_.as<unsigned>(), counters_ + kBadWords, radius, around, around_list,
        around_count);
    if (most > kGuessedWords) most = static_cast<std::int64_t>(read()[kAroundWords]);
    const unsigned blocks = grid(most / kWarps + 1);
    {
      const ops::Array relaxed =
          device_.allocate(static_cast<std::size_t>(most) * 32 * sizeof(std::uint64_t));
      relax<<<blocks, kThreads, 0, stream>>>(f_, around, around_list, around_count,
                                             relaxed.as<std::uint64_t>());
      store_relaxed<<<blocks, kThreads, 0, stream>>>(f_, around, around_list, around_count,
                                                     relaxed.as<std::uint64_t>());
    }
    dilate<<<blocks, kThreads, 0, stream>>>(f_, around, around_list, around_count, 1, touched,
                                            touched_list, touched_count);
    check(cudaMemsetAsync(counters_, 0, 2 * sizeof(Count), stream), "clearing counts of folds");
    check_again<<<blocks, kThreads, 0, stream>>>(f_, touched, touched_list, touched_count, minimum_,
                                                 bad_, bad_list_.as<unsigned>(),
                                                 counters_ + kBadWords, counters_ + kBadVoxels);
    clear_words<<<blocks, kThreads, 0, stream>>>(around, around_list, around_count);
    clear_words<<<blocks, kThreads, 0, stream>>>(touched, touched_list, touched_count);
    check_launch("repairing folds");
    return read();
  }

  static constexpr std::int64_t kGuessedWords = std::int64_t{1} << 18;  ///< 64 MiB relaxed

  Device& device_;
  const ops::RepairArgs& args_;
  const FoldField f_;
  const float minimum_;
  unsigned* const bad_;
  ops::Array counter_array_;
  Count* const counters_;
  ops::Array bad_list_;
  VoxelSet around_, touched_;
};

float minimum_steps(const ops::RepairArgs& args) {
  return args.minimum * kIdentitySteps * kIdentitySteps * kIdentitySteps;
}

/// One sweep of a slab whose neighbours are others' (ops::Backend::relax_marked): the words of the
/// range around the marked voxels of all planes stored.
class SlabSweep {
 public:
  SlabSweep(Device& device, const ops::RepairArgs& args, int radius)
      : device_(device),
        args_(args),
        f_(args.displacement.packed),
        counter_array_(device.allocate(kCounters * sizeof(Count))),
        counters_(counter_array_.as<Count>()),
        list_(device.allocate(static_cast<std::size_t>(f_.all_words()) * sizeof(unsigned))),
        around_(device, f_.all_words()) {
    const cudaStream_t stream = device.stream();
    check(cudaMemsetAsync(counters_, 0, counter_array_.bytes(), stream),
          "clearing counts of folds");
    list_words<<<grid(f_.all_words() / kThreads + 1), kThreads, 0, stream>>>(
        args.marks, 0, f_.all_words(), list_.as<unsigned>(), counters_ + kBadWords);
    dilate<<<grid(f_.all_words() / kWarps + 1), kThreads, 0, stream>>>(
        f_, args.marks, list_.as<unsigned>(), counters_ + kBadWords, radius,
        around_.bits.as<unsigned>(), around_.list.as<unsigned>(), counters_ + kAroundWords);
    // Of the range alone.
    check(cudaMemsetAsync(counters_, 0, counter_array_.bytes(), stream),
          "clearing counts of folds");
    list_words<<<grid((end_word() - first_word()) / kThreads + 1), kThreads, 0, stream>>>(
        around_.bits.as<unsigned>(), first_word(), end_word(), around_.list.as<unsigned>(),
        counters_ + kAroundWords);
    check_launch("listing folds");
    words_ = static_cast<std::int64_t>(read(kAroundWords));
  }

  void relax_range() {
    if (words_ == 0) return;
    const ops::Array relaxed =
        device_.allocate(static_cast<std::size_t>(words_) * 32 * sizeof(std::uint64_t));
    const unsigned blocks = grid(words_ / kWarps + 1);
    relax<<<blocks, kThreads, 0, device_.stream()>>>(f_, around_.bits.as<unsigned>(),
                                                     around_.list.as<unsigned>(), around_count(),
                                                     relaxed.as<std::uint64_t>());
    store_relaxed<<<blocks, kThreads, 0, device_.stream()>>>(
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
    check_again<<<grid(words_ / kWarps + 1), kThreads, 0, device_.stream()>>>(
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
  const Count* around_count() const { return counters_ + kAroundWords; }
  unsigned grid(std::int64_t blocks) const {
    return static_cast<unsigned>(
        std::clamp<std::int64_t>(blocks, 1, std::int64_t{16} * device_.multiprocessors()));
  }
  Count read(Counter which) {
    return device_.read<Count>(counters_ + which, "reading counts of folds");
  }

  Device& device_;
  const ops::RepairArgs& args_;
  const FoldField f_;
  ops::Array counter_array_;
  Count* const counters_;
  ops::Array list_;
  VoxelSet around_;
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

std::int64_t find_folds(Device& device, const ops::RepairArgs& args) {
  const ops::SlabView<std::uint64_t>& u = args.displacement.packed;
  const FoldField field(u);
  if (args.range.begin >= args.range.end || field.all_words() == 0) return 0;
  const float minimum = minimum_steps(args);
  const ops::Array found = device.allocate(sizeof(Count));
  check(cudaMemsetAsync(found.data(), 0, found.bytes(), device.stream()),
        "clearing a count of folds");
  const auto begin = static_cast<int>(args.range.begin - u.extent.z_begin),
             end = static_cast<int>(args.range.end - u.extent.z_begin);
  const dim3 grid(blocks_for(field.nx, kFoldColumns), blocks_for(field.ny, kFoldRows),
                  blocks_for(end - begin, kFoldPlanes));
  mark_folds<<<grid, dim3(kFoldColumns, kFoldWarps), 0, device.stream()>>>(
      field, begin, end, minimum, args.marks, found.as<Count>());
  check_launch("looking for folds");
  return static_cast<std::int64_t>(device.read<Count>(found.data(), "reading a count of folds"));
}

std::int64_t relax_folds(Device& device, const ops::RepairArgs& args, std::int64_t found) {
  const FoldField field(args.displacement.packed);
  if (args.range.begin >= args.range.end || field.all_words() == 0 || found == 0) return found;
  if (field.all_words() > std::int64_t{0xffffffff})
    throw Error(ErrorCode::does_not_fit,
                "The volume has too many voxels for the repair of folds on a GPU.", "--device");
  return Repair(device, args, field, minimum_steps(args)).run(static_cast<Count>(found));
}

ops::FoldRepair repair_folds(Device& device, const ops::RepairArgs& args) {
  const Range range("repair_folds");
  const auto words = static_cast<std::size_t>(FoldField(args.displacement.packed).all_words());
  const ops::Array marks = device.allocate(words * sizeof(std::uint32_t));
  ops::RepairArgs marked = args;
  marked.marks = marks.as<std::uint32_t>();
  ops::FoldRepair report;
  report.found = find_folds(device, marked);
  report.remaining = relax_folds(device, marked, report.found);
  return report;
}

}  // namespace gigawarp::cuda
