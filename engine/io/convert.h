#pragma once
#include <filesystem>
#include <optional>

#include "gigawarp/volume.h"

namespace gigawarp::io {

/// Scalars a file may hold; the last two have no place in a Volume.
enum class FileScalar { u8, i8, u16, i16, u32, i32, f32, f64, u64, i64 };

/// One voxel of one channel in a file: 1 sample, or 3 or 4 for colour.
struct FileType {
  FileScalar scalar = FileScalar::u8;
  int samples = 1;
};

/// value = slope * stored + intercept.
struct Scaling {
  double slope = 1, intercept = 0;
  bool is_identity() const { return slope == 1 && intercept == 0; }
};

/// How the channels of a file lie in memory.
enum class SampleOrder { planar, interleaved };

std::size_t width_of(FileScalar scalar);
/// The volume type that holds the file's values unchanged, if there is one.
std::optional<ScalarType> own_scalar(const FileType& type);
/// The type a volume will have, with a note for each conversion. 64-bit integers become 32-bit.
ScalarType stored_type(const FileType& type, bool scaled, std::vector<std::string>& notes);

/// Turns raw file values into a volume. Colour becomes luminance (ITU-R BT.709, alpha ignored); a
/// scaling that is not the identity gives f32 (f64 stays); 64-bit integers become i32 or u32 when
/// every value fits and are refused otherwise. Colour samples are always interleaved per voxel;
/// `order` is that of the channels.
Volume converted(const Buffer& raw, const FileType& type, SampleOrder order, const Grid& grid,
                 int channels, const Scaling& scaling, const std::filesystem::path& path);

/// Float volumes of whole numbers become i32; throws Error{bad_input} when a value is not whole.
Volume as_label_map(Volume&& volume, const std::filesystem::path& path);

/// Converts every value; integer targets round and refuse (bad_input) what does not fit.
Volume to_type(const Volume& volume, ScalarType type);

}  // namespace gigawarp::io
