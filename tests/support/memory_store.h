#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
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
    if (frozen_) return;
    position_ = position;
    arrays_.clear();
    for (const auto& a : arrays) arrays_[a.name].assign(a.data, a.data + a.bytes);
    if (looks_ >= when_) frozen_ = true;  // as if the process had been killed right after
  }
  std::optional<solve::Position> position() override { return position_; }
  void load(const std::string& name, std::byte* out, std::size_t bytes) override {
    const auto& a = arrays_.at(name);
    ASSERT_EQ(a.size(), bytes);
    std::copy(a.begin(), a.end(), out);
  }
  void thaw() {
    frozen_ = false;
    when_ = -1;
  }
  bool has_frozen() const { return frozen_; }

 private:
  int when_, looks_ = 0;
  bool frozen_ = false;
  std::optional<solve::Position> position_;
  std::map<std::string, std::vector<std::byte>> arrays_;
};

}  // namespace gigawarp::test
