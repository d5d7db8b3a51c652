#pragma once
#include <filesystem>

#include "gigawarp/transform.h"

namespace gigawarp::io {

enum class ItkTransformFormat { matlab, text, hdf5 };

/// Reads an ITK transform file. Stages come out in application order (ITK applies the last of a
/// queue first). 2-D transforms and lists that are no composite are refused. This header is free of
/// ITK.
Transform read_itk_transform(ItkTransformFormat format, const std::filesystem::path& path);

/// Writes a composite .h5 through ITK to `temporary`; the caller renames. Throws
/// Error{output_not_written}.
void write_itk_composite(const Transform& transform, const std::filesystem::path& temporary,
                         const std::filesystem::path& target);

}  // namespace gigawarp::io
