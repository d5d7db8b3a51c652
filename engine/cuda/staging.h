#pragma once
#include <array>
#include <cstddef>

#include "cuda/support.h"

namespace gigawarp::cuda {

/// Large downloads to ordinary memory. The driver's own way there is one thread's copy out of its
/// page-locked buffer, a tenth of what the link carries; here one piece is on its way to a
/// page-locked buffer while all threads copy the one before out of the other.
class Staging {
 public:
  explicit Staging(Device& device) : device_(device) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// Downloads from this size on.
  static constexpr std::size_t kLarge = std::size_t{32} << 20U;
  /// Returns when the bytes are there.
  void download(std::byte* host, const std::byte* from, std::size_t bytes);

 private:
  static constexpr std::size_t kPiece = std::size_t{8} << 20U;

  void prepare();

  Device& device_;
  std::array<std::byte*, 2> pieces_{};
  std::array<cudaEvent_t, 2> landed_{};
};

}  // namespace gigawarp::cuda
