#pragma once
#include "bench/problem.h"
#include "bench/stopwatch.h"
#include "ops/backend.h"

namespace gigawarp::bench {

/// One row per operation of the backend, on the state of the greedy solver, then one per full
/// iteration of each metric of `spec`.
void measure_solver_operations(const Problem& problem, const Spec& spec, ops::Backend& backend,
                               Stopwatch& stopwatch);

/// One row per operation on whole displacement fields in mm: apply, compose, Jacobian, inverse.
void measure_field_operations(const Problem& problem, Stopwatch& stopwatch);

}  // namespace gigawarp::bench
