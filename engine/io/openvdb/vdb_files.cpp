#include <openvdb/io/File.h>
#include <openvdb/io/Stream.h>
#include <openvdb/openvdb.h>
#include <openvdb/tools/Dense.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "io/openvdb/vdb_bounds.h"
#include "io/vdb_module.h"

// The whole of the module: it is loaded when the first .vdb file is read or written.
namespace {

using gigawarp::io::VdbTaker;
using gigawarp::io::VdbText;
using gigawarp::io::VdbVolume;
using openvdb::Coord;
using openvdb::CoordBBox;
using openvdb::Int32;

constexpr Int32 kSlab = 64;
const char* const kSizeKeys[3] = {"gigawarp_size_x", "gigawarp_size_y", "gigawarp_size_z"};

int fail(char* why, std::size_t bytes, const char* text) {
  std::snprintf(why, bytes, "%s", text);
  return 0;
}

/// OpenVDB multiplies row vectors from the left.
openvdb::Mat4R matrix_of(const VdbVolume& v) {
  openvdb::Mat4R m = openvdb::Mat4R::identity();
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c) m[c][r] = v.world_from_index[r][c];
  return m;
}

Int32 extent(const VdbVolume& v, int axis) { return static_cast<Int32>(v.size[axis]); }

bool is_nan(bool /*value*/) { return false; }
bool is_nan(Int32 /*value*/) { return false; }
bool is_nan(float value) { return value != value; }
bool is_nan(const openvdb::Vec3s& value) {
  return is_nan(value[0]) || is_nan(value[1]) || is_nan(value[2]);
}

template <class Stored>
using Slab = openvdb::tools::Dense<Stored, openvdb::tools::LayoutXYZ>;

/// Sets the voxels that are NaN.
template <class Grid, class Stored>
void keep_nan(const Slab<Stored>& dense, Grid& grid) {
  auto accessor = grid.getAccessor();
  const CoordBBox& box = dense.bbox();
  const Stored* value = dense.data();
  for (Int32 z = box.min()[2]; z <= box.max()[2]; ++z)
    for (Int32 y = box.min()[1]; y <= box.max()[1]; ++y)
      for (Int32 x = box.min()[0]; x <= box.max()[0]; ++x, ++value)
        if (is_nan(*value)) accessor.setValue(Coord(x, y, z), *value);
}

/// Copies what differs from the background. OpenVDB takes NaN for equal to anything, so that a
/// block that begins with one would be NaN throughout: it gets the background here.
template <class Grid, class Stored>
void copy_numbers(const Slab<Stored>& dense, Grid& grid) {
  const auto count = static_cast<std::size_t>(dense.bbox().volume());
  const auto same = typename Grid::ValueType(Stored(0));  // tolerance
  if (std::none_of(dense.data(), dense.data() + count, [](const Stored& v) { return is_nan(v); }))
    return openvdb::tools::copyFromDense(dense, grid, same);
  const auto numbers = std::make_unique<Stored[]>(count);
  std::transform(dense.data(), dense.data() + count, numbers.get(), [&](const Stored& value) {
    return is_nan(value) ? Stored(grid.background()) : value;
  });
  openvdb::tools::copyFromDense(Slab<Stored>(dense.bbox(), numbers.get()), grid, same);
}

/// What differs from the background, slab by slab.
template <class Grid, class Stored>
typename Grid::Ptr filled(const VdbVolume& v, const typename Grid::ValueType& background) {
  auto grid = Grid::create(background);
  const auto plane = static_cast<std::size_t>(v.size[0]) * static_cast<std::size_t>(v.size[1]);
  auto* voxels = static_cast<Stored*>(const_cast<void*>(v.voxels));  // Dense takes no const
  const auto each_slab = [&](const auto& body) {
    for (Int32 z = 0; z < extent(v, 2); z += kSlab) {
      const Int32 end = std::min(z + kSlab, extent(v, 2));
      const CoordBBox box(Coord(0, 0, z), Coord(extent(v, 0) - 1, extent(v, 1) - 1, end - 1));
      body(Slab<Stored>(box, voxels + static_cast<std::size_t>(z) * plane));
    }
  };
  each_slab([&](const Slab<Stored>& dense) { copy_numbers(dense, *grid); });
  grid->pruneGrid();
  each_slab([&](const Slab<Stored>& dense) { keep_nan(dense, *grid); });
  return grid;
}

