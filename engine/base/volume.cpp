#include "gigawarp/volume.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

#include "base/parallel.h"
#include "gigawarp/error.h"

namespace gigawarp {

std::size_t size_of(ScalarType type) {
  return dispatch(type, []<class T>() { return sizeof(T); });
}

std::string_view name_of(ScalarType type) {
  constexpr std::string_view names[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "f64"};
  return names[static_cast<std::size_t>(type)];
}

namespace {
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kOverrun = 64;
/// From here on arrays are mapped. The heap would keep freed ones: glibc raises its own threshold.
constexpr std::size_t kMapped = std::size_t{1} << 20U;
constexpr std::size_t kHuge = std::size_t{8} << 20U;
}  // namespace

void BufferDeleter::operator()(std::byte* p) const noexcept {
  if (mapped > 0)
    munmap(p, mapped);
  else
    ::operator delete[](p, std::align_val_t{kAlignment});
}

Buffer::Buffer(std::size_t bytes) : bytes_(bytes) {
  const std::size_t whole = bytes + kOverrun;
  void* p = nullptr;
  if (whole >= kMapped) {
    p = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) p = nullptr;
    if (p != nullptr && whole >= kHuge) madvise(p, whole, MADV_HUGEPAGE);  // a wish, not a need
  } else {
    p = ::operator new[](whole, std::align_val_t{kAlignment}, std::nothrow);
    if (p != nullptr) std::memset(p, 0, whole);
  }
  if (p == nullptr)
    throw Error(ErrorCode::does_not_fit, "There is not enough memory for another " +
                                             std::to_string(bytes >> 20U) +
                                             " MiB; close other programs or use a smaller job.");
  data_ = std::unique_ptr<std::byte[], BufferDeleter>(static_cast<std::byte*>(p),
                                                      BufferDeleter{whole >= kMapped ? whole : 0});
}

Volume::Volume(const Grid& grid, ScalarType type, int channels)
    : grid_(grid), type_(type), channels_(channels) {
  for (const std::int64_t n : grid.size)
    if (n < 0 || n > (std::int64_t{1} << 40))
      throw Error(ErrorCode::bad_input, "A volume has an impossible size along one axis.");
  const auto bytes = static_cast<double>(grid.size[0]) * static_cast<double>(grid.size[1]) *
                     static_cast<double>(grid.size[2]) * channels *
                     static_cast<double>(size_of(type));
  if (bytes > 9e18)
    throw Error(ErrorCode::bad_input, "A volume claims more voxels than any machine can hold.");
  buffer_ = Buffer(static_cast<std::size_t>(grid.voxel_count()) *
                   static_cast<std::size_t>(channels) * size_of(type));
}

double Volume::value(std::int64_t x, std::int64_t y, std::int64_t z, int c) const {
  const std::int64_t i = (z * grid_.size[1] + y) * grid_.size[0] + x;
  return dispatch(type_, [&]<class T>() { return static_cast<double>(channel<T>(c)[i]); });
}

Volume reordered(const Volume& volume, const AxisOrder& order) {
  Volume out(reordered(volume.grid(), order), volume.type(), volume.channels());
  out.notes() = volume.notes();
  const Size3 n = out.grid().size;
  const Size3 source = volume.grid().size;
  const Size3 source_stride{1, source[0], source[0] * source[1]};
  Size3 stride{};
  std::int64_t start = 0;
  for (int a = 0; a < 3; ++a) {
    stride[a] = source_stride[order.axis[a]];
    if (order.flipped[a]) {
      start += stride[a] * (n[a] - 1);
      stride[a] = -stride[a];
    }
  }
  dispatch(volume.type(), [&]<class T>() {
    for (int c = 0; c < volume.channels(); ++c) {
      const T* from = volume.channel<T>(c);
      T* to = out.channel<T>(c);
      parallel_for(n[2], [&](std::int64_t z) {
        for (std::int64_t y = 0; y < n[1]; ++y) {
          const T* row = from + start + y * stride[1] + z * stride[2];
          T* target = to + (z * n[1] + y) * n[0];
          for (std::int64_t x = 0; x < n[0]; ++x) target[x] = row[x * stride[0]];
        }
      });
    }
  });
  return out;
}

}  // namespace gigawarp
