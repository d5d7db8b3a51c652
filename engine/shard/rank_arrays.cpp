#include "shard/rank_arrays.h"

#include <algorithm>
#include <utility>

#include "gigawarp/error.h"
#include "gigawarp/volume.h"
#include "shard/partition.h"

namespace gigawarp::shard {
namespace {

/// Shares of arrays whose shape is not known begin at multiples of this.
constexpr std::size_t kShareGranularity = 4096;
/// On its way to rank 0 at once.
constexpr std::size_t kDownloadBytes = std::size_t{8} << 20U;

Bytes clipped(Bytes a, Bytes b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

/// For destructors: after a fault of the GPU nothing runs there any more.
template <class Body>
void quietly(const Body& body) {
  try {
    body();
  } catch (const Error&) {  // told where it came up
  }
}

}  // namespace

RankArrays::RankArrays(ops::RankParts& parts, Communicator& communicator, Exchange& exchange,
                       std::vector<double> shares)
    : parts_(parts), communicator_(communicator), exchange_(exchange), shares_(std::move(shares)) {}

ops::Array RankArrays::allocate(std::size_t bytes) {
  auto memory =
      std::make_shared<ops::Array>(parts_.memory->reserve(std::max<std::size_t>(bytes, 1)));
  auto array = std::make_shared<RankArray>(next_id_++, bytes);
  array->base = memory->data();
  arrays_[array->base] = array;
  return {array->base, bytes, [this, memory](std::byte* p) mutable {
            quietly([&] { settle(); });  // where a rank has failed, they never come
            quietly([&] { parts_.backend->synchronise(); });
            arrays_.erase(p);
            memory.reset();
          }};
}

Span RankArrays::span(const void* from, std::size_t bytes) const {
  const auto* const at = static_cast<const std::byte*>(from);
  auto next = arrays_.upper_bound(at);
  if (next != arrays_.begin()) {
    RankArray& array = *std::prev(next)->second;
    const auto begin = static_cast<std::size_t>(at - array.base);
    if (begin + bytes <= array.directory.bytes()) return {&array, {begin, begin + bytes}};
  }
  throw Error(ErrorCode::internal, "An address is of no array that the ranks share.");
}

RankArray* RankArrays::find(std::uint64_t id) const {
  const auto found = std::find_if(arrays_.begin(), arrays_.end(),
                                  [&](const auto& entry) { return entry.second->id == id; });
  return found != arrays_.end() ? found->second.get() : nullptr;
}

Span RankArrays::planes(const void* data, const ops::Extent& e, std::size_t element,
                        std::int64_t begin, std::int64_t end) const {
  begin = std::max(begin, e.z_begin);
  end = std::min(end, e.z_end);
  if (begin >= end) return {};
  const auto first = static_cast<std::size_t>(e.offset(0, begin)) * element,
             count = static_cast<std::size_t>((end - begin - 1) * e.stride_z +
                                              (e.ny - 1) * e.stride_y + e.nx) *
                     element;
  return span(static_cast<const std::byte*>(data) + first, count);
}

RankArrays::Transfers RankArrays::lacking(const std::vector<Access>& access) const {
  Transfers transfers;
  std::vector<Transfer> of_span;
  for (int r = 0; r < size(); ++r)
    for (const Span& read : access[static_cast<std::size_t>(r)].reads) {
      if (read.array == nullptr) continue;
      of_span.clear();
      read.array->directory.need(r, read.bytes, of_span);
      for (const Transfer& t : of_span) transfers.emplace_back(read.array, t);
    }
  return transfers;
}

void RankArrays::give_memory(const Access& own) const {
  for (const auto* list : {&own.reads, &own.writes, &own.loads})
    for (const Span& part : *list)
      if (part.array != nullptr)
        parts_.memory->commit(part.array->base + part.bytes.begin,
                              part.bytes.end - part.bytes.begin);
}

RankArrays::Messages RankArrays::messages_of(const Transfers& transfers) {
  Messages messages;
  for (const auto& [array, t] : transfers) {
    std::byte* const data = array->base + t.bytes.begin;
    const std::size_t bytes = t.bytes.end - t.bytes.begin;
    if (t.from == rank()) messages.sends.push_back({t.to, data, bytes});
    if (t.to == rank()) {
      messages.receives.push_back({t.from, data, bytes});
      received_bytes_ += bytes;
    }
    array->directory.arrived();
  }
  return messages;
}

void RankArrays::prepare(const std::vector<Access>& access) {
  settle();
  const Transfers transfers = lacking(access);
  give_memory(access[static_cast<std::size_t>(rank())]);
  if (transfers.empty()) return;
  const Messages messages = messages_of(transfers);
  has_exchanged_ = true;
  exchange_(messages.sends, messages.receives);
}

void RankArrays::send_ahead(const std::vector<Access>& access) {
  settle();
  const Transfers transfers = lacking(access);
  if (transfers.empty()) return;
  give_memory(access[static_cast<std::size_t>(rank())]);
  const Messages messages = messages_of(transfers);
  has_exchanged_ = true;
  exchange_.begin(messages.sends, messages.receives);
  is_sending_ = true;
}

void RankArrays::note_writes(const std::vector<Access>& access, bool by_all) {
  for (int r = 0; r < size(); ++r)
    for (const Span& written : access[static_cast<std::size_t>(r)].writes) {
      if (written.array == nullptr) continue;
      ++written.array->version;
      if (by_all)
        written.array->directory.wrote_by_all(written.bytes);
      else
        written.array->directory.wrote(r, written.bytes);
    }
}

std::vector<Bytes> RankArrays::shared_out(const Span& part) const {
  const std::vector<std::size_t> borders =
      byte_borders(part.array->directory.bytes(), shares_, kShareGranularity);
  std::vector<Bytes> shares;
  for (std::size_t r = 0; r < shares_.size(); ++r)
    shares.push_back(clipped({borders[r], borders[r + 1]}, part.bytes));
  return shares;
}

Bytes RankArrays::take_share(const Span& part, const std::vector<Bytes>& shares) {
  for (int r = 0; r < size(); ++r)
    if (const Bytes b = shares[static_cast<std::size_t>(r)]; !b.empty())
      part.array->directory.wrote(r, b);
  ++part.array->version;
  const Bytes own = shares[static_cast<std::size_t>(rank())];
  if (!own.empty()) parts_.memory->commit(part.array->base + own.begin, own.end - own.begin);
  return own;
}

void RankArrays::upload(void* to, const void* host, std::size_t bytes) {
  settle();
  if (bytes == 0) return;
  const Span part = span(to, bytes);
  const Bytes own = take_share(part, shared_out(part));
  if (own.empty()) return;
  parts_.backend->upload(part.array->base + own.begin,
                         static_cast<const std::byte*>(host) + (own.begin - part.bytes.begin),
                         own.end - own.begin);
}

void RankArrays::upload_planes(void* to, std::size_t plane_bytes,
                               const std::vector<std::int64_t>& borders,
                               const std::function<void(const ops::Backend::PutPlanes&)>& bring) {
  settle();
  const auto planes = static_cast<std::size_t>(borders.back());
  if (planes * plane_bytes == 0) return;
  const Span part = span(to, planes * plane_bytes);
  const auto bytes_before = [&](std::int64_t z) {
    return part.bytes.begin + static_cast<std::size_t>(z) * plane_bytes;
  };
  std::vector<Bytes> shares;
  for (std::size_t r = 0; r + 1 < borders.size(); ++r)
    shares.push_back({bytes_before(borders[r]), bytes_before(borders[r + 1])});
  const Bytes own = take_share(part, shares);
  bring([&](std::int64_t z, std::int64_t count, const void* values) {
    if (count <= 0) return;
    const Bytes given{bytes_before(z), bytes_before(z + count)};
    if (given.begin < own.begin || given.end > own.end)
      throw Error(ErrorCode::internal, "A rank brings planes that are another's.");
    parts_.backend->upload(part.array->base + given.begin, values, given.end - given.begin);
  });
}

void RankArrays::fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) {
  settle();
  if (count <= 0) return;
  const Span part = span(to, static_cast<std::size_t>(count) * sizeof word);
  const Bytes own = take_share(part, shared_out(part));
  if (own.empty()) return;
  parts_.backend->fill_words(reinterpret_cast<std::uint64_t*>(part.array->base + own.begin), word,
                             static_cast<std::int64_t>((own.end - own.begin) / sizeof word));
}

void RankArrays::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  const Span target = span(to, bytes), source = span(from, bytes);
  const std::vector<Bytes> shares = shared_out(target);
  std::vector<Access> access(static_cast<std::size_t>(size()));
  for (std::size_t r = 0; r < access.size(); ++r) {
    if (shares[r].empty()) continue;
    const std::size_t first = shares[r].begin - target.bytes.begin + source.bytes.begin;
    access[r].reads.push_back({source.array, {first, first + (shares[r].end - shares[r].begin)}});
    access[r].writes.push_back({target.array, shares[r]});
  }
  prepare(access);
  const Access& own = access[static_cast<std::size_t>(rank())];
  if (!own.writes.empty()) {
    const Bytes b = own.writes.front().bytes;
    parts_.backend->copy(target.array->base + b.begin,
                         source.array->base + own.reads.front().bytes.begin, b.end - b.begin);
  }
  note_writes(access, false);
}

void RankArrays::download(void* host, const void* from, std::size_t bytes) {
  settle();
  if (bytes == 0) return;
  const Span part = span(from, bytes);
  constexpr int kRoot = 0;
  std::vector<std::byte> staging;
  for (const Transfer& source : part.array->directory.sources(part.bytes, kRoot))
    for (std::size_t done = source.bytes.begin; done < source.bytes.end; done += kDownloadBytes) {
      const std::size_t n = std::min(kDownloadBytes, source.bytes.end - done);
      std::byte* const data = part.array->base + done;
      std::byte* const target = static_cast<std::byte*>(host) + (done - part.bytes.begin);
      std::vector<Message> sends, receives;
      if (source.from == rank()) {
        parts_.memory->commit(data, n);
        if (rank() == kRoot) {
          parts_.backend->download(target, data, n);
        } else {
          staging.resize(n);
          parts_.backend->download(staging.data(), data, n);
          sends.push_back({kRoot, staging.data(), n});
        }
      } else if (rank() == kRoot) {
        receives.push_back({source.from, target, n});
      }
      if (source.from != kRoot) communicator_.exchange(sends, receives);
    }
}

}  // namespace gigawarp::shard