openvdb::GridBase::Ptr grid_of(const VdbVolume& v) {
  switch (v.kind) {
    case gigawarp::io::kVdbBoolean: return filled<openvdb::BoolGrid, bool>(v, v.background != 0);
    case gigawarp::io::kVdbInteger:
      return filled<openvdb::Int32Grid, Int32>(v, static_cast<Int32>(v.background));
    case gigawarp::io::kVdbScalar: return filled<openvdb::FloatGrid, float>(v, v.background);
    default: break;
  }
  auto grid = filled<openvdb::Vec3SGrid, openvdb::Vec3s>(v, openvdb::Vec3s(v.background));
  grid->setVectorType(openvdb::VEC_CONTRAVARIANT_RELATIVE);
  grid->setIsInWorldSpace(true);
  return grid;
}

template <class Grid, class Dense>
void to_dense(const Grid& grid, const CoordBBox& all, Dense* out) {
  const CoordBBox& b = all;
  const auto plane = static_cast<std::size_t>(b.dim()[0]) * static_cast<std::size_t>(b.dim()[1]);
  for (Int32 z = b.min()[2]; z <= b.max()[2]; z += kSlab) {
    const CoordBBox box(Coord(b.min()[0], b.min()[1], z),
                        Coord(b.max()[0], b.max()[1], std::min(z + kSlab - 1, b.max()[2])));
    openvdb::tools::Dense<Dense, openvdb::tools::LayoutXYZ> dense(
        box, out + static_cast<std::size_t>(z - b.min()[2]) * plane);
    openvdb::tools::copyToDense(grid, dense);
  }
}

/// What the dense volume covers: what its writer said, else the voxels that are stored.
CoordBBox box_of(const openvdb::GridBase& grid) {
  Coord size(0);
  for (int a = 0; a < 3; ++a)
    if (const auto said = grid.getMetadata<openvdb::Int32Metadata>(kSizeKeys[a]))
      size[a] = said->value();
  if (size[0] > 0 && size[1] > 0 && size[2] > 0) return {Coord(0), size.offsetBy(-1)};
  return grid.evalActiveVoxelBoundingBox();
}

/// Header, then voxels of a grid of that type.
template <class Grid, class Dense>
bool deliver(const openvdb::GridBase& base, int kind, float background, const VdbTaker& taker) {
  const auto& grid = static_cast<const Grid&>(base);
  const CoordBBox box = box_of(base);
  VdbVolume v{};
  v.kind = kind;
  v.background = background;
  const std::string name = base.getName();
  v.name = name.c_str();
  for (int a = 0; a < 3; ++a) v.size[a] = std::int64_t{box.max()[a]} - box.min()[a] + 1;
  const openvdb::Mat4R m = base.transform().baseMap()->getAffineMap()->getMat4();
  const openvdb::Vec3d first = base.transform().indexToWorld(box.min());
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) v.world_from_index[r][c] = m[c][r];
    v.world_from_index[r][3] = first[r];
  }
  std::vector<std::pair<std::string, std::string>> kept;
  for (auto it = base.beginMeta(); it != base.endMeta(); ++it)
    kept.emplace_back(it->first, it->second->str());
  std::vector<VdbText> texts;
  for (const auto& [key, value] : kept) texts.push_back({key.c_str(), value.c_str()});
  v.texts = texts.data();
  v.text_count = texts.size();
  void* out = taker.volume(taker.owner, &v);
  if (out != nullptr) to_dense(grid, box, static_cast<Dense*>(out));
  return true;
}

