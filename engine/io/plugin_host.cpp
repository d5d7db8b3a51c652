#include "io/plugin_host.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>

#include "base/parallel.h"
#include "io/chunk_codecs.h"

namespace gigawarp::io {

namespace {
thread_local int serial_sections = 0;

void say(GigawarpError* error, const std::string& text) {
  if (error == nullptr) return;
  const std::size_t n = std::min(text.size(), sizeof error->text - 1);
  std::memcpy(error->text, text.data(), n);
  error->text[n] = '\0';
}

void host_parallel_for(std::int64_t count, void (*work)(void* context, std::int64_t i),
                       void* context) {
  if (serial_sections > 0) {
    for (std::int64_t i = 0; i < count; ++i) work(context, i);
    return;
  }
  parallel_for(count, [work, context](std::int64_t i) { work(context, i); });
}

std::int32_t host_expand(const char* codec, const void* in, std::uint64_t in_bytes, void* out,
                         std::uint64_t out_bytes, GigawarpError* error) noexcept {
  try {
    for (const CodecKind kind :
         {CodecKind::blosc, CodecKind::gzip, CodecKind::zlib, CodecKind::zstd, CodecKind::lz4}) {
      if (codec_name(kind) != codec) continue;
      ByteCodec step;
      step.kind = kind;
      const std::string why = decode_chunk({step}, {static_cast<const std::byte*>(in), in_bytes},
                                           {static_cast<std::byte*>(out), out_bytes});
      if (why.empty()) return GIGAWARP_OK;
      say(error, why);
      return GIGAWARP_BAD_INPUT;
    }
    say(error, "is compressed with \"" + std::string(codec) + "\", which Gigawarp does not know");
    return GIGAWARP_FAILED;
  } catch (const std::exception&) {
    say(error, "needs more memory than there is");
    return GIGAWARP_NO_MEMORY;
  }
}
}  // namespace

const GigawarpHost& plugin_host() {
  static const GigawarpHost host{sizeof(GigawarpHost), host_parallel_for, host_expand};
  return host;
}

SerialSection::SerialSection() { ++serial_sections; }
SerialSection::~SerialSection() { --serial_sections; }

}  // namespace gigawarp::io
