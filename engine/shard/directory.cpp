#include "shard/directory.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace gigawarp::shard {
namespace {

int nearest(const std::vector<int>& holders, int rank) {
  if (holders.empty()) return rank;  // all hold it
  return *std::min_element(holders.begin(), holders.end(),
                           [&](int a, int b) { return std::abs(a - rank) < std::abs(b - rank); });
}

bool has(const std::vector<int>& ranks, int rank) {
  return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
}

}  // namespace

Directory::Directory(std::size_t bytes) : bytes_(bytes) { parts_[0]; }

std::size_t Directory::end_of(Parts::const_iterator part) const {
  const auto next = std::next(part);
  return next == parts_.end() ? bytes_ : next->first;
}

Directory::Parts::iterator Directory::split(std::size_t at) {
  if (at >= bytes_) return parts_.end();
  const auto part = std::prev(parts_.upper_bound(at));
  if (part->first == at) return part;
  return parts_.emplace_hint(std::next(part), at, part->second);
}

void Directory::set(Bytes range, const Part& part) {
  range.end = std::min(range.end, bytes_);
  if (range.empty()) return;
  const auto last = split(range.end);
  auto first = split(range.begin);
  first->second = part;
  parts_.erase(std::next(first), last);
  merge(range);
}

void Directory::merge(Bytes range) {
  auto part = parts_.lower_bound(range.begin);
  if (part != parts_.begin()) --part;
  for (auto next = std::next(part); next != parts_.end() && next->first <= range.end;) {
    if (next->second == part->second) {
      next = parts_.erase(next);
    } else {
      part = next++;
    }
  }
}

void Directory::wrote(int rank, Bytes range) { set(range, {{rank}, {}}); }

void Directory::wrote_by_all(Bytes range) { set(range, {}); }

void Directory::need(int rank, Bytes range, std::vector<Transfer>& transfers) {
  range.end = std::min(range.end, bytes_);
  if (range.empty()) return;
  const auto last = split(range.end);
  for (auto part = split(range.begin); part != last; ++part) {
    const std::vector<int>& holders = part->second.holders;
    std::vector<int>& arriving = part->second.arriving;
    if (holders.empty() || has(holders, rank) || has(arriving, rank)) continue;
    transfers.push_back({nearest(holders, rank), rank, {part->first, end_of(part)}});
    arriving.push_back(rank);
    is_arriving_ = true;
  }
  merge(range);
}

void Directory::arrived() {
  if (!is_arriving_) return;
  for (auto& [begin, part] : parts_) {
    part.holders.insert(part.holders.end(), part.arriving.begin(), part.arriving.end());
    std::sort(part.holders.begin(), part.holders.end());
    part.arriving.clear();
  }
  is_arriving_ = false;
  merge({0, bytes_});
}

std::vector<Transfer> Directory::sources(Bytes range, int near) const {
  std::vector<Transfer> found;
  range.end = std::min(range.end, bytes_);
  if (range.empty()) return found;
  for (auto part = std::prev(parts_.upper_bound(range.begin));
       part != parts_.end() && part->first < range.end; ++part)
    found.push_back({nearest(part->second.holders, near),
                     near,
                     {std::max(part->first, range.begin), std::min(end_of(part), range.end)}});
  return found;
}

}  // namespace gigawarp::shard
