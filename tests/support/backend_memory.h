#pragma once
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "math/packed.h"
#include "ops/backend.h"

/// Arrays of tests in the memory of a back end, in the form it takes: planar floats or one word per
/// voxel, with rows and planes as far apart as wanted.
namespace gigawarp::test {

using Vectors = std::array<std::vector<float>, 3>;

/// Where the planes [z_begin, z_end) of a volume lie. `gap`: elements between rows, rows between
/// planes.
struct Layout {
  std::int64_t gap = 0;
  std::int64_t z_begin = 0, z_end = -1;  ///< -1: to the last plane

  ops::Extent extent(const Size3& n) const {
    ops::Extent e = ops::Extent::whole(n);
    e.z_begin = z_begin;
    e.z_end = z_end < 0 ? n[2] : z_end;
    e.stride_y = n[0] + gap;
    e.stride_z = e.stride_y * (n[1] + gap);
    return e;
  }
};

inline std::size_t elements(const ops::Extent& e) {
  return static_cast<std::size_t>((e.z_end - e.z_begin) * e.stride_z);
}

/// Elements of T in a back end's memory; gaps hold `filler`.
template <class T>
class DeviceArray {
 public:
  DeviceArray(ops::Backend& backend, const ops::Extent& e, T filler = {})
      : backend_(&backend),
        extent_(e),
        host_(elements(e), filler),
        array_(backend.allocate_volume(host_.size() * sizeof(T),
                                       static_cast<std::int64_t>(host_.size()))) {
    send();
  }
  /// Global (x, y, z) of the host's copy.
  T& at(std::int64_t x, std::int64_t y, std::int64_t z) {
    return host_[static_cast<std::size_t>(extent_.offset(y, z) + x)];
  }
  void send() { backend_->upload(array_.data(), host_.data(), host_.size() * sizeof(T)); }
  void fetch() { backend_->download(host_.data(), array_.data(), host_.size() * sizeof(T)); }
  ops::SlabView<T> view() const { return {array_.template as<T>(), extent_}; }
  const ops::Extent& extent() const { return extent_; }
  const std::vector<T>& host() const { return host_; }

  template <class Body>
  void for_each(const Body& body) {  // body(x, y, z, element)
    for (std::int64_t z = extent_.z_begin; z < extent_.z_end; ++z)
      for (std::int64_t y = 0; y < extent_.ny; ++y)
        for (std::int64_t x = 0; x < extent_.nx; ++x) body(x, y, z, at(x, y, z));
  }

 private:
  ops::Backend* backend_;
  ops::Extent extent_;
  std::vector<T> host_;
  ops::Array array_;
};

enum class Form { displacement, gradient };

/// Three numbers per voxel. Whatever is not written shows: gradients start as a large number.
class DeviceField {
 public:
  static constexpr float kUnwritten = 3e30F;

