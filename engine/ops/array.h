#pragma once
#include <cstddef>
#include <functional>
#include <memory>
#include <utility>

namespace gigawarp::ops {

/// Owner of one array in the memory of a back end. Move-only; made by Backend::allocate().
class Array {
 public:
  Array() = default;
  Array(std::byte* data, std::size_t bytes, std::function<void(std::byte*)> release)
      : data_(data, std::move(release)), bytes_(data != nullptr ? bytes : 0) {}
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }
  std::byte* data() const { return data_.get(); }
  std::size_t bytes() const { return bytes_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  std::unique_ptr<std::byte, std::function<void(std::byte*)>> data_;
  std::size_t bytes_ = 0;
};

}  // namespace gigawarp::ops
