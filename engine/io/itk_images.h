#pragma once
#include <filesystem>
#include <optional>

#include "gigawarp/volume.h"
#include "io/convert.h"
#include "io/image_io.h"

namespace gigawarp::io {

/// Formats read and written by ITK's own classes. This header is free of ITK.
enum class ItkFormat { nrrd, meta, minc, mrc, hdf5, dicom };

/// NRRD and MetaImage by the name's ending, header files included; nothing for others.
std::optional<ItkFormat> itk_text_format(const std::filesystem::path& path);

/// What a header says, and of which kind the values in the file are.
struct ItkDescription {
  ImageHeader header;
  FileType stored;
};
ItkDescription describe_itk(ItkFormat format, const std::filesystem::path& path,
                            const ReadOptions& options);
ImageHeader read_itk_header(ItkFormat format, const std::filesystem::path& path,
                            const ReadOptions& options);
Volume read_itk(ItkFormat format, const std::filesystem::path& path, const ReadOptions& options);
/// Written beside and renamed. MRC and DICOM are not written: Error{usage}.
void write_itk(ItkFormat format, const Volume& volume, const std::filesystem::path& path);

/// A DICOM series: every slice of the folder `path`, or of the series that the file `path` belongs
/// to. Slices are ordered by position; uneven or missing slices and several series are refused.
ImageHeader read_dicom_header(const std::filesystem::path& path, const ReadOptions& options);
Volume read_dicom(const std::filesystem::path& path, const ReadOptions& options);

}  // namespace gigawarp::io
