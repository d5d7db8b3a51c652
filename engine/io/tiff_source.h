#pragma once
#include <filesystem>
#include <memory>

#include "io/brick_source.h"

namespace gigawarp::io {

bool is_tiff_name(const std::filesystem::path& path);
/// A folder of .tif files (and no DICOM): one slice each, in the order of the numbers in their
/// names.
bool is_tiff_folder(const std::filesystem::path& path);
/// A TIFF file of grey values whose pages carry smaller copies of themselves (SubIFDs), as OME-TIFF
/// pyramids have them.
bool is_tiff_pyramid(const std::filesystem::path& path);

/// TIFF and BigTIFF whose parts are read in place, by strips and tiles, in parallel: stacks of
/// pages, pyramids in SubIFDs, folders of slices; compressed in any way that libtiff reads.
/// Geometry as read_tiff_header(); a folder must state the distance of its slices in ImageJ's
/// header, or
/// --spacing. Nothing for colour and for files that read_tiff() refuses; folders and pyramids are
/// refused here, with Error{bad_input | usage}.
std::unique_ptr<BrickSource> open_tiff_source(const std::filesystem::path& path,
                                              const ReadOptions& options = {});

}  // namespace gigawarp::io
