#include "io/row_copy.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace gigawarp::io {

namespace {
constexpr std::size_t kLine = 64;    // bytes of a cache line
constexpr std::int64_t kAhead = 16;  // rows

void fetch_ahead(const std::byte* row, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += kLine) __builtin_prefetch(row + i);
}

#if defined(__SSE2__)
/// Lines of the target are written whole, or the processor would read them after all.
void copy_past_cache(const std::byte* from, std::byte* to, std::size_t bytes) {
  const std::size_t head =
      std::min(bytes, (kLine - reinterpret_cast<std::uintptr_t>(to) % kLine) % kLine);
  std::memcpy(to, from, head);
  std::size_t i = head;
  for (; i + kLine <= bytes; i += kLine)
    for (std::size_t k = 0; k < kLine; k += sizeof(__m128i))
      _mm_stream_si128(reinterpret_cast<__m128i*>(to + i + k),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i + k)));
  std::memcpy(to + i, from + i, bytes - i);
}
void order_stores() { _mm_sfence(); }
#else
void copy_past_cache(const std::byte* from, std::byte* to, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void order_stores() {}
#endif
}  // namespace

void copy_rows(std::int64_t planes, std::int64_t rows, std::size_t bytes, const std::byte* from,
               RowSteps from_steps, std::byte* to, RowSteps to_steps, bool past_cache) {
  for (std::int64_t p = 0; p < planes; ++p)
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::byte* row = from + p * from_steps.plane + r * from_steps.row;
      std::byte* target = to + p * to_steps.plane + r * to_steps.row;
      if (past_cache) {
        copy_past_cache(row, target, bytes);
        continue;
      }
      const std::int64_t ahead = r + kAhead;
      if (ahead < rows)
        fetch_ahead(row + kAhead * from_steps.row, bytes);
      else if (p + 1 < planes && ahead - rows < rows)
        fetch_ahead(from + (p + 1) * from_steps.plane + (ahead - rows) * from_steps.row, bytes);
      std::memcpy(target, row, bytes);
    }
  if (past_cache) order_stores();  // whoever is told that the copy is done sees it
}

}  // namespace gigawarp::io
