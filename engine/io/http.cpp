#include "io/http.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "io/file_support.h"
#include "io/http_transfer.h"

namespace gigawarp::io {

namespace fs = std::filesystem;
using std::chrono::duration;
using std::chrono::steady_clock;

namespace {
constexpr int kAttempts = 5;
constexpr std::int64_t kAtOnce = 16;
constexpr std::uint64_t kMostForPart = std::uint64_t{256} << 20;
constexpr double kFirstPauseS = 0.25, kLongestPauseS = 10;

[[noreturn]] void cancelled(const std::string& shown) {
  throw Error(ErrorCode::cancelled, "Reading \"" + shown + "\" was cancelled.", shown);
}

/// Returns early when stopped.
void pause(double seconds, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  woken.wait_for(lock, stop, duration<double>(seconds), [] { return false; });
}

/// Longer each time, and not the same for all that failed together.
double pause_after(int attempt, double asked_s) {
  thread_local std::minstd_rand random(std::random_device{}());
  const double doubled = kFirstPauseS * static_cast<double>(1 << attempt);
  const double spread = std::uniform_real_distribution(0.75, 1.25)(random);
  return std::clamp(asked_s, doubled * spread, kLongestPauseS);
}

[[noreturn]] void refuse_address(const std::string& shown, const std::string& rest) {
  throw Error(ErrorCode::bad_input, "The address \"" + shown + "\" " + rest, shown);
}

/// What is wrong with a reply that is no success; see Reply.
[[noreturn]] void refuse_reply(const Reply& reply, const std::string& shown, bool repeated) {
  const std::string again = repeated ? ", also when asked again and again" : "";
  const auto may_pass = [&](const std::string& rest) {
    throw NetworkError(ErrorCode::bad_input, "The address \"" + shown + "\" " + rest, shown);
  };
  switch (reply.outcome) {
    case Reply::Outcome::no_server:
      may_pass(
          "cannot be reached: no server of that name is known; check the address and the "
          "network.");
      break;
    case Reply::Outcome::no_connection:
      may_pass("cannot be reached: the server takes no connection (" + reply.detail +
               "); check the address and the network.");
      break;
    case Reply::Outcome::silent:
      may_pass("cannot be read: the server is silent" + again +
               "; try later, or allow it more seconds with GIGAWARP_NETWORK_TIMEOUT.");
      break;
    case Reply::Outcome::broken:
      may_pass("cannot be read: the connection broke off (" + reply.detail + ")" + again +
               "; try later.");
      break;
    case Reply::Outcome::untrusted:
      refuse_address(shown, "cannot be read safely: the server's certificate does not hold (" +
                                reply.detail +
                                "); check the address and the clock, or name your own "
                                "certificates with SSL_CERT_FILE.");
    case Reply::Outcome::too_large:
      refuse_address(shown,
                     "is larger than it can be, or the server sends no parts of files; "
                     "download the volume and open the copy.");
    case Reply::Outcome::impossible:
      refuse_address(shown, "cannot be read (" + reply.detail + "); check it.");
    case Reply::Outcome::answered: break;
  }
  const std::string status = std::to_string(reply.status);
  if (reply.status == 401 || reply.status == 403)
    refuse_address(shown, "may not be read (" + status +
                              "): sign in where it is, or for S3 set AWS_ACCESS_KEY_ID and "
                              "AWS_SECRET_ACCESS_KEY; stores that may not be listed say this of "
                              "missing objects too.");
  if (!reply.region.empty() && reply.status / 100 == 3)
    refuse_address(shown, "lies in another region; set AWS_REGION=" + reply.region + ".");
  if (reply.may_pass())
    may_pass("cannot be read: the server fails (" + status + ")" + again + "; try later.");
  refuse_address(shown, "cannot be read: the server answers " + status + "; check the address.");
}

/// The part that was asked for of what a server sent, which may be the whole.
void keep_range(Reply& reply, const std::optional<ByteRange>& range) {
  if (reply.object_bytes == 0 && reply.status == 200) reply.object_bytes = reply.bytes.size();
  if (!range || reply.status == 206) return;
  const std::uint64_t all = reply.bytes.size();
  const std::uint64_t from =
      range->from_end ? all - std::min(range->bytes, all) : std::min(range->offset, all);
  const std::uint64_t count = std::min(range->bytes, all - from);
  reply.bytes.erase(reply.bytes.begin(), reply.bytes.begin() + static_cast<std::ptrdiff_t>(from));
  reply.bytes.resize(static_cast<std::size_t>(count));
}

/// Texts that were asked for lately, absent ones too.
class Memory {
 public:
  std::optional<std::optional<std::string>> find(const std::string& address) {
    const std::lock_guard lock(mutex_);
    const auto found = texts_.find(address);
    if (found == texts_.end() || steady_clock::now() - found->second.first > kKept)
      return std::nullopt;
    return found->second.second;
  }
  void keep(const std::string& address, const std::optional<std::string>& text) {
    const std::lock_guard lock(mutex_);
    if (texts_.size() >= kMost) texts_.clear();
    texts_[address] = {steady_clock::now(), text};
  }

