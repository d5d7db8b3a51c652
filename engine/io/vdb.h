#pragma once
#include <filesystem>

#include "gigawarp/volume.h"
#include "io/image_io.h"

namespace gigawarp::io {

/// OpenVDB files (.vdb): one sparse grid, blosc, read and written by a module that is loaded when
/// first needed. The grid's transform is the volume's, in LPS mm, which its metadata say
/// ("gigawarp_frame"); index (0, 0, 0) is the first voxel and "gigawarp_size_x", _y, _z the
/// lattice. What is written:
///     three channels f32    Vec3SGrid "displacement": fixed-to-moving millimetres
///     ("gigawarp_direction") f32, f64              FloatGrid "density", class fog volume integers
///     BoolGrid "mask" when all are 0 or 1, else Int32Grid "labels"
/// Floats are stored in 16 bits when none of them moves by more than kVdbMostRounding of the range
/// of values (displacements: of a voxel); the largest difference is in "gigawarp_rounding". The
/// background is the value of all eight corners where they agree, else 0; that of displacements is
/// 0, as ITK has it. NaN is kept.
inline constexpr double kVdbMostRounding = 1e-3;

bool is_vdb_name(const std::filesystem::path& path);

/// Grids of other programs cover their active voxels and need ReadOptions::spacing_mm, as their
/// unit is unknown. Booleans become u8, integers i32, the rest f32. Throws Error{bad_input}.
ImageHeader read_vdb_header(const std::filesystem::path& path, const ReadOptions& options = {});
Volume read_vdb(const std::filesystem::path& path, const ReadOptions& options = {});

/// Beside and renamed. One channel, or three of f32: Error{usage} otherwise.
void write_vdb(const Volume& volume, const std::filesystem::path& path);

}  // namespace gigawarp::io
