#pragma once
#include <functional>
#include <span>

#include "solve/stages.h"

namespace gigawarp::solve {

/// One level of a deformable stage: where it stands, and what it runs on.
struct LevelPlan {
  int stage = 0, level = 0, levels = 1;
  LevelSpec spec;
  LevelGrid grid;
  double cost = 1;                   ///< of an iteration, in greedy iterations
  const Position* resume = nullptr;  ///< when the run continues inside this level
};

/// The displacement of a level as a preview shows it: `plus` minus `minus`, which may be empty.
struct ShownField {
  ops::FieldView plus, minus;
};

/// Calls `begin(i)` until the level's iterations are used up or the loss has levelled off, and
/// sends events, honours pause, cancel and checkpoints, and files the level's report.
///
/// Whether the loss has levelled off is looked at after every kLossStride-th iteration, so that a
/// back end that runs ahead (Backend::steps_ahead()) takes the same number of them as one that does
/// not. It runs ahead by a tenth of a second at most; whoever wants to stop, pause, save or see is
/// served where the iterations stand.
constexpr int kLossStride = 8;
void run_level(Run& run, const LevelPlan& plan, const std::function<BegunIteration(int)>& begin,
               const std::function<std::vector<ArrayRef>()>& arrays,
               const std::function<ShownField()>& shown);

}  // namespace gigawarp::solve
