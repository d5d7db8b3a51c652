#pragma once
#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>
#include <vector>

namespace gigawarp {

/// Which pages of an array have memory, as ranges of bytes.
class PageSet {
 public:
  using Range = std::pair<std::size_t, std::size_t>;  ///< begin, end

  /// Adds [begin, end), widened to whole pages of `page` bytes; returns what was missing.
  std::vector<Range> add(std::size_t begin, std::size_t end, std::size_t page) {
    begin = begin / page * page;
    end = (end + page - 1) / page * page;
    std::vector<Range> missing;
    auto at = ranges_.upper_bound(begin);
    if (at != ranges_.begin() && std::prev(at)->second >= begin) --at;
    std::size_t reached = begin, first = begin, last = end;
    while (at != ranges_.end() && at->first <= end) {
      if (at->first > reached) missing.emplace_back(reached, at->first);
      reached = std::max(reached, at->second);
      first = std::min(first, at->first);
      last = std::max(last, at->second);
      at = ranges_.erase(at);
    }
    if (reached < end) missing.emplace_back(reached, end);
    ranges_[first] = last;
    return missing;
  }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (const auto& [begin, end] : ranges_) sum += end - begin;
    return sum;
  }

 private:
  std::map<std::size_t, std::size_t> ranges_;  ///< begin to end, apart from one another
};

}  // namespace gigawarp
