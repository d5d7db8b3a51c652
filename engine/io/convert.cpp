#include "io/convert.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "base/parallel.h"
#include "io/file_support.h"

namespace gigawarp::io {

namespace fs = std::filesystem;

namespace {
template <class F>
void dispatch_file(FileScalar scalar, F&& f) {
  switch (scalar) {
    case FileScalar::u8: return f.template operator()<std::uint8_t>();
    case FileScalar::i8: return f.template operator()<std::int8_t>();
    case FileScalar::u16: return f.template operator()<std::uint16_t>();
    case FileScalar::i16: return f.template operator()<std::int16_t>();
    case FileScalar::u32: return f.template operator()<std::uint32_t>();
    case FileScalar::i32: return f.template operator()<std::int32_t>();
    case FileScalar::f32: return f.template operator()<float>();
    case FileScalar::f64: return f.template operator()<double>();
    case FileScalar::u64: return f.template operator()<std::uint64_t>();
    case FileScalar::i64: return f.template operator()<std::int64_t>();
  }
}

/// Calls body(begin, end) over [0, n) in blocks.
template <class F>
void in_blocks(std::int64_t n, F&& body) {
  constexpr std::int64_t kBlock = 1 << 18;
  parallel_for((n + kBlock - 1) / kBlock,
               [&](std::int64_t b) { body(b * kBlock, std::min(n, (b + 1) * kBlock)); });
}

template <class To, class From>
void copy_channel(const From* from, std::int64_t stride, To* to, std::int64_t n,
                  const Scaling& scaling) {
  in_blocks(n, [&](std::int64_t begin, std::int64_t end) {
    if (scaling.is_identity()) {
      for (std::int64_t i = begin; i < end; ++i) to[i] = static_cast<To>(from[i * stride]);
    } else {
      for (std::int64_t i = begin; i < end; ++i)
        to[i] = static_cast<To>(static_cast<double>(from[i * stride]) * scaling.slope +
                                scaling.intercept);
    }
  });
}

/// Luminance of `samples` interleaved colours.
template <class To, class From>
void luminance(const From* from, int samples, To* to, std::int64_t n) {
  in_blocks(n, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const From* p = from + i * samples;
      const double y = 0.2126 * static_cast<double>(p[0]) + 0.7152 * static_cast<double>(p[1]) +
                       0.0722 * static_cast<double>(p[2]);
      to[i] = std::is_integral_v<To> ? static_cast<To>(std::lround(y)) : static_cast<To>(y);
    }
  });
}

/// i32 or u32, whichever holds every value of a 64-bit volume.
template <class From>
ScalarType narrow_type(const From* values, std::int64_t n, const fs::path& path) {
  From low = 0, high = 0;
  for (std::int64_t i = 0; i < n; ++i) {
    low = std::min(low, values[i]);
    high = std::max(high, values[i]);
  }
  if (std::cmp_greater_equal(low, std::numeric_limits<std::int32_t>::min()) &&
      std::cmp_less_equal(high, std::numeric_limits<std::int32_t>::max()))
    return ScalarType::i32;
  if (low >= 0 && std::cmp_less_equal(high, std::numeric_limits<std::uint32_t>::max()))
    return ScalarType::u32;
  refuse(path, "holds 64-bit integers that do not fit in 32 bits; renumber its labels first.");
}

/// Lowest and highest value of a float that converts to T.
template <class T>
bool fits(double rounded) {
  return rounded >= static_cast<double>(std::numeric_limits<T>::min()) &&
         rounded <= static_cast<double>(std::numeric_limits<T>::max());
}
}  // namespace

std::size_t width_of(FileScalar scalar) {
  std::size_t width = 0;
  dispatch_file(scalar, [&]<class T>() { width = sizeof(T); });
  return width;
}

std::optional<ScalarType> own_scalar(const FileType& type) {
  if (type.samples != 1 || type.scalar == FileScalar::u64 || type.scalar == FileScalar::i64)
    return std::nullopt;
  return static_cast<ScalarType>(type.scalar);  // the first eight are in the same order
}

ScalarType stored_type(const FileType& type, bool scaled, std::vector<std::string>& notes) {
  if (type.samples > 1) notes.emplace_back("Colour was turned into luminance (BT.709).");
  const bool wide = type.scalar == FileScalar::u64 || type.scalar == FileScalar::i64;
  if (scaled) {
    if (type.scalar == FileScalar::f64) return ScalarType::f64;
    notes.emplace_back(
        "Stored values were scaled by the header's slope and intercept, giving f32.");
    return ScalarType::f32;
  }
  if (wide) {
    notes.emplace_back("64-bit integers were stored as 32-bit; all values fit.");
    return ScalarType::i32;
  }
  return static_cast<ScalarType>(type.scalar);
}

