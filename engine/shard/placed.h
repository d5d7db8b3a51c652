#pragma once
#include <cstddef>
#include <span>
#include <vector>

#include "shard/communicator.h"

namespace gigawarp::shard {

/// Messages of the same peers and lengths, one behind the other in `memory`, which is made as long
/// as they are together.
inline std::vector<Message> placed(std::span<const Message> messages,
                                   std::vector<std::byte>& memory) {
  std::size_t all = 0;
  for (const Message& m : messages) all += m.bytes;
  memory.resize(all);
  std::vector<Message> out;
  std::byte* at = memory.data();
  for (const Message& m : messages) {
    out.push_back({m.peer, at, m.bytes});
    at += m.bytes;
  }
  return out;
}

}  // namespace gigawarp::shard
