#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "ops/rank_parts.h"
#include "shard/communicator.h"
#include "shard/directory.h"

namespace gigawarp::shard {

/// What an array holds from one operation to the next; the gradient's array is the displacement's
/// in the next iteration.
enum class Content : std::uint8_t { warped, gradient, direction, displacement };

/// What was asked of such content last time. An iteration is as the one before: so the operation
/// that writes it knows how much of it the others will want (RankBackend::announce()).
struct Demand {
  std::int64_t halo = 0;             ///< planes that operations read beyond their own
  int writes = 0, writes_until = 0;  ///< since it was read last; between two reads
};

/// An array that all ranks have addresses for, of which each holds parts.
struct RankArray {
  RankArray(std::uint64_t number, std::size_t bytes) : id(number), directory(bytes) {}
  const std::uint64_t id;  ///< the same on all ranks, and never used again
  std::byte* base = nullptr;
  Directory directory;
  std::uint64_t version = 0;  ///< one more for every write
  std::array<Demand, 4> demands{};
  Demand& demand(Content content) { return demands[static_cast<std::size_t>(content)]; }
};

/// A part of such an array.
struct Span {
  RankArray* array = nullptr;
  Bytes bytes;
};

/// What one rank's share of an operation touches. `loads` are not used, but must have memory.
struct Access {
  std::vector<Span> reads, writes, loads;
};

/// The arrays of a registration over several processes: who holds what, and how it gets where it is
/// needed. All functions but `span` are called by all ranks alike.
class RankArrays {
 public:
  RankArrays(ops::RankParts& parts, Communicator& communicator, Exchange& exchange,
             std::vector<double> shares);

  ops::Array allocate(std::size_t bytes);
  /// The array around an address; a view must not leave it. Throws Error{internal}.
  Span span(const void* from, std::size_t bytes) const;
  bool is_alive(std::uint64_t id) const { return find(id) != nullptr; }
  /// By number; null when it is gone.
  RankArray* find(std::uint64_t id) const;
  /// Planes [begin, end) of a view, cut where the volume ends.
  template <class T>
  Span planes(const ops::SlabView<T>& v, std::int64_t begin, std::int64_t end) const {
    return planes(v.data, v.extent, sizeof(T), begin, end);
  }
  Span planes(const ops::ImageView& v, std::int64_t begin, std::int64_t end) const {
    return planes(v.data, v.extent, size_of(v.type), begin, end);
  }

  /// Brings every rank what it reads, and gives this one's reads and writes memory. Indexed by
  /// rank. It is there for the back end's work that is asked for from then on.
  void prepare(const std::vector<Access>& access);
  /// Begins to bring every rank what it will read next: the others are asked for it anyway when
  /// they do, so nothing depends on the guess. It is on its way until any other function here is
  /// called, and until then nobody touches it.
  void send_ahead(const std::vector<Access>& access);
  /// From here on the back end's work finds what was sent ahead.
  void settle() {
    if (std::exchange(is_sending_, false)) exchange_.finish();
  }
  /// Whether the back end's work may wait for messages, of any rank, that have begun since the last
  /// call. The same on all ranks.
  bool take_has_exchanged() { return std::exchange(has_exchanged_, false); }
  /// After the operation; `by_all`: every rank has computed the whole.
  void note_writes(const std::vector<Access>& access, bool by_all);

  /// `host` is the same on all ranks; each keeps its share.
  void upload(void* to, const void* host, std::size_t bytes);
  /// A volume of borders.back() planes, of which each rank brings and keeps those between its
  /// borders.
  void upload_planes(void* to, std::size_t plane_bytes, const std::vector<std::int64_t>& borders,
                     const std::function<void(const ops::Backend::PutPlanes&)>& bring);
  /// Rank 0 receives; elsewhere `host` is not touched.
  void download(void* host, const void* from, std::size_t bytes);
  void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count);
  void copy(void* to, const void* from, std::size_t bytes);

  /// What came to this rank otherwise.
  void count_received(std::size_t bytes) { received_bytes_ += bytes; }
  /// Of this rank, since the last call.
  std::uint64_t take_received_bytes() { return std::exchange(received_bytes_, 0); }

 private:
  Span planes(const void* data, const ops::Extent& e, std::size_t element, std::int64_t begin,
              std::int64_t end) const;
  /// Every rank's share of a part, by where in its array it lies.
  std::vector<Bytes> shared_out(const Span& part) const;
  /// Every rank is about to write its share of a part; this one's gets memory and is returned.
  Bytes take_share(const Span& part, const std::vector<Bytes>& shares);
  using Transfers = std::vector<std::pair<RankArray*, Transfer>>;
  /// What ranks lack of what they read, on its way from here on.
  Transfers lacking(const std::vector<Access>& access) const;
  void give_memory(const Access& own) const;
  struct Messages {
    std::vector<Message> sends, receives;
  };
  Messages messages_of(const Transfers& transfers);
  int size() const { return communicator_.size(); }
  int rank() const { return communicator_.rank(); }

  ops::RankParts& parts_;
  Communicator& communicator_;
  Exchange& exchange_;
  std::vector<double> shares_;
  bool is_sending_ = false;  ///< what send_ahead() has begun
  bool has_exchanged_ = false;
  std::map<const std::byte*, std::shared_ptr<RankArray>> arrays_;
  std::uint64_t next_id_ = 0;
  std::uint64_t received_bytes_ = 0;
};

}  // namespace gigawarp::shard
