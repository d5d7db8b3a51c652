#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>

#include "io/itk_images.h"

namespace gigawarp::io {

/// Where the voxels of a NRRD or MetaImage lie and how: in the file itself or in one beside it, as
/// they are or as one deflate stream. What they are is read_itk_header()'s to say.
struct TextHeader {
  std::filesystem::path voxels;  ///< the file
  std::uint64_t offset = 0;      ///< where they, or their stream, begin
  bool big_endian = false;
  bool deflated = false;
};

/// Of a NRRD or MetaImage. Nothing where the header is none, or has the voxels lie in
/// several files, skips lines or bytes, or uses text or another encoding: ITK's reader takes those.
/// Throws Error{bad_input} when the file cannot be read.
std::optional<TextHeader> read_text_header(ItkFormat format, const std::filesystem::path& path);

}  // namespace gigawarp::io
