#pragma once
#include <filesystem>
#include <memory>

#include "io/brick_source.h"

namespace gigawarp::io {

/// An uncompressed NIfTI, NRRD or MetaImage file whose values are used as they are: one level, read
/// in place, never as a whole (by pread, so that a file cut off meanwhile is an Error and not a bus
/// error). Nothing for any other file, damaged ones included: their readers say what is wrong.
std::unique_ptr<BrickSource> open_plain(const std::filesystem::path& path,
                                        const ReadOptions& options = {});

}  // namespace gigawarp::io
