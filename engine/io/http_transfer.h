#pragma once
#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "io/http.h"

namespace gigawarp::io {

/// Inside engine/io: one request and its reply; see io/http.h for what is done with them.

/// Where an address leads.
struct Target {
  std::string url;         ///< http:// or https://, encoded
  std::string shown;       ///< for sentences: as it was given, without a password
  std::string problem;     ///< rest of a sentence when it cannot be used
  bool is_signed = false;  ///< by AWS signature, version 4
  std::string region;      ///< for that
};
Target target_of(const std::string& address);

struct Reply {
  enum class Outcome {
    answered,  ///< see status
    no_server,
    no_connection,
    silent,
    broken,
    untrusted,
    too_large,
    impossible
  };
  Outcome outcome = Outcome::answered;
  std::string detail;  ///< of an outcome without an answer, in curl's words
  long status = 0;
  std::vector<std::byte> bytes;    ///< of a success alone
  std::uint64_t object_bytes = 0;  ///< of the whole object; 0: not said
  double asked_pause_s = 0;        ///< Retry-After
  std::string region;              ///< x-amz-bucket-region

  bool is_success() const {
    return outcome == Outcome::answered && (status == 200 || status == 206);
  }
  bool is_missing() const {
    return outcome == Outcome::answered && (status == 404 || status == 410);
  }
  /// It may go better the next time.
  bool may_pass() const {
    if (outcome == Outcome::answered) return status == 408 || status == 429 || status / 100 == 5;
    return outcome == Outcome::no_server || outcome == Outcome::no_connection ||
           outcome == Outcome::silent || outcome == Outcome::broken;
  }
};

/// One attempt. Returns anything at once when stopped.
Reply transfer(const Target& target, const FetchOptions& options, const std::stop_token& stop);

}  // namespace gigawarp::io
