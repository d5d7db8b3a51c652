#pragma once
#include <functional>
#include <span>

#include "solve/stages.h"

namespace gigawarp::solve {

/// What one iteration of a deformable stage did.
struct Iteration {
  double loss = 0;
  double step_voxels = 0;
  ops::FoldRepair folds;
};

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

/// Calls `iterate(i)` until the level's iterations are used up or the loss has levelled off, and
/// sends events, honours pause, cancel and checkpoints, and files the level's report.
void run_level(Run& run, const LevelPlan& plan, const std::function<Iteration(int)>& iterate,
               const std::function<std::vector<ArrayRef>()>& arrays,
               const std::function<ShownField()>& shown);

}  // namespace gigawarp::solve
