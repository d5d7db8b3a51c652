#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ops/step.h"

/// Whole iterations of a grid of devices (Backend::begin_step()) without the host's seeing a number
/// in between: members leave their numbers where all can read them, and each adds up for itself
/// what it needs of all. Integers and maxima are exact whatever the order, so all get the same.
namespace gigawarp::ops {

/// What the members do of a step before they wait for one another again.
struct StepPart {
  enum class Kind {
    meet,           ///< both volumes of one channel are sampled, and the voxels both reach counted
    measure,        ///< what a gradient needs of all voxels: histograms, the count of MSE
    differentiate,  ///< gradients; LNCC's values with them
    direct,         ///< smoothing and moments of all sides
    compose,        ///< one of StepArgs::parts
    find_folds,
    relax_folds  ///< by the first member alone: a few voxels, each sweep needs the one before
  };
  Kind kind = Kind::meet;
  std::size_t first_channel = 0, end_channel = 0;  ///< of the first three
  int part = 1;                                    ///< of compose, from 1
};

/// A step over several members: who does what, and where they leave what others need.
struct GridStep {
  const StepArgs& args;
  std::vector<ZRange> slabs;  ///< of each member; may be empty
  int slot = 0;
  /// Of each member `area_step` bytes in its own memory, one after another, which all can read.
  std::byte* areas = nullptr;
  std::size_t area_step = 0;
  std::array<std::uint32_t*, 2> marks{};  ///< of each side, RepairArgs::marks; none without repair
  std::uint32_t* fold_lists = nullptr;    ///< scratch: kFoldLists times as many words
  static constexpr std::size_t kFoldLists = 5;
};

/// The members' processors. queue() of different members may be called at once.
class GridSteps {
 public:
  virtual ~GridSteps() = default;
  /// How many steps may be begun before the first is finished.
  virtual int steps_ahead() const = 0;
  /// False for what has to go operation by operation.
  virtual bool can_queue(const StepArgs& args) const = 0;
  /// Bytes of a member's area.
  virtual std::size_t area_bytes(const StepArgs& args) const = 0;
  /// Before the first part, and in one with it for who waits for others.
  virtual void begin(std::size_t member, const GridStep& step) = 0;
  /// The member's share of a part, done after what it was asked for before.
  virtual void queue(std::size_t member, const GridStep& step, const StepPart& part) = 0;
  /// What the member has left of the step follows to the host.
  virtual void queue_numbers(std::size_t member, const GridStep& step) = 0;
  /// Waits until it is there.
  virtual void wait(std::size_t member, int slot) = 0;
  /// Of all members, which have been waited for.
  virtual StepNumbers numbers(int slot) = 0;
};

}  // namespace gigawarp::ops