bool deliver_any(const openvdb::GridBase& grid, const VdbTaker& taker) {
  using namespace gigawarp::io;
  if (grid.isType<openvdb::BoolGrid>())
    return deliver<openvdb::BoolGrid, bool>(
        grid, kVdbBoolean, static_cast<const openvdb::BoolGrid&>(grid).background() ? 1.0F : 0.0F,
        taker);
  if (grid.isType<openvdb::MaskGrid>())
    return deliver<openvdb::MaskGrid, bool>(grid, kVdbBoolean, 0, taker);
  if (grid.isType<openvdb::Int32Grid>())
    return deliver<openvdb::Int32Grid, Int32>(
        grid, kVdbInteger,
        static_cast<float>(static_cast<const openvdb::Int32Grid&>(grid).background()), taker);
  if (grid.isType<openvdb::FloatGrid>())
    return deliver<openvdb::FloatGrid, float>(
        grid, kVdbScalar, static_cast<const openvdb::FloatGrid&>(grid).background(), taker);
  if (grid.isType<openvdb::DoubleGrid>())
    return deliver<openvdb::DoubleGrid, float>(
        grid, kVdbScalar,
        static_cast<float>(static_cast<const openvdb::DoubleGrid&>(grid).background()), taker);
  if (grid.isType<openvdb::Vec3SGrid>())
    return deliver<openvdb::Vec3SGrid, openvdb::Vec3s>(
        grid, kVdbVector, static_cast<const openvdb::Vec3SGrid&>(grid).background()[0], taker);
  return false;
}

}  // namespace

namespace {
/// All grids of a file. OpenVDB does not look whether its stream has ended and takes what it could
/// not read for lengths and counts: so the stream throws std::ios_base::failure.
openvdb::GridPtrVecPtr grids_of(const char* file) {
  if (const char* why = gigawarp::io::reason_against(file)) throw std::runtime_error(why);
  std::ifstream stream;
  stream.exceptions(std::ios::failbit | std::ios::badbit | std::ios::eofbit);
  stream.open(file, std::ios::binary);
  openvdb::io::Stream in(stream, false);  // all of it is read now
  return in.getGrids();
}

/// OpenVDB does not notice a full disk when it writes; reading does.
bool is_whole(const char* file, const openvdb::GridBase& grid) {
  try {
    const openvdb::GridPtrVecPtr grids = grids_of(file);
    return grids->size() == 1 && grids->front()->activeVoxelCount() == grid.activeVoxelCount();
  } catch (const std::exception&) {
    return false;
  }
}
}  // namespace

extern "C" int gigawarp_write_vdb(const VdbVolume* volume, const char* file, char* why,
                                  std::size_t why_bytes) noexcept {
  try {
    openvdb::initialize();
    const openvdb::GridBase::Ptr grid = grid_of(*volume);
    grid->setName(volume->name);
    grid->setTransform(openvdb::math::Transform::createLinearTransform(matrix_of(*volume)));
    if (volume->kind == gigawarp::io::kVdbScalar) grid->setGridClass(openvdb::GRID_FOG_VOLUME);
    grid->setSaveFloatAsHalf(volume->half != 0);
    grid->setCreator("Gigawarp");
    for (int a = 0; a < 3; ++a)
      grid->insertMeta(kSizeKeys[a], openvdb::Int32Metadata(extent(*volume, a)));
    for (std::size_t i = 0; i < volume->text_count; ++i)
      grid->insertMeta(volume->texts[i].key, openvdb::StringMetadata(volume->texts[i].value));
    openvdb::io::File out(file);
    out.setCompression(openvdb::io::COMPRESS_BLOSC | openvdb::io::COMPRESS_ACTIVE_MASK);
    out.write({grid});
    out.close();
    return is_whole(file, *grid) ? 1 : fail(why, why_bytes, "the file is not whole");
  } catch (const std::exception& error) {
    return fail(why, why_bytes, error.what());
  }
}

extern "C" int gigawarp_read_vdb(const char* file, const VdbTaker* taker, char* why,
                                 std::size_t why_bytes) noexcept {
  try {
    openvdb::initialize();
    const openvdb::GridPtrVecPtr grids = grids_of(file);
    for (const openvdb::GridBase::Ptr& grid : *grids)
      if (!grid->empty() && grid->transform().isLinear() && deliver_any(*grid, *taker)) return 1;
    for (const openvdb::GridBase::Ptr& grid : *grids)  // nothing but background, of a known size
      if (grid->transform().isLinear() && grid->getMetadata<openvdb::Int32Metadata>(kSizeKeys[0]) &&
          deliver_any(*grid, *taker))
        return 1;
    return fail(why, why_bytes, "it holds no grid of numbers, labels, a mask or vectors");
  } catch (const std::ios_base::failure&) {
    return fail(why, why_bytes, "it ends too early or is damaged");
  } catch (const std::exception& error) {
    return fail(why, why_bytes, error.what());
  }
}
