#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>

#include "io/file_support.h"

namespace gigawarp::io {

/// Sequential reader of a plain or gzip file (by its first two bytes; concatenated members are one
/// stream). Damage is found: a short stream, a wrong checksum and trailing rubbish inside a member
/// are Error{bad_input}.
class ByteReader {
 public:
  explicit ByteReader(const std::filesystem::path& path);
  /// The gzip or zlib stream that begins at `offset`; anything else there is damage.
  static ByteReader deflated(const std::filesystem::path& path, std::uint64_t offset);
  ~ByteReader();
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;
  bool compressed() const;
  /// Largest number of bytes the file can expand to: its size, or 1032 times that (deflate's
  /// bound).
  std::uint64_t upper_bound() const;
  /// Exactly `bytes` bytes; throws Error{bad_input} when the stream ends before.
  void read(std::byte* out, std::size_t bytes);
  void skip(std::uint64_t bytes);
  /// Reads to the end so that the last checksum is verified.
  void finish();

 private:
  struct State;
  explicit ByteReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes `bytes` as gzip members of 1 MiB, compressed in parallel, each naming its own length in
/// an extra field ("GW"), so that our reader can expand them in parallel; every other reader sees
/// an ordinary multi-member gzip file. `level` is libdeflate's, 1…12.
void write_gzip(AtomicFile& file, std::span<const std::byte> bytes, int level);

/// If `path` consists of members with our extra field and expands to `offset` bytes and then
/// `out.size()`, fills `out` with these in parallel and returns true; false otherwise, `out` then
/// being unspecified. Never throws on damage: the sequential reader reports it. Throws
/// Error{cancelled} when stopped.
bool read_own_gzip_members(const std::filesystem::path& path, std::uint64_t offset,
                           std::span<std::byte> out, const std::stop_token& stop = {});

/// A file of write_gzip() of which any part is read: its members are looked up and expanded in
/// parallel. Thread-safe.
class GzipMembers {
 public:
  /// Null for files of other programs and for damaged ones: the sequential reader says what is
  /// wrong. Reads the lengths of all members.
  static std::unique_ptr<GzipMembers> open(const std::filesystem::path& path);
  ~GzipMembers();
  std::uint64_t size() const;  ///< expanded, bytes
  /// Throws Error{bad_input} when a member is damaged or the file ends before.
  void read(std::uint64_t offset, std::span<std::byte> out) const;

 private:
  struct State;
  explicit GzipMembers(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gigawarp::io
