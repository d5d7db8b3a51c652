#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ops/backend.h"

/// What one rank of a registration over several processes brings along (shard/rank_backend.h).
namespace gigawarp::ops {

/// Addresses for whole arrays, of which only those parts have memory that were asked for. So views
/// and operations stay as they are, and a rank holds what it needs of a volume and no more.
class SparseMemory {
 public:
  virtual ~SparseMemory() = default;
  /// Addresses for `bytes` bytes, without memory.
  virtual Array reserve(std::size_t bytes) = 0;
  /// Memory behind [from, from + bytes), whole pages; zero where there was none. `from` lies in an
  /// array of reserve(). Throws Error{does_not_fit}.
  virtual void commit(std::byte* from, std::size_t bytes) = 0;
  /// Largest number of bytes committed at once since the last forget_peak().
  virtual std::uint64_t peak_bytes() const = 0;
  virtual void forget_peak() = 0;
};

/// Moments in the work of a processor, in the order of that work.
class WorkClock {
 public:
  virtual ~WorkClock() = default;
  /// When what has been asked for so far is done.
  virtual std::size_t mark() = 0;
  /// Between two marks whose work is done.
  virtual double seconds(std::size_t from, std::size_t to) const = 0;
  virtual void forget_marks() = 0;
};

/// Whether the derivative goes into PlaneSums::gradient and moment; otherwise those are zero.
inline bool takes_linear_sums(const GradientTarget& target) {
  return target.wanted && !target.field && !target.intensity;
}

/// A slab in pieces: first those that others want planes of.
struct CutRange {
  std::vector<ZRange> border;
  ZRange rest;  ///< may be empty
  /// To be called when the border has been asked for, and before the rest is.
  std::function<void()> border_is_asked_for;
};

/// The operations of a back end that wait for numbers, over a range in pieces and with one wait at
/// the end. Each gives what it gives over args.range, and leaves what it leaves: sums are exact, or
/// taken by segments that lie within one piece.
class CutWork {
 public:
  virtual ~CutWork() = default;
  virtual void warp(const WarpArgs& args, const CutRange& cut, std::vector<PlaneSums>& sums) = 0;
  virtual void lncc(const LnccArgs& args, const CutRange& cut, std::vector<PlaneSums>& sums) = 0;
  virtual void mse(const MseArgs& args, const CutRange& cut, std::vector<PlaneSums>& sums) = 0;
  virtual float direction(const DirectionArgs& args, const CutRange& cut) = 0;
  virtual double keep_common(const SlabView<float>& a, const SlabView<float>& b,
                             const CutRange& cut) = 0;
};

/// The pieces of one operation, one after another: body(range).
template <class Body>
void in_pieces(const CutRange& cut, const Body& body) {
  for (const ZRange& piece : cut.border) body(piece);
  cut.border_is_asked_for();
  if (cut.rest.begin < cut.rest.end) body(cut.rest);
}
/// The same with the arguments of each: body(args).
template <class Args, class Body>
void in_pieces(const Args& args, const CutRange& cut, const Body& body) {
  in_pieces(cut, [&](ZRange range) {
    Args piece = args;
    piece.range = range;
    body(piece);
  });
}

struct RankParts {
  std::unique_ptr<Backend> backend;
  std::unique_ptr<SparseMemory> memory;
  std::unique_ptr<WorkClock> clock;
  /// Null: `backend` is asked piece by piece, and may wait after each.
  std::unique_ptr<CutWork> cut_work;
  /// Pieces of a slab that begin or end at multiples of so many planes are worth a start of their
  /// own.
  std::int64_t least_piece = 1;
  std::string name;         ///< of the processor: "cpu", "cuda:1"
  double memory_bytes = 1;  ///< that may be used; ranks get planes in proportion
  /// Volumes below this many voxels are worth no messages: every rank computes all of them.
  std::int64_t small_voxels = 0;
  int planes_ahead = 0;    ///< that kernels load beyond what they use
  void* stream = nullptr;  ///< cudaStream_t of the back end's work; null on the host
  /// Takes what the host calls again and again while it waits for the stream: what another rank was
  /// to send may never come, and then that throws. Null on the host.
  std::function<void(std::function<void()>)> look_while_waiting;
  int device = -1;  ///< CUDA number; -1 on the host
};

/// The CPU of this process. Definition: shard/.
RankParts make_host_rank();

/// What tells a GPU, by its CUDA number, from all others, in every process that sees it; empty
/// where there is none. Takes no memory of it. Definition: cuda/, or stub/.
std::string gpu_identity(int device);

/// A GPU by its CUDA number, with `memory_bytes` of its memory (0: what is free). Throws
/// Error{device_fault} with the reason. Definition: cuda/, or stub/ in builds without CUDA.
RankParts make_cuda_rank(int device, std::uint64_t memory_bytes);

}  // namespace gigawarp::ops
