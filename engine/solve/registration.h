#pragma once
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/time_sum.h"
#include "gigawarp/job.h"
#include "gigawarp/progress.h"
#include "gigawarp/transform.h"
#include "gigawarp/volume_feed.h"

namespace gigawarp::ops {
class Backend;
}

namespace gigawarp::solve {

/// Where a run stands; with the arrays saved beside it, enough to go on and get the same bits.
struct Position {
  int stage = 0;  ///< index in JobSpec::stages; -1: initialisation done, nothing else
  int level = 0;
  int iteration = 0;  ///< completed iterations of that level
  /// Small state by name: "affine" (12), "losses", optimiser scalars. Doubles survive exactly.
  std::map<std::string, std::vector<double>> numbers;
};

/// Arrays go to checkpoints and come back in pieces of this many bytes, the last one shorter.
inline constexpr std::size_t kArrayPiece = std::size_t{32} << 20U;

/// body(begin, count) for every piece of an array, in order.
template <class Body>
void for_each_piece(std::size_t bytes, const Body& body) {
  for (std::size_t begin = 0; begin < bytes; begin += kArrayPiece)
    body(begin, std::min(kArrayPiece, bytes - begin));
}

/// An array of a checkpoint, wherever it lies: no copy of the whole is made.
struct ArrayRef {
  std::string name;  ///< "u", "m", "v"
  std::size_t bytes;
  /// Copies bytes [begin, begin + count) to `out`: for_each_piece(), in order. Where another
  /// process collects them (RankStore), `out` is null.
  std::function<void(std::size_t begin, std::size_t count, std::byte* out)> read;
};

/// Takes bytes [begin, begin + count) of an array.
using ArraySink = std::function<void(std::size_t begin, std::size_t count, const std::byte* data)>;

/// Keeps checkpoints of one run. The job module implements it over files.
class CheckpointStore {
 public:
  virtual ~CheckpointStore() = default;
  /// True when a checkpoint is wanted now (a minute has passed, or one was asked for).
  virtual bool due() = 0;
  /// Replaces the previous checkpoint atomically. Reads every array to its end, whatever it keeps
  /// of it, unless it throws: other processes may take part. Throws Error{output_not_written}.
  virtual void save(const Position& position, std::span<const ArrayRef> arrays) = 0;
  /// The checkpoint to resume from, if any.
  virtual std::optional<Position> position() = 0;
  /// Hands out an array of that checkpoint in pieces, in order (for_each_piece()); throws
  /// Error{bad_input} when its size or, at the end, its checksum is wrong.
  virtual void load(const std::string& name, std::size_t bytes, const ArraySink& sink) = 0;
};

/// Looks at a run while it goes on.
class PreviewSink {
 public:
  virtual ~PreviewSink() = default;
  /// True when somebody wants to see the run now; asked at every iteration.
  virtual bool due() = 0;
  /// About how many voxels a displacement may have; finer ones are thinned out.
  virtual std::int64_t largest_voxels() const = 0;
  /// The alignment reached so far; `displacement_mm` is null in a linear stage. With two half-way
  /// maps it is their difference, right to first order.
  virtual void show(const Affine& moving_from_fixed, const DisplacementField* displacement_mm) = 0;
};

/// How a run talks to the outside. All members may be empty.
struct RunControl {
  ProgressSink* progress = nullptr;
  std::stop_token stop;  ///< looked at every iteration: throws Error{cancelled} after a checkpoint
  /// Called after every iteration, or a few where the back end runs ahead; blocks while paused.
  std::function<void()> pause_gate;
  CheckpointStore* checkpoints = nullptr;
  PreviewSink* preview = nullptr;
  /// Leave the displacements where they are: RegistrationOutput::forward and inverse in place of
  /// forward_mm and inverse_mm.
  bool leave_fields = false;
};

/// Masks are on the grids of their images, any type, non-zero counts. A volume that is no
/// whole() one is never held in host memory, except at a full level on the CPU.
struct RegistrationInput {
  std::vector<ImageInput> fixed;
  std::vector<ImageInput> moving;
  ImageInput fixed_mask, moving_mask;               ///< empty: none
  std::vector<std::pair<Vec3, Vec3>> landmarks_mm;  ///< fixed, moving
  std::optional<Affine> initial;                    ///< moving_from_fixed, world
};

struct LevelReport {
  std::string stage;
  int shrink = 1;
  int iterations = 0;
  bool converged = false;
  double first_loss = 0, last_loss = 0;
  double seconds = 0;
  double ns_per_voxel_iteration = 0;
  std::vector<double> losses;
};

/// phi(x) = affine(x + forward(x)), fixed to moving; `inverse` satisfies
/// (id + inverse) o (id + forward) = id on the fixed grid, so that the inverse map is
/// x + inverse(x) after affine^-1. Both lie on the fixed grid, or on that of the finest level with
/// WarpGrid::level. Fields are absent when no deformable stage ran.
struct RegistrationOutput {
  Affine moving_from_fixed;
  std::optional<DisplacementField> forward_mm;
  std::optional<DisplacementField> inverse_mm;
  /// With RunControl::leave_fields: the same, 3 channels of f32, of which planes are had as they
  /// are asked for; in the memory of the GPU as long as this lives. A caller's back end must
  /// outlive it.
  std::shared_ptr<const VolumeFeed> forward, inverse;
  /// Where several processes hold them, the others wait until this is called: nothing of the fields
  /// is read afterwards. May be empty.
  std::function<void()> release;
  std::vector<LevelReport> levels;
  std::vector<std::string> warnings;
  std::vector<std::string> notes;  ///< what was done otherwise than one would expect
  double upload_seconds = 0;       ///< of the images, to a GPU
  /// From the GPU; forward and inverse add to it as they are read.
  std::shared_ptr<TimeSum> transfer_time = std::make_shared<TimeSum>();
  std::string device;                   ///< that it ran on: "cpu", "cuda:0"
  std::uint64_t device_peak_bytes = 0;  ///< of a GPU's memory
};

/// Runs every stage of the job. Inputs are used as given (no reordering). Throws Error.
RegistrationOutput register_volumes(const RegistrationInput& input, const JobSpec& job,
                                    const RunControl& control);
/// The same on a back end of the caller's; the job's device is not looked at.
RegistrationOutput register_volumes(const RegistrationInput& input, const JobSpec& job,
                                    const RunControl& control, ops::Backend& backend);

}  // namespace gigawarp::solve
