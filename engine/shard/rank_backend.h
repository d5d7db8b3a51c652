#pragma once
#include <memory>

#include "ops/rank_parts.h"
#include "shard/communicator.h"

namespace gigawarp::shard {

/// The back end of one rank of a registration over several processes, to the bits of one: all ranks
/// run the same solver, each computes the slab of planes that is its own, and gets from the others
/// the planes around it that an operation reads. What a rank holds does not grow with their number.
///
/// Bits are those of one device for the reasons given in grid_backend.cpp. Every rank sees the same
/// sums, histograms and maxima, so that all take the same decisions.
///
/// An error of one rank ends the run on all with its sentence. The communicator and the exchange
/// must outlive the back end.
std::unique_ptr<ops::Backend> make_rank_backend(ops::RankParts parts, Communicator& communicator,
                                                Exchange& exchange);

}  // namespace gigawarp::shard
