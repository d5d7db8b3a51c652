#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/grid.h"

namespace gigawarp::io {

/// The axes of the coordinates in a surface file. They are millimetres.
enum class SurfaceSpace { lps, ras };

/// Numbers that belong to points or faces, in a surface file.
struct SurfaceArray {
  std::string name;    ///< empty where the file gives none
  std::string of;      ///< "points", "faces", or what else has them
  std::string type;    ///< "f32", "u8" …; "text"
  int components = 1;  ///< 0: as many as each of them says
};

/// What a surface file holds besides its points.
struct SurfaceContents {
  std::string format;                 ///< "PLY, binary"
  std::int64_t faces = 0, lines = 0;  ///< lines of any length
  std::vector<SurfaceArray> arrays;   ///< without coordinates and corners
};

/// A surface file, read so that it can be written again with its points elsewhere:
///     PLY (.ply), OBJ (.obj), STL (.stl)      rewritten here, number by number
///     VTK PolyData (.vtk, .vtp)               by VTK, in a module that is loaded with the first
///                                             such file; written as binary: its text has six
///                                             digits
///     GIFTI surfaces (.gii)                   by the GIFTI library that comes with ITK; real
///                                             numbers are written as binary, for the same reason
/// Faces, colours, labels and whatever else belongs to points and faces stay as they are; vectors
/// are not turned. Normals are no longer those of the surface: STL's are made anew from the faces,
/// all others are left out, and programs that draw make their own.
///
/// Why no one library reads them all: ITK 5.2's mesh readers keep one array of a .vtk file, do not
/// know the layout that VTK 9 writes, nor PLY, STL and .vtp. VTK's keep of a PLY file only
/// coordinates and colours, take what is missing at its end for zeros, and double the points of an
/// OBJ file along its seams. These three formats are lists of numbers: all that is not a point or a
/// normal is copied.
///
/// Memory: 24 bytes for each point (STL: 72 for each triangle; OBJ and text STL, which do not say
/// how many there are, up to three times that while they are read); PLY, OBJ and STL hold nothing
/// else and are read a second time while they are written, VTK and GIFTI files are held whole.
class SurfaceFile {
 public:
  virtual ~SurfaceFile() = default;
  SurfaceFile(const SurfaceFile&) = delete;
  SurfaceFile& operator=(const SurfaceFile&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// World LPS mm. One that is set to NaN is left out of what is written, and so are the faces that
  /// have it.
  std::vector<Vec3>& points_mm() { return points_; }
  /// What the user should know: what was taken for granted.
  const std::vector<std::string>& notes() const { return notes_; }
  /// What write() leaves out, or cannot take along.
  const std::vector<std::string>& losses() const { return losses_; }
  const SurfaceContents& contents() const { return contents_; }
  /// The axes as the file says them.
  std::optional<SurfaceSpace> stated_space() const { return stated_; }

  /// In the format, the axes and the kinds of numbers of the file that was read; beside and
  /// renamed. The points are used up. Returns how many faces were left out. Throws
  /// Error{output_not_written}, Error{cancelled}, and Error{bad_input} where no point is left or
  /// the format has parts that cannot do without those left out.
  std::int64_t write(const std::filesystem::path& out, const std::stop_token& stop = {});

 protected:
  explicit SurfaceFile(std::filesystem::path path) : path_(std::move(path)) {}
  bool is_left_out(std::size_t point) const { return points_[point][0] != points_[point][0]; }

  std::filesystem::path path_;
  std::vector<Vec3> points_;  ///< in the file's frame inside open() and write_file()
  std::vector<std::string> notes_, losses_;
  SurfaceContents contents_;
  /// What the file says.
  std::optional<SurfaceSpace> stated_;
  /// Of files whose points need a matrix of theirs first.
  std::optional<Affine> stated_from_file_;

 private:
  friend std::unique_ptr<SurfaceFile> open_surface(const std::filesystem::path&,
                                                   std::optional<SurfaceSpace>,
                                                   const std::stop_token&);
  /// Fills all that is protected here.
  virtual void open(const std::stop_token& stop) = 0;
  /// `new_index` of a point, -1 for one that is left out; empty where all stay.
  virtual std::int64_t write_file(const std::filesystem::path& out,
                                  std::span<const std::int64_t> new_index,
                                  const std::stop_token& stop) = 0;
  void take_frame(std::optional<SurfaceSpace> given);

  Affine world_from_file_;
};

/// The ending of a surface file's name (".ply"), or nothing where it is none that is known.
std::string surface_ending(const std::filesystem::path& path);

/// The file's own word on its axes counts ("SPACE=RAS" as 3D Slicer writes it; GIFTI is RAS). Where
/// it has none, `given` is taken, or LPS without, which notes() says. Throws Error{usage} where
/// `given` contradicts the file, Error{bad_input} for a file that is damaged, of another type, or
/// holds no points or ones that are no numbers, Error{does_not_fit}, Error{cancelled}. Libraries
/// are not interrupted: `stop` is looked at before and after what they read and write.
std::unique_ptr<SurfaceFile> open_surface(const std::filesystem::path& path,
                                          std::optional<SurfaceSpace> given = {},
                                          const std::stop_token& stop = {});

}  // namespace gigawarp::io
