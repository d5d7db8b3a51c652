#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "solve/registration.h"

namespace gigawarp::test {

/// Keeps checkpoints in memory; asks for one after `when` looks.
class MemoryStore : public solve::CheckpointStore {
 public:
  explicit MemoryStore(int when) : when_(when) {}
  bool due() override { return ++looks_ == when_; }
  void save(const solve::Position& position, std::span<const solve::ArrayRef> arrays) override {
    std::map<std::string, std::vector<std::byte>> read;
    for (const auto& a : arrays) {
      read[a.name].resize(a.bytes);
      solve::for_each_piece(a.bytes, [&](std::size_t begin, std::size_t count) {
        a.read(begin, count, read[a.name].data() + begin);
      });
    }
    if (frozen_) return;
    position_ = position;
    arrays_ = std::move(read);
    if (looks_ >= when_) {  // as if the process had been killed right after
      frozen_ = true;
      killed_.request_stop();
    }
  }
  /// For a run that shall end there, and not go on for what is thrown away.
  std::stop_token killed() const { return killed_.get_token(); }
  std::optional<solve::Position> position() override { return position_; }
  void load(const std::string& name, std::size_t bytes, const solve::ArraySink& sink) override {
    const auto& a = arrays_.at(name);
    ASSERT_EQ(a.size(), bytes);
    solve::for_each_piece(
        bytes, [&](std::size_t begin, std::size_t count) { sink(begin, count, a.data() + begin); });
  }
  void thaw() {
    frozen_ = false;
    when_ = -1;
  }
  bool has_frozen() const { return frozen_; }

 private:
  int when_, looks_ = 0;
  bool frozen_ = false;
  std::stop_source killed_;
  std::optional<solve::Position> position_;
  std::map<std::string, std::vector<std::byte>> arrays_;
};

}  // namespace gigawarp::test
