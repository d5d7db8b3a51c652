#pragma once
#include <filesystem>

#include "gigawarp/volume.h"
#include "io/image_io.h"

namespace gigawarp::io {

/// TIFF and BigTIFF stacks. Pages are z (ImageJ hyperstacks: channels too; several frames are
/// refused). The voxel size comes from OME-XML (PhysicalSizeX…), or ImageJ's resolution tags with
/// `spacing=` and `unit=`, or ReadOptions; without any Error{bad_input} asks for --spacing.
/// Directions are identity and the origin is 0: TIFF stores neither. Colour becomes luminance.
ImageHeader read_tiff_header(const std::filesystem::path& path, const ReadOptions& options);
Volume read_tiff(const std::filesystem::path& path, const ReadOptions& options);

/// One page per slice with ImageJ metadata (spacing, unit=mm). One channel; u8, u16 and f32 only,
/// which is what ImageJ reads: Error{usage} otherwise.
void write_tiff(const Volume& volume, const std::filesystem::path& path);

/// What a TIFF does not hold of the grid, in a sentence; empty where a reader would assume it.
std::string lost_in_tiff(const Grid& grid);

}  // namespace gigawarp::io