 private:
  static constexpr std::chrono::seconds kKept{60};
  static constexpr std::size_t kMost = 2000;
  std::mutex mutex_;
  std::map<std::string, std::pair<steady_clock::time_point, std::optional<std::string>>> texts_;
};
}  // namespace

bool is_address(const fs::path& path) {
  const std::string& text = path.native();
  return text.starts_with("http://") || text.starts_with("https://") || text.starts_with("s3://");
}

std::optional<Fetched> fetch(const fs::path& address, const FetchOptions& options,
                             const std::stop_token& stop) {
  const Target target = target_of(address.native());
  if (!target.problem.empty()) refuse_address(target.shown, target.problem);
  if (options.range && options.range->bytes == 0) return Fetched{};
  FetchOptions sent = options;  // a server that sends no parts sends all
  if (options.range) sent.most_bytes = std::max(options.most_bytes, kMostForPart);
  for (int attempt = 0;; ++attempt) {
    Reply reply = transfer(target, sent, stop);
    if (stop.stop_requested()) cancelled(target.shown);
    if (reply.is_success()) {
      keep_range(reply, options.range);
      return Fetched{std::move(reply.bytes), reply.object_bytes};
    }
    if (reply.is_missing()) return std::nullopt;
    if (options.probe && (reply.status == 401 || reply.status == 403)) return std::nullopt;
    // Beyond the end of an object.
    if (reply.status == 416) return Fetched{{}, reply.object_bytes};
    if (!reply.may_pass() || attempt + 1 == kAttempts)
      refuse_reply(reply, target.shown, attempt > 0);
    pause(pause_after(attempt, reply.asked_pause_s), stop);
    if (stop.stop_requested()) cancelled(target.shown);
  }
}

bool is_stored(const fs::path& path, const std::stop_token& stop) {
  std::error_code ignored;
  return is_address(path) ? stored_text(path, stop).has_value() : fs::exists(path, ignored);
}

void many_at_once(std::int64_t n, const std::function<void(std::int64_t)>& body) {
  std::atomic<std::int64_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    for (std::int64_t i = next++; i < n; i = next++) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
        next = n;
      }
    }
  };
  std::vector<std::jthread> threads;
  for (std::int64_t t = 1; t < std::min(n, kAtOnce); ++t) threads.emplace_back(work);
  work();
  threads.clear();
  if (failure) std::rethrow_exception(failure);
}

std::optional<std::string> stored_text(const fs::path& path, const std::stop_token& stop) {
  constexpr std::size_t kLimit = 64U << 20;
  if (!is_address(path)) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return std::nullopt;
    return read_text(path, kLimit);
  }
  static Memory memory;
  if (auto known = memory.find(path.native())) return *known;
  FetchOptions options;
  options.most_bytes = kLimit;
  options.probe = true;
  std::optional<std::string> text;
  if (const auto fetched = fetch(path, options, stop))
    text.emplace(reinterpret_cast<const char*>(fetched->bytes.data()), fetched->bytes.size());
  memory.keep(path.native(), text);
  return text;
}

}  // namespace gigawarp::io
