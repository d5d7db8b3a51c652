#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

#include "base/parallel.h"

namespace gigawarp::cuda {

Staging::~Staging() {
  for (cudaEvent_t event : landed_)
    if (event != nullptr) cudaEventDestroy(event);
  for (std::byte* piece : pieces_)
    if (piece != nullptr) cudaFreeHost(piece);
}

void Staging::prepare() {
  if (landed_[1] != nullptr) return;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    void* piece = nullptr;
    check(cudaMallocHost(&piece, kPiece), "asking for page-locked memory");
    pieces_[i] = static_cast<std::byte*>(piece);
    check(cudaEventCreateWithFlags(&landed_[i], cudaEventDisableTiming), "making an event");
  }
}

void Staging::download(std::byte* host, const std::byte* from, std::size_t bytes) {
  constexpr const char* kWhat = "copying from the device";
  constexpr std::size_t kShare = std::size_t{256} << 10U;  // of a thread
  prepare();
  const std::size_t count = (bytes + kPiece - 1) / kPiece;
  const auto size_of_piece = [&](std::size_t i) { return std::min(kPiece, bytes - i * kPiece); };
  for (std::size_t i = 0; i <= count; ++i) {
    if (i < count) {
      check(cudaMemcpyAsync(pieces_[i % 2], from + i * kPiece, size_of_piece(i),
                            cudaMemcpyDeviceToHost, device_.stream()),
            kWhat);
      check(cudaEventRecord(landed_[i % 2], device_.stream()), kWhat);
    }
    if (i == 0) continue;
    const std::size_t before = i - 1, size = size_of_piece(before);
    check(cudaEventSynchronize(landed_[before % 2]), kWhat);
    const std::byte* const piece = pieces_[before % 2];
    std::byte* const to = host + before * kPiece;
    parallel_for(static_cast<std::int64_t>((size + kShare - 1) / kShare), [&](std::int64_t k) {
      const std::size_t at = static_cast<std::size_t>(k) * kShare;
      std::memcpy(to + at, piece + at, std::min(kShare, size - at));
    });
  }
}

}  // namespace gigawarp::cuda
