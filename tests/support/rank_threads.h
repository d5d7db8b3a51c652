#pragma once
#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "ops/rank_parts.h"
#include "shard/communicator.h"
#include "shard/rank_backend.h"

namespace gigawarp::test {

/// One rank of a registration whose ranks are threads.
struct Rank {
  shard::Communicator& communicator;
  ops::Backend& backend;
  int number() const { return communicator.rank(); }
};

using MakeParts = std::function<ops::RankParts(int rank)>;
using MakeExchange =
    std::function<std::unique_ptr<shard::Exchange>(shard::Communicator&, ops::RankParts&)>;

/// A rank that cuts however thin a slab is.
inline ops::RankParts thin_pieces() {
  ops::RankParts parts = ops::make_host_rank();
  parts.least_piece = 1;
  return parts;
}

/// body(rank) on `count` threads at once; then throws what the lowest rank that failed threw.
inline void on_ranks(
    int count, const std::function<void(Rank&)>& body,
    const MakeParts& parts = [](int) { return ops::make_host_rank(); },
    const MakeExchange& exchange = [](shard::Communicator& c,
                                      ops::RankParts&) { return shard::make_host_exchange(c); }) {
  const auto communicators = shard::make_thread_communicators(count);
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(count));
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      shard::Communicator& communicator = *communicators[static_cast<std::size_t>(i)];
      try {
        ops::RankParts own = parts(i);
        const auto carrier = exchange(communicator, own);
        const auto backend = shard::make_rank_backend(std::move(own), communicator, *carrier);
        Rank rank{communicator, *backend};
        body(rank);
      } catch (const Error& error) {
        errors[static_cast<std::size_t>(i)] = std::current_exception();
        communicator.fail(error.code(), error.what());
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

}  // namespace gigawarp::test
