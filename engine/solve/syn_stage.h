#pragma once
#include "solve/stages.h"

namespace gigawarp::solve {

/// Symmetric normalisation (Avants et al., Med. Image Anal. 12, 2008) in the greedy solver's terms:
/// two displacements u, w from a common middle to the fixed and the moving volume, both updated by
/// the same loss; the result is phi = (id + w) o (id + u)^-1. Costs twice the memory of the greedy
/// stage.
DeformableResult run_syn_stage(Run& run, int stage, DeformableResult previous,
                               const Position* resume);

}  // namespace gigawarp::solve
