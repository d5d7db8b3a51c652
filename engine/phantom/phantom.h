#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "gigawarp/grid.h"
#include "gigawarp/transform.h"
#include "gigawarp/volume.h"

namespace gigawarp::phantom {

/// What the phantom looks like: T1- and T2-weighted MRI of a head, or light-sheet microscopy of the
/// cleared brain alone.
enum class Contrast { t1, t2, lightsheet };

/// Which image of the pair.
enum class Side { fixed, moving };

/// A pair of synthetic heads that one analytic map relates. The head fills the field of view,
/// whatever its size: a nominal head needs 168 x 200 x 192 mm, everything scales from there.
struct PhantomSpec {
  static constexpr int kVersion = 1;
  Size3 size{128, 128, 128};  ///< of both images
  double spacing_mm = 0;      ///< 0: a head of human size
  Contrast fixed_contrast = Contrast::t1;
  Contrast moving_contrast = Contrast::t1;
  ScalarType type = ScalarType::u16;
  std::uint64_t seed = 1;
  /// Largest displacement of the deformation before the affine; negative: 5 mm of a nominal head.
  double deformation_mm = -1;
  /// 1: about 6 degrees, 5 nominal mm and 5 % of scale and shear; 0: no affine part.
  double affine_perturbation = 1;
  double noise_percent = 2;        ///< standard deviation, of white matter
  double bias_field_percent = 10;  ///< largest change of brightness by the smooth shading
  bool oblique = false;            ///< both grids turned in space, differently
};

/// One seed with neither affine part nor deformation; noise still differs between the two images.
PhantomSpec identity(PhantomSpec spec);

std::string to_json(const PhantomSpec& spec);
/// Throws Error{bad_input} naming the key.
PhantomSpec parse_phantom(const std::string& json_text);
/// "t1", "t2", "lightsheet"; throws Error{usage} for any other.
Contrast contrast_from_name(const std::string& name);
std::string name_of(Contrast contrast);

/// A point with a name, known in both images (world LPS mm).
struct PhantomLandmark {
  std::string name;
  Vec3 fixed_mm, moving_mm;
};

struct PhantomLabel {
  int value;  ///< FreeSurfer's number for the like structure
  std::string name;
};
std::vector<PhantomLabel> phantom_labels();

/// Distribution of a distance over many points.
struct MapError {
  double mean_mm = 0, p95_mm = 0, max_mm = 0;
  double mean_voxels = 0, p95_voxels = 0,
         max_voxels = 0;  ///< of the fixed image's smallest spacing
  std::int64_t points = 0;
  std::int64_t undefined = 0;  ///< points that the transform does not map
};

/// The pair. The anatomy is implicit functions of a point in the moving image's space; the fixed
/// image is that anatomy at phi(x), so phi maps fixed points to moving points exactly: phi(x) = A(x
/// + u(x)), u a sum of six plane waves, |grad u| <= 0.75 (sampled), so phi is a diffeomorphism.
/// Thread-safe; every value depends on its voxel index alone, so slabs and whole volumes agree bit
/// for bit.
class Phantom {
 public:
  /// Throws Error{usage} when a number is out of range or the deformation would fold.
  explicit Phantom(const PhantomSpec& spec);
  ~Phantom();
  Phantom(Phantom&&) noexcept;
  Phantom& operator=(Phantom&&) noexcept;

  const PhantomSpec& spec() const;
  const Grid& grid(Side side) const;

  /// phi: fixed world mm to moving world mm.
  Vec3 map(const Vec3& fixed_mm) const;
  /// phi^-1 by Newton's iteration to 1e-9 mm.
  Vec3 inverse_map(const Vec3& moving_mm) const;
  /// World mm per mm of a nominal head.
  double nominal_scale() const;
  /// The affine part A; u alone is map() under its inverse.
  Affine affine() const;

  /// Planes z0 <= z < z1 in spec().type, x fastest; `out` holds them all. Threaded.
  void render_slab(Side side, std::int64_t z0, std::int64_t z1, std::byte* out) const;
  /// Label numbers of the same planes, one byte each. A cleared brain (light-sheet) has lost the
  /// fluid around it.
  void label_slab(Side side, std::int64_t z0, std::int64_t z1, std::uint8_t* out) const;
  /// 1 where label_slab is not 0: the brain, with its fluid where it has one.
  void mask_slab(Side side, std::int64_t z0, std::int64_t z1, std::uint8_t* out) const;

  Volume image(Side side) const;
  Volume labels(Side side) const;
  Volume mask(Side side) const;
  /// phi(x) - x on the fixed grid: the whole map, affine part included, as ANTs' single warp would
  /// hold it.
  DisplacementField true_warp() const;
  std::vector<PhantomLandmark> landmarks() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// How far `transform` is from the known map over the brain of the fixed image, or over the
/// non-zero voxels of `mask` (any type, on the fixed grid), where the known map stays on the moving
/// image: no registration can know what was not recorded. At most 8 million evenly spaced points.
/// Throws Error{usage} for a mask on another grid.
MapError known_map_error(const Transform& transform, const Phantom& phantom,
                         const Volume* mask = nullptr);
MapError known_map_error(const PointMap& map, const Phantom& phantom, const Volume* mask = nullptr);

/// Called with the number of planes written so far.
using PlaneProgress = std::function<void(std::int64_t)>;

enum class StreamedKind { image, labels, mask };

/// Writes an uncompressed .nii plane by plane, holding a few planes only: for volumes larger than
/// memory. NIfTI-2 where an axis exceeds 32767. Written beside and renamed. Throws
/// Error{output_not_written | cancelled}.
void stream_nifti(const Phantom& phantom, Side side, StreamedKind kind,
                  const std::filesystem::path& path, const PlaneProgress& progress = {},
                  const std::stop_token& stop = {});

}  // namespace gigawarp::phantom
