#pragma once
#include <cstdint>

#include "gigawarp/volume.h"
#include "math/host_device.h"

/// Trivially copyable views of planes of a volume, as every operation takes them. A view may hold a
/// slab: planes [z_begin, z_end) of a volume of nz planes, halo included. Indices are always
/// global.
namespace gigawarp::ops {

struct Extent {
  std::int64_t nx = 0, ny = 0, nz = 0;      ///< of the whole volume
  std::int64_t z_begin = 0, z_end = 0;      ///< planes stored
  std::int64_t stride_y = 0, stride_z = 0;  ///< elements; rows are contiguous

  GIGAWARP_HD_MEMBER std::int64_t offset(std::int64_t y, std::int64_t z) const {
    return (z - z_begin) * stride_z + y * stride_y;
  }
  static Extent whole(const Size3& n) { return {n[0], n[1], n[2], 0, n[2], n[0], n[0] * n[1]}; }
};

/// Planes an operation has to compute; its inputs must hold these plus the operation's halo.
struct ZRange {
  std::int64_t begin = 0, end = 0;
};

template <class T>
struct SlabView {
  T* data = nullptr;
  Extent extent;
  GIGAWARP_HD_MEMBER T* row(std::int64_t y, std::int64_t z) const {
    return data + extent.offset(y, z);
  }
  explicit operator bool() const { return data != nullptr; }
};

/// An intensity volume in its own type. Operations see (raw - offset) * scale.
struct ImageView {
  const void* data = nullptr;
  ScalarType type = ScalarType::f32;
  Extent extent;
  float offset = 0, scale = 1;
  /// Of a moving volume of which only parts of rows are stored, one behind the other: row (y, z)
  /// has its voxel x at element rows[z * ny + y] + x of `data`, and the strides say nothing. In the
  /// back end's memory. Samplers alone take such views.
  const std::int64_t* rows = nullptr;
  /// Elements from `data` to voxel (0, y, z).
  std::int64_t offset_of(std::int64_t y, std::int64_t z) const {
    return rows != nullptr ? rows[z * extent.ny + y] : extent.offset(y, z);
  }
  explicit operator bool() const { return data != nullptr; }
};

/// Three numbers per voxel, in voxels of the grid they live on. One of two forms: planar floats,
/// or, in compact back ends, one word per voxel (math/packed.h): displacements as PackedVector,
/// gradients as PackedFloats.
struct FieldView {
  SlabView<float> component[3];
  SlabView<std::uint64_t> packed;
  explicit operator bool() const { return component[0].data != nullptr || packed.data != nullptr; }
  const Extent& extent() const {
    return packed.data != nullptr ? packed.extent : component[0].extent;
  }
};

}  // namespace gigawarp::ops
