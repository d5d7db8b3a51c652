#include "app/join_ranks.h"

#include <iostream>

#include "gigawarp/error.h"

namespace gigawarp::app {

std::unique_ptr<job::Ranks> join_ranks(const std::string& device) {
  if (!job::is_for_ranks(device)) return nullptr;
  auto ranks = std::make_unique<job::Ranks>();
  ranks->communicator().on_last_words(
      [](const Error& error) { std::cerr << "gigawarp: " << error.what() << std::endl; });
  return ranks;
}

void on_all_ranks(const job::Ranks* ranks, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    if (ranks == nullptr) throw;
    ranks->fail(error);
    if (!ranks->is_first()) throw Error(error.code(), "");
    throw;
  }
}

}  // namespace gigawarp::app
