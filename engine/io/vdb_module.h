#pragma once
#include <cstddef>
#include <cstdint>

/// Between gigawarp_io and the module that holds OpenVDB. Plain C, so that neither needs the
/// other's symbols.
namespace gigawarp::io {

/// What one voxel is, in memory and in the file.
enum VdbKind : int {
  kVdbBoolean,  ///< one byte, 0 or 1; BoolGrid
  kVdbInteger,  ///< int32; Int32Grid
  kVdbScalar,   ///< float; FloatGrid
  kVdbVector,   ///< three floats together; Vec3SGrid
};

struct VdbText {
  const char *key, *value;
};

/// A dense volume, x fastest. Index (0, 0, 0) is its first voxel.
struct VdbVolume {
  int kind;  ///< VdbKind
  std::int64_t size[3];
  double world_from_index[3][4];  ///< LPS mm when `texts` say so
  const char* name;               ///< of the grid
  float background;               ///< beyond the voxels that are stored, of every component
  int half;                       ///< floats are stored in 16 bits
  const void* voxels;
  const VdbText* texts;  ///< metadata
  std::size_t text_count;
};

/// 1, or 0 with the reason in `why`, as the end of a sentence without its full stop.
using WriteVdb = int (*)(const VdbVolume* volume, const char* file, char* why,
                         std::size_t why_bytes);
inline constexpr const char* kWriteVdb = "gigawarp_write_vdb";

/// Gets what is known before the voxels; returns where they go, dense; null: they are not wanted.
struct VdbTaker {
  void* owner;
  void* (*volume)(void* owner, const VdbVolume* header);
};

/// Reads the first grid of the four kinds (doubles and half floats become floats). As above.
using ReadVdb = int (*)(const char* file, const VdbTaker* taker, char* why, std::size_t why_bytes);
inline constexpr const char* kReadVdb = "gigawarp_read_vdb";

inline constexpr const char* kVdbModule = "gigawarp_vdb_files.so";
inline constexpr const char* kVdbSizeX = "gigawarp_size_x";  ///< also _y, _z: of the dense volume

}  // namespace gigawarp::io
