#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gigawarp::io {

/// An unsigned number from bytes of either order, wherever it runs.
template <class T>
T load_le(const std::byte* p) {
  T v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    v = static_cast<T>(v | static_cast<T>(static_cast<T>(p[i]) << (8 * i)));
  return v;
}

template <class T>
T load_be(const std::byte* p) {
  T v = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    v = static_cast<T>(v | static_cast<T>(static_cast<T>(p[sizeof(T) - 1 - i]) << (8 * i)));
  return v;
}

template <class T>
void store_le(std::byte* p, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i) p[i] = static_cast<std::byte>(v >> (8 * i));
}

/// Turns the bytes of `count` elements of `width` bytes round.
inline void reverse_bytes(std::byte* data, std::size_t count, std::size_t width) {
  if (width < 2) return;
  for (std::size_t i = 0; i < count; ++i) std::reverse(data + i * width, data + (i + 1) * width);
}

}  // namespace gigawarp::io