Volume converted(const Buffer& raw, const FileType& type, SampleOrder order, const Grid& grid,
                 int channels, const Scaling& scaling, const fs::path& path) {
  std::vector<std::string> notes;
  ScalarType target = stored_type(type, !scaling.is_identity(), notes);
  const std::int64_t n = grid.voxel_count();
  const bool narrowed = scaling.is_identity();
  if (type.scalar == FileScalar::i64 && narrowed)
    target = narrow_type(reinterpret_cast<const std::int64_t*>(raw.data()), n * channels, path);
  if (type.scalar == FileScalar::u64 && narrowed)
    target = narrow_type(reinterpret_cast<const std::uint64_t*>(raw.data()), n * channels, path);
  if (type.samples > 1 && (!scaling.is_identity() || channels != 1))
    refuse(path,
           "holds scaled or multi-channel colour, which is not read; convert it to grey values.");
  Volume out(grid, target, channels);
  dispatch_file(type.scalar, [&]<class From>() {
    dispatch(target, [&]<class To>() {
      const auto* from = reinterpret_cast<const From*>(raw.data());
      if (type.samples > 1) return luminance(from, type.samples, out.channel<To>(), n);
      for (int c = 0; c < channels; ++c) {
        const bool planar = order == SampleOrder::planar;
        copy_channel(planar ? from + c * n : from + c, planar ? 1 : channels, out.channel<To>(c), n,
                     scaling);
      }
    });
  });
  out.notes() = std::move(notes);
  return out;
}

Volume as_label_map(Volume&& volume, const fs::path& path) {
  if (volume.type() != ScalarType::f32 && volume.type() != ScalarType::f64)
    return std::move(volume);
  Volume out(volume.grid(), ScalarType::i32, volume.channels());
  std::atomic<bool> whole{true};
  dispatch(volume.type(), [&]<class T>() {
    const T* from = volume.channel<T>();
    auto* to = out.channel<std::int32_t>();
    in_blocks(volume.grid().voxel_count() * volume.channels(),
              [&](std::int64_t begin, std::int64_t end) {
                for (std::int64_t i = begin; i < end; ++i) {
                  const auto value = static_cast<double>(from[i]);
                  const double rounded = std::nearbyint(value);
                  // Scaled label files carry rounding of the slope.
                  if (!(std::abs(value - rounded) < 1e-3) || !fits<std::int32_t>(rounded)) {
                    whole = false;
                    return;
                  }
                  to[i] = static_cast<std::int32_t>(rounded);
                }
              });
  });
  if (!whole) refuse(path, "is used as a label map but holds values that are not whole numbers.");
  out.notes() = std::move(volume.notes());
  out.notes().emplace_back("Floating-point labels were stored as whole numbers (i32).");
  return out;
}

Volume to_type(const Volume& volume, ScalarType type) {
  Volume out(volume.grid(), type, volume.channels());
  std::atomic<bool> all_fit{true};
  dispatch(volume.type(), [&]<class From>() {
    dispatch(type, [&]<class To>() {
      const From* from = volume.channel<From>();
      To* to = out.channel<To>();
      in_blocks(volume.grid().voxel_count() * volume.channels(),
                [&](std::int64_t begin, std::int64_t end) {
                  for (std::int64_t i = begin; i < end; ++i) {
                    if constexpr (std::is_integral_v<To>) {
                      const double rounded = std::nearbyint(static_cast<double>(from[i]));
                      if (!fits<To>(rounded)) {
                        all_fit = false;
                        return;
                      }
                      to[i] = static_cast<To>(rounded);
                    } else {
                      to[i] = static_cast<To>(from[i]);
                      if constexpr (sizeof(To) < sizeof(From)) {
                        if (std::isinf(to[i]) && !std::isinf(static_cast<double>(from[i]))) {
                          all_fit = false;
                          return;
                        }
                      }
                    }
                  }
                });
    });
  });
  if (!all_fit)
    throw Error(ErrorCode::bad_input,
                "Some values do not fit in the type " + std::string(name_of(type)) +
                    "; choose a wider one, such as " + (type == ScalarType::f32 ? "f64." : "f32."));
  out.notes() = volume.notes();
  return out;
}

}  // namespace gigawarp::io
