#pragma once
#include <vector>

#include "ui/models/view_state.h"

namespace gigawarp::ui {

/// Where the views have looked, to go back and forward.
class ViewHistory {
 public:
  /// Takes note of a place; what lay ahead is forgotten.
  void visit(const ViewState& view) {
    if (!places_.empty() && places_[at_] == view) return;
    if (!places_.empty()) places_.resize(at_ + 1);
    places_.push_back(view);
    if (places_.size() > kLongest) places_.erase(places_.begin());
    at_ = places_.size() - 1;
  }
  bool can_go_back() const { return at_ > 0; }
  bool can_go_forward() const { return at_ + 1 < places_.size(); }
  const ViewState& back() { return places_[--at_]; }
  const ViewState& forward() { return places_[++at_]; }

 private:
  static constexpr std::size_t kLongest = 200;
  std::vector<ViewState> places_;
  std::size_t at_ = 0;
};

}  // namespace gigawarp::ui
