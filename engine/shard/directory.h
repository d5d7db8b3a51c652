#pragma once
#include <cstddef>
#include <map>
#include <vector>

namespace gigawarp::shard {

/// A range of bytes of an array.
struct Bytes {
  std::size_t begin = 0, end = 0;
  bool empty() const { return begin >= end; }
};

/// A part of an array on its way.
struct Transfer {
  int from = 0, to = 0;
  Bytes bytes;
};

/// Which ranks hold what of one array. Every rank keeps the same directory, since all see the same
/// operations: each knows what the others lack, and nothing needs to be asked or announced.
class Directory {
 public:
  /// All hold the whole: it is zero.
  explicit Directory(std::size_t bytes);

  std::size_t bytes() const { return bytes_; }
  /// Now `rank` alone has the right content.
  void wrote(int rank, Bytes range);
  /// Every rank has computed it.
  void wrote_by_all(Bytes range);
  /// What `rank` lacks of the range and from whom it comes. It is asked for once; others can have
  /// it from there after arrived().
  void need(int rank, Bytes range, std::vector<Transfer>& transfers);
  void arrived();
  /// Parts of the range and who holds each: the nearest of the holders to `near`.
  std::vector<Transfer> sources(Bytes range, int near) const;

 private:
  struct Part {
    std::vector<int> holders;   ///< empty: all
    std::vector<int> arriving;  ///< will hold it
    friend bool operator==(const Part&, const Part&) = default;
  };
  using Parts = std::map<std::size_t, Part>;

  Parts::iterator split(std::size_t at);
  void set(Bytes range, const Part& part);
  void merge(Bytes range);
  std::size_t end_of(Parts::const_iterator part) const;

  std::size_t bytes_;
  Parts parts_;  ///< by where they begin; a part ends where the next begins
  bool is_arriving_ = false;
};

}  // namespace gigawarp::shard
