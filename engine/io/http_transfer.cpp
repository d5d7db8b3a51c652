#include "io/http_transfer.h"

#include <curl/curl.h>

#include <algorithm>
#include <cctype>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string_view>

namespace gigawarp::io {

namespace {
constexpr int kMostTransfers = 32;
constexpr long kConnectS = 10, kSilentS = 20, kRedirects = 5;
constexpr int kPollMs = 1000;  ///< a stop wakes the poll
/// Of a failed request, read so that the connection can be used again.
constexpr std::size_t kMostExcuse = 1U << 16;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

long silent_seconds() {
  const long seconds = std::strtol(environment("GIGAWARP_NETWORK_TIMEOUT").c_str(), nullptr, 10);
  return seconds > 0 ? seconds : kSilentS;
}

/// Where certificates of the usual authorities lie, which differs between systems; empty: as curl
/// was built.
std::string certificates() {
  for (const char* name : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"})
    if (std::string file = environment(name); !file.empty()) return file;
  std::error_code ignored;
  for (const char* file : {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                           "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"})
    if (std::filesystem::exists(file, ignored)) return file;
  return {};
}

/// What a URL cannot hold, as %XX; a "%" too unless it may be one already.
std::string encoded(const std::string& text, bool encode_percent) {
  constexpr std::string_view kDigits = "0123456789ABCDEF", kNever = " \"<>\\^`{|}#?";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7F || kNever.find(c) != std::string_view::npos ||
        (encode_percent && (c == '%' || c == '+'))) {
      out += '%';
      out += kDigits[byte >> 4U];
      out += kDigits[byte & 15U];
    } else {
      out += c;
    }
  }
  return out;
}

std::string without_password(const std::string& address) {
  const std::size_t host = address.find("://") + 3, end = address.find('/', host),
                    at = address.rfind('@', end);
  if (at == std::string::npos || at < host) return address;
  return address.substr(0, host) + address.substr(at + 1);
}

/// s3://BUCKET/KEY
void target_s3(const std::string& address, Target& out) {
  const std::size_t begin = 5, slash = address.find('/', begin);
  const std::string bucket = address.substr(begin, slash - begin),
                    key = slash == std::string::npos ? "" : address.substr(slash + 1);
  if (bucket.empty() || key.empty()) {
    out.problem = "names no object: s3://BUCKET/PATH is expected.";
    return;
  }
  for (const char* name : {"AWS_REGION", "AWS_DEFAULT_REGION"})
    if (out.region.empty()) out.region = environment(name);
  out.is_signed = !environment("AWS_ACCESS_KEY_ID").empty();
  std::string endpoint;
  for (const char* name : {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"})
    if (endpoint.empty()) endpoint = environment(name);
  while (!endpoint.empty() && endpoint.back() == '/') endpoint.pop_back();
  const std::string region = out.region.empty() ? "" : "." + out.region;
  if (!endpoint.empty())
    out.url = endpoint + "/" + bucket;
  else if (bucket.find('.') != std::string::npos)  // no certificate covers such a name
    out.url = "https://s3" + region + ".amazonaws.com/" + bucket;
  else
    out.url = "https://" + bucket + ".s3" + region + ".amazonaws.com";
  out.url += "/" + encoded(key, true);
  if (out.region.empty()) out.region = "us-east-1";
}

/// One connection with what curl keeps between requests.
struct Connection {
  CURLM* multi = curl_multi_init();
  CURL* easy = curl_easy_init();
  Connection() = default;
  ~Connection() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
};

/// Idle connections, the one used last first; as many in all as there may be transfers at a time.
class Connections {
 public:
  Connections() { curl_global_init(CURL_GLOBAL_DEFAULT); }
  /// Nothing when stopped.
  std::unique_ptr<Connection> take(const std::stop_token& stop) {
    std::unique_lock lock(mutex_);
    if (!returned_.wait(lock, stop, [this] { return used_ < kMostTransfers; })) return nullptr;
    ++used_;
    if (idle_.empty()) return std::make_unique<Connection>();
    std::unique_ptr<Connection> connection = std::move(idle_.back());
    idle_.pop_back();
    return connection;
  }
  void give_back(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(mutex_);
    --used_;
    idle_.push_back(std::move(connection));
    returned_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any returned_;
  std::vector<std::unique_ptr<Connection>> idle_;
  int used_ = 0;
};

Connections& connections() {
  static auto* const all = new Connections;  // threads may read until the process ends
  return *all;
}

/// What curl's callbacks fill in.
struct Receiver {
  CURL* easy = nullptr;
  std::uint64_t most = 0;
  Reply reply;

  static std::size_t body(char* data, std::size_t, std::size_t count, void* self) {
    auto& r = *static_cast<Receiver*>(self);
    curl_easy_getinfo(r.easy, CURLINFO_RESPONSE_CODE, &r.reply.status);
    const bool success = r.reply.status == 200 || r.reply.status == 206;
    const std::uint64_t most = success ? r.most : kMostExcuse;
    if (r.reply.bytes.size() + count > most) {
      if (success) r.reply.outcome = Reply::Outcome::too_large;
      return 0;
    }
    try {
      const auto* bytes = reinterpret_cast<const std::byte*>(data);
      r.reply.bytes.insert(r.reply.bytes.end(), bytes, bytes + count);
    } catch (const std::bad_alloc&) {
      r.reply.outcome = Reply::Outcome::too_large;
      return 0;
    }
    return count;
  }
  static std::size_t header(char* data, std::size_t, std::size_t count, void* self) {
    auto& r = *static_cast<Receiver*>(self);
    const std::string_view line(data, count);
    const std::size_t colon = line.find(':');
    if (line.starts_with("HTTP/")) {  // another answer, after a redirection
      r.reply.bytes.clear();
      r.reply.object_bytes = 0;
    }
    if (colon == std::string_view::npos) return count;
    std::string name(line.substr(0, colon)), value(line.substr(colon + 1));
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    value.erase(0, value.find_first_not_of(" \t"));
    value.erase(value.find_last_not_of(" \t\r\n") + 1);
    if (name == "content-range") {
      const std::size_t slash = value.find('/');
      if (slash != std::string::npos)
        r.reply.object_bytes = std::strtoull(value.c_str() + slash + 1, nullptr, 10);
    } else if (name == "retry-after") {
      r.reply.asked_pause_s = std::strtod(value.c_str(), nullptr);
    } else if (name == "x-amz-bucket-region") {
      r.reply.region = value;
    }
    return count;
  }
};

Reply::Outcome outcome_of(CURLcode code) {
  switch (code) {
    case CURLE_OK: return Reply::Outcome::answered;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return Reply::Outcome::no_server;
    case CURLE_COULDNT_CONNECT: return Reply::Outcome::no_connection;
    case CURLE_OPERATION_TIMEDOUT: return Reply::Outcome::silent;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS: return Reply::Outcome::untrusted;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
    case CURLE_LOGIN_DENIED: return Reply::Outcome::impossible;
    default: return Reply::Outcome::broken;
  }
}

struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeList>;

void add(Headers& headers, const std::string& line) {
  headers.reset(curl_slist_append(headers.release(), line.c_str()));
}

/// AWS signature, version 4, which curl computes.
void sign(CURL* easy, const Target& target, Headers& headers) {
  curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, ("aws:amz:" + target.region + ":s3").c_str());
  curl_easy_setopt(easy, CURLOPT_USERNAME, environment("AWS_ACCESS_KEY_ID").c_str());
  curl_easy_setopt(easy, CURLOPT_PASSWORD, environment("AWS_SECRET_ACCESS_KEY").c_str());
  add(headers, "x-amz-content-sha256: UNSIGNED-PAYLOAD");
  if (const std::string token = environment("AWS_SESSION_TOKEN"); !token.empty())
    add(headers, "x-amz-security-token: " + token);
}

std::string range_text(const ByteRange& range) {
  if (range.from_end) return "-" + std::to_string(range.bytes);
  return std::to_string(range.offset) + "-" + std::to_string(range.offset + range.bytes - 1);
}

/// Runs what `multi` holds until it is done or stopped; what became of it.
CURLcode run(CURLM* multi, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
  for (int running = 1; !stop.stop_requested();) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) {
      int left = 0;
      const CURLMsg* message = curl_multi_info_read(multi, &left);
      return message != nullptr ? message->data.result : CURLE_FAILED_INIT;
    }
    curl_multi_poll(multi, nullptr, 0, kPollMs, nullptr);
  }
  return CURLE_ABORTED_BY_CALLBACK;
}
}  // namespace

