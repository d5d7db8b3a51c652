#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gigawarp/grid.h"

namespace gigawarp {

enum class ScalarType : std::uint8_t { u8, i8, u16, i16, u32, i32, f32, f64 };

std::size_t size_of(ScalarType type);
std::string_view name_of(ScalarType type);  ///< "u8" … "f64"

template <class T>
struct ScalarTypeOf;
template <>
struct ScalarTypeOf<std::uint8_t> {
  static constexpr auto value = ScalarType::u8;
};
template <>
struct ScalarTypeOf<std::int8_t> {
  static constexpr auto value = ScalarType::i8;
};
template <>
struct ScalarTypeOf<std::uint16_t> {
  static constexpr auto value = ScalarType::u16;
};
template <>
struct ScalarTypeOf<std::int16_t> {
  static constexpr auto value = ScalarType::i16;
};
template <>
struct ScalarTypeOf<std::uint32_t> {
  static constexpr auto value = ScalarType::u32;
};
template <>
struct ScalarTypeOf<std::int32_t> {
  static constexpr auto value = ScalarType::i32;
};
template <>
struct ScalarTypeOf<float> {
  static constexpr auto value = ScalarType::f32;
};
template <>
struct ScalarTypeOf<double> {
  static constexpr auto value = ScalarType::f64;
};

/// Calls `f.template operator()<T>()` with the C++ type of `type`.
template <class F>
decltype(auto) dispatch(ScalarType type, F&& f) {
  switch (type) {
    case ScalarType::u8: return f.template operator()<std::uint8_t>();
    case ScalarType::i8: return f.template operator()<std::int8_t>();
    case ScalarType::u16: return f.template operator()<std::uint16_t>();
    case ScalarType::i16: return f.template operator()<std::int16_t>();
    case ScalarType::u32: return f.template operator()<std::uint32_t>();
    case ScalarType::i32: return f.template operator()<std::int32_t>();
    case ScalarType::f32: return f.template operator()<float>();
    case ScalarType::f64: break;
  }
  return f.template operator()<double>();
}

/// Gives back what a Buffer took.
struct BufferDeleter {
  std::size_t mapped = 0;  ///< bytes mapped; 0: from the heap
  void operator()(std::byte* p) const noexcept;
};

/// Owner of one zero-filled array of plain values, aligned to 64 bytes or better, with 64 readable
/// bytes behind its end so that vector loads may run over. Large ones are mapped: their pages cost
/// nothing until written, come as huge pages where the system gives them, and go back to it when
/// freed. Move-only.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::size_t bytes);  ///< throws Error{does_not_fit}
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  std::size_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<std::byte[], BufferDeleter> data_;
  std::size_t bytes_ = 0;
};

/// A 3-D volume in its own scalar type. Layout: x fastest, then y, z; channels are planar and
/// slowest.
class Volume {
 public:
  Volume() = default;
  /// Zero-filled.
  Volume(const Grid& grid, ScalarType type, int channels = 1);

  const Grid& grid() const { return grid_; }
  void set_grid(const Grid& grid) { grid_ = grid; }  ///< same size; corrects a header
  ScalarType type() const { return type_; }
  int channels() const { return channels_; }
  bool empty() const { return grid_.voxel_count() == 0; }
  std::size_t bytes() const { return buffer_.bytes(); }
  std::byte* data() { return buffer_.data(); }
  const std::byte* data() const { return buffer_.data(); }
  template <class T>
  T* channel(int c = 0) {
    return reinterpret_cast<T*>(buffer_.data()) + c * grid_.voxel_count();
  }
  template <class T>
  const T* channel(int c = 0) const {
    return reinterpret_cast<const T*>(buffer_.data()) + c * grid_.voxel_count();
  }
  /// One value, converted. Slow; for tests and single look-ups.
  double value(std::int64_t x, std::int64_t y, std::int64_t z, int c = 0) const;
  /// What a reader had to assume or convert ("spacing taken from --spacing", "RGB turned into
  /// luminance"); shown to the user and kept in the provenance.
  std::vector<std::string>& notes() { return notes_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  Grid grid_;
  ScalarType type_ = ScalarType::u8;
  int channels_ = 1;
  Buffer buffer_;
  std::vector<std::string> notes_;
};

/// The same voxels stored in another axis order; world positions do not change.
Volume reordered(const Volume& volume, const AxisOrder& order);

/// Range and moments of channel `c`; NaN and infinite values are counted and left out.
struct IntensityStatistics {
  double minimum = 0, maximum = 0, mean = 0, standard_deviation = 0;
  std::int64_t not_finite = 0;
  std::int64_t not_zero = 0;
};
IntensityStatistics intensity_statistics(const Volume& volume, int c = 0);

}  // namespace gigawarp
