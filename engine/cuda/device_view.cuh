#pragma once
#include <cstdint>

#include "ops/view.h"

/// One number per voxel as kernels address it: rows contiguous, planes below 2^31 elements, the
/// whole of any size. One wide multiplication per address.
namespace gigawarp::cuda {

/// The same pointer to the device's memory, which the compiler may not take apart: what is added to
/// it costs one instruction, not a multiplication by the plane's stride again.
template <class T>
__device__ inline T* whole(T* pointer) {
  asm("" : "+l"(pointer));
  __builtin_assume(__isGlobal(pointer));
  return pointer;
}

/// The same, in bytes.
template <class T>
__device__ inline const char* bytes_of(const T* pointer) {
  return whole(reinterpret_cast<const char*>(pointer));
}

template <class T>
struct Plane {
  T* data = nullptr;  ///< of voxel (0, 0, 0), which may lie outside the slab that is stored
  int stride_y = 0, stride_z = 0;

  Plane() = default;
  explicit Plane(const ops::SlabView<T>& v)
      : data(v.data == nullptr ? nullptr : v.data - v.extent.z_begin * v.extent.stride_z),
        stride_y(static_cast<int>(v.extent.stride_y)),
        stride_z(static_cast<int>(v.extent.stride_z)) {}
  Plane(T* first, const ops::Extent& e)
      : data(first),
        stride_y(static_cast<int>(e.stride_y)),
        stride_z(static_cast<int>(e.stride_z)) {}

  __device__ T* plane(int z) const { return data + static_cast<std::int64_t>(z) * stride_z; }
  __device__ T* at(int x, int y, int z) const { return plane(z) + (y * stride_y + x); }
};

inline Plane<const std::uint64_t> readable(const ops::SlabView<std::uint64_t>& v) {
  return Plane<const std::uint64_t>(ops::SlabView<const std::uint64_t>{v.data, v.extent});
}

/// The same in a ring of planes: plane z is at z modulo their number. One launch sees no more
/// planes than the ring has, from `base` on, a multiple of their number: one subtraction, no
/// division.
template <class T>
struct PlaneRing {
  T* data = nullptr;
  int planes = 1, stride_y = 0, stride_z = 0, base = 0;

  /// For a launch whose lowest plane is z, which may lie below the volume.
  PlaneRing from(std::int64_t z) const {
    PlaneRing ring = *this;
    const int lowest = static_cast<int>(z), place = lowest % planes;
    ring.base = lowest - (place < 0 ? place + planes : place);
    return ring;
  }
  /// Plane z where plane z - n lies.
  PlaneRing shifted(int n) const {
    PlaneRing ring = *this;
    ring.base += n;
    return ring;
  }
  __device__ T* plane(int z) const {
    const int place = z - base;
    return data + static_cast<std::int64_t>(place < planes ? place : place - planes) * stride_z;
  }
  __device__ T* at(int x, int y, int z) const { return plane(z) + (y * stride_y + x); }
};

/// Goes up a column of a ring, a plane at a time.
template <class T>
class RingCursor {
 public:
  __device__ RingCursor(const PlaneRing<T>& ring, int x, int y, int z)
      : at_(ring.at(x, y, z)),
        stride_(ring.stride_z),
        around_(static_cast<std::int64_t>(ring.planes) * ring.stride_z) {
    const int place = z - ring.base;
    left_ = ring.planes - (place < ring.planes ? place : place - ring.planes);
  }
  __device__ T* get() const { return at_; }
  __device__ void next() {
    at_ += stride_;
    if (--left_ == 0) at_ -= around_;
  }

 private:
  T* at_;
  int stride_, left_;
  std::int64_t around_;
};

/// One axis of a grid that is sampled, with what the sampler needs of it at hand.
struct Axis {
  float high = 0;    ///< n - 1
  float beyond = 0;  ///< n - 0.5
  int last = 0;      ///< n - 2: the last lower corner; -1 on one-voxel axes
  int step = 0;      ///< elements to the upper corner: 0 on one-voxel axes

  Axis() = default;
  Axis(int n, int stride)
      : high(static_cast<float>(n - 1)),
        beyond(static_cast<float>(n - 1) + 0.5F),
        last(n - 2),
        step(n > 1 ? stride : 0) {}
  __device__ bool inside(float p) const { return p > -0.5F && p < beyond; }
  __device__ bool is_free(float p) const { return p > 0.0F && p < high; }
};

/// Added to a position rounding downwards, it leaves the position's floor in the low bits: floor
/// and fraction without a conversion instruction. Positions of −1 to 2^22.
constexpr float kFloorMagic = 12582912.0F;  // 1.5 · 2^23
constexpr int kFloorBits = 0x4b400000;      // its bits
/// The bits of 2^23, whose last digit is worth one: whole numbers below it in those bits make the
/// float that is larger by so much.
constexpr unsigned kTwoTo23 = 0x4b000000U;

/// Lower corner and fraction of a position clamped to the grid.
struct AxisPlace {
  int low;
  float fraction;
};
__device__ inline AxisPlace axis_place(float p, const Axis& axis) {
  const float c = fminf(fmaxf(p, 0.0F), axis.high);
  // Only the last voxel's position lies beyond n - 2, and only one-voxel axes have it below 0.
  const int low = max(min(__float_as_int(__fadd_rd(c, kFloorMagic)) - kFloorBits, axis.last), 0);
  return {low, c - (__int_as_float(low + kFloorBits) - kFloorMagic)};
}

/// The rows of the eight corners; along x the upper ones are an Axis::step further.
template <class T>
struct CornerRows {
  const T* row[4];  ///< (y, z), (y + 1, z), (y, z + 1), (y + 1, z + 1)
};
template <class T>
__device__ inline CornerRows<T> corner_rows(const T* data, const Axis& y, const Axis& z,
                                            int stride_y, int stride_z, int i, int j, int k) {
  const T* first = data + (static_cast<std::int64_t>(k) * stride_z + (j * stride_y + i));
  const T* behind = first + z.step;
  return {{first, first + y.step, behind, behind + y.step}};
}

}  // namespace gigawarp::cuda