Target target_of(const std::string& address) {
  Target out;
  out.shown = without_password(address);
  if (address.find_first_of("?#") != std::string::npos)
    out.problem =
        "holds a \"?\" or \"#\", behind which no parts of a volume can be named; give the address "
        "of the volume alone.";
  else if (address.starts_with("s3://"))
    target_s3(address, out);
  else
    out.url = encoded(address, false);
  return out;
}

Reply transfer(const Target& target, const FetchOptions& options, const std::stop_token& stop) {
  std::unique_ptr<Connection> connection = connections().take(stop);
  if (connection == nullptr) return {};
  CURL* easy = connection->easy;
  curl_easy_reset(easy);
  Receiver receiver{easy, options.most_bytes, {}};
  Headers headers;
  const auto set = [easy](CURLoption option, auto value) { curl_easy_setopt(easy, option, value); };
  set(CURLOPT_URL, target.url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  set(CURLOPT_FOLLOWLOCATION, 1L);
  set(CURLOPT_MAXREDIRS, kRedirects);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_QUICK_EXIT, 1L);  // a stop does not wait for a name server
  set(CURLOPT_CONNECTTIMEOUT, std::min(kConnectS, silent_seconds()));
  set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  set(CURLOPT_LOW_SPEED_TIME, silent_seconds());
  set(CURLOPT_USERAGENT, "gigawarp");
  set(CURLOPT_WRITEFUNCTION, &Receiver::body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&receiver));
  set(CURLOPT_HEADERFUNCTION, &Receiver::header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(&receiver));
  char words[CURL_ERROR_SIZE] = {};
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(words));
  if (const std::string file = certificates(); !file.empty())
    curl_easy_setopt(easy, CURLOPT_CAINFO, file.c_str());
  if (options.range) set(CURLOPT_RANGE, range_text(*options.range).c_str());
  if (target.is_signed) sign(easy, target, headers);
  set(CURLOPT_HTTPHEADER, headers.get());
  curl_multi_add_handle(connection->multi, easy);
  const CURLcode code = run(connection->multi, stop);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &receiver.reply.status);
  curl_multi_remove_handle(connection->multi, easy);
  curl_easy_reset(easy);  // nothing of it points here any more
  connections().give_back(std::move(connection));
  Reply& reply = receiver.reply;
  const bool refused = reply.outcome == Reply::Outcome::answered && code == CURLE_WRITE_ERROR &&
                       reply.status >= 300;  // its excuse was long
  if (reply.outcome == Reply::Outcome::answered && !refused) {
    reply.outcome = outcome_of(code);
    reply.detail = *words != '\0' ? words : curl_easy_strerror(code);
  }
  if (!reply.is_success()) reply.bytes.clear();
  return std::move(reply);
}

}  // namespace gigawarp::io