  DeviceField(ops::Backend& backend, const ops::Extent& e, Form form)
      : form_(form), compact_(backend.compact()) {
    const float filler = form == Form::gradient ? kUnwritten : 0.0F;
    if (compact_)
      words_.emplace_back(backend, e, word({filler, filler, filler}));
    else
      for (int c = 0; c < 3; ++c) planes_.emplace_back(backend, e, filler);
  }
  /// `values`: whole volume, x fastest.
  void set(const Vectors& values) {
    const ops::Extent e = extent();
    const auto index = [&](std::int64_t x, std::int64_t y, std::int64_t z) {
      return static_cast<std::size_t>((z * e.ny + y) * e.nx + x);
    };
    if (compact_) {
      words_[0].for_each([&](std::int64_t x, std::int64_t y, std::int64_t z, std::uint64_t& w) {
        const std::size_t i = index(x, y, z);
        w = word({values[0][i], values[1][i], values[2][i]});
      });
      words_[0].send();
      return;
    }
    for (std::size_t c = 0; c < 3; ++c) {
      planes_[c].for_each([&](std::int64_t x, std::int64_t y, std::int64_t z, float& v) {
        v = values[c][index(x, y, z)];
      });
      planes_[c].send();
    }
  }
  /// Planes of the layout, x fastest, without gaps.
  Vectors get() {
    Vectors out;
    if (compact_) {
      words_[0].fetch();
      words_[0].for_each([&](std::int64_t, std::int64_t, std::int64_t, const std::uint64_t& w) {
        const math::Float3 v =
            form_ == Form::displacement ? math::unpack_vector(w) : math::unpack_floats(w);
        out[0].push_back(v.x);
        out[1].push_back(v.y);
        out[2].push_back(v.z);
      });
      return out;
    }
    for (std::size_t c = 0; c < 3; ++c) {
      planes_[c].fetch();
      planes_[c].for_each(
          [&](std::int64_t, std::int64_t, std::int64_t, const float& v) { out[c].push_back(v); });
    }
    return out;
  }
  ops::FieldView view() const {
    ops::FieldView v;
    if (compact_)
      v.packed = words_[0].view();
    else
      for (std::size_t c = 0; c < 3; ++c) v.component[c] = planes_[c].view();
    return v;
  }
  const ops::Extent& extent() const { return compact_ ? words_[0].extent() : planes_[0].extent(); }
  /// The bits as they lie in memory; for repeatability.
  std::vector<std::uint64_t> words() {
    words_[0].fetch();
    return words_[0].host();
  }

 private:
  std::uint64_t word(const math::Float3& v) const {
    return form_ == Form::displacement ? math::pack_vector(v) : math::pack_floats(v.x, v.y, v.z);
  }
  Form form_;
  bool compact_;
  std::vector<DeviceArray<std::uint64_t>> words_;
  std::vector<DeviceArray<float>> planes_;
};

/// An intensity volume of any type the samplers take: raw = round(value / scale) + offset.
class DeviceImageOf {
 public:
  DeviceImageOf(ops::Backend& backend, const ops::Extent& e, const std::vector<double>& values,
                ScalarType type)
      : type_(type), extent_(e) {
    switch (type) {
      // Unit deviation, and no grey level of many voxels at the edge of a bin of MI, where the last
      // bit of a product would send them all to one side or the other.
      case ScalarType::u8: fill<std::uint8_t>(backend, values, 1.0F / 37.7F, 128.3F); break;
      case ScalarType::i8: fill<std::int8_t>(backend, values, 1.0F / 37.7F, 3.3F); break;
      case ScalarType::u16: fill<std::uint16_t>(backend, values, 1.0F / 5000, 30000); break;
      case ScalarType::i16: fill<std::int16_t>(backend, values, 1.0F / 5000, -100); break;
      default: fill<float>(backend, values, 1, 0); break;
    }
  }
  ops::ImageView view() const {
    ops::ImageView v;
    v.data = array_.data();
    v.type = type_;
    v.extent = extent_;
    v.offset = offset_;
    v.scale = scale_;
    return v;
  }

 private:
  template <class T>
  void fill(ops::Backend& backend, const std::vector<double>& values, float scale, float offset) {
    scale_ = scale;
    offset_ = offset;
    std::vector<T> host(elements(extent_), T{});
    for (std::int64_t z = extent_.z_begin; z < extent_.z_end; ++z)
      for (std::int64_t y = 0; y < extent_.ny; ++y)
        for (std::int64_t x = 0; x < extent_.nx; ++x) {
          const double v = values[static_cast<std::size_t>((z * extent_.ny + y) * extent_.nx + x)];
          const double raw = v / static_cast<double>(scale) + static_cast<double>(offset);
          host[static_cast<std::size_t>(extent_.offset(y, z) + x)] =
              std::is_same_v<T, float> ? static_cast<T>(raw) : static_cast<T>(std::lround(raw));
        }
    array_ = backend.allocate(host.size() * sizeof(T));
    backend.upload(array_.data(), host.data(), host.size() * sizeof(T));
  }
  ScalarType type_;
  ops::Extent extent_;
  float offset_ = 0, scale_ = 1;
  ops::Array array_;
};

}  // namespace gigawarp::test
