#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/error.h"

namespace gigawarp::io {

/// Objects behind addresses, http://, https:// and s3://, by libcurl. An address is carried in a
/// path, which keeps it letter by letter as long as nobody makes it absolute or normal; appending
/// with "/" works as for folders.
///
/// s3://BUCKET/KEY is https://BUCKET.s3.amazonaws.com/KEY, or below AWS_ENDPOINT_URL for another
/// service; AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN are used
/// where they are set, else it is read anonymously. GIGAWARP_NETWORK_TIMEOUT: the seconds that a
/// server may be silent (20). Proxies as curl has them (https_proxy …).

/// The path is an address, of a kind that is read.
bool is_address(const std::filesystem::path& path);

/// The server or the way to it failed, which may be better the next time.
class NetworkError : public Error {
 public:
  using Error::Error;
};

struct ByteRange {
  std::uint64_t offset = 0, bytes = 0;
  bool from_end = false;  ///< the last `bytes` bytes; `offset` means nothing
};

struct FetchOptions {
  std::optional<ByteRange> range;  ///< nothing: the whole object
  /// More is refused; for a range, more than 256 MiB from a server that sends no parts.
  std::uint64_t most_bytes = std::uint64_t{256} << 20;
  /// Looks whether there is such an object: one that may not be read counts as absent, because S3
  /// says so of absent ones where a bucket may not be listed.
  bool probe = false;
};

struct Fetched {
  std::vector<std::byte> bytes;
  std::uint64_t object_bytes = 0;  ///< of the whole object; 0: the server does not say
};

/// An object, or a part of it (less where it ends before); nothing when there is none (404, 410).
/// Attempts that may go better the next time are repeated four times, later and later. Thread-safe;
/// connections are kept and used again, and at most 32 are open. Throws NetworkError{bad_input};
/// Error{bad_input} for what no repetition helps (403, certificates, an impossible address);
/// Error{cancelled} at once when stopped.
std::optional<Fetched> fetch(const std::filesystem::path& address, const FetchOptions& options,
                             const std::stop_token& stop);

/// The text of a small file or object; nothing when there is none. Addresses are asked once a
/// minute, since metadata is looked at from several places. Throws Error as fetch() and
/// read_text().
std::optional<std::string> stored_text(const std::filesystem::path& path,
                                       const std::stop_token& stop = {});

/// There is such a file or object; as stored_text(), which it asks.
bool is_stored(const std::filesystem::path& path, const std::stop_token& stop = {});

/// Calls body(i) for i in [0, n), many at a time, on threads that wait for servers rather than
/// compute. The first exception comes out of the call.
void many_at_once(std::int64_t n, const std::function<void(std::int64_t)>& body);

}  // namespace gigawarp::io
