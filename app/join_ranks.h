#pragma once
#include <functional>
#include <memory>
#include <string>

#include "job/ranks.h"

namespace gigawarp::app {

/// The processes that mpirun started, where `device` is theirs ("mpi"); null otherwise.
std::unique_ptr<job::Ranks> join_ranks(const std::string& device);

/// body() in all of them, or alone where there are none. What one throws ends the others, and the
/// first says it.
void on_all_ranks(const job::Ranks* ranks, const std::function<void()>& body);

}  // namespace gigawarp::app
