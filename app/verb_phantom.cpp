#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sstream>

#include "app/run_commands.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/image_io.h"
#include "io/landmarks_io.h"
#include "io/transform_io.h"
#include "io/volume_sink.h"
#include "phantom/phantom.h"

namespace gigawarp::app {
namespace {

using phantom::Side;
using phantom::StreamedKind;

struct PhantomOptions {
  std::filesystem::path out;
  std::string size = "128", type = "u16", fixed_contrast = "t1", moving_contrast = "t1";
  double spacing_mm = 0, deformation_mm = -1, affine = 1, noise_percent = 2, bias_percent = 10;
  std::uint64_t seed = 1;
  std::string format = "nii.gz";
  io::WriteOptions write;
  bool oblique = false, identity = false, stream = false, no_warp = false, overwrite = false;
};

/// Beyond this the volumes are written uncompressed, plane by plane.
constexpr std::int64_t kStreamBeyondVoxels = 300'000'000;
/// Beyond this the dense warp (12 bytes per voxel, in memory) is left out.
constexpr std::int64_t kWarpUpToVoxels = 100'000'000;

phantom::PhantomSpec spec_of(const PhantomOptions& options) {
  phantom::PhantomSpec spec;
  const Vec3 size = parse_vec3(options.size, "--size");
  for (int a = 0; a < 3; ++a) {
    if (size[a] != std::floor(size[a]))
      throw Error(ErrorCode::usage, "--size takes whole numbers of voxels.", "--size");
    if (!(size[a] >= 8 && size[a] <= 65536))
      throw Error(ErrorCode::usage, "--size takes between 8 and 65536 voxels on each axis.",
                  "--size");
    spec.size[a] = static_cast<std::int64_t>(size[a]);
  }
  spec.spacing_mm = options.spacing_mm;
  spec.fixed_contrast = phantom::contrast_from_name(options.fixed_contrast);
  spec.moving_contrast = phantom::contrast_from_name(options.moving_contrast);
  spec.type = scalar_type(options.type);
  spec.seed = options.seed;
  spec.deformation_mm = options.deformation_mm;
  spec.affine_perturbation = options.affine;
  spec.noise_percent = options.noise_percent;
  spec.bias_field_percent = options.bias_percent;
  spec.oblique = options.oblique;
  return options.identity ? phantom::identity(spec) : spec;
}

void make_folder(const std::filesystem::path& folder, bool overwrite) {
  std::error_code failure;
  if (!overwrite && std::filesystem::exists(folder / "phantom.json", failure))
    throw Error(ErrorCode::usage,
                "\"" + folder.string() +
                    "\" already holds a phantom; choose another folder or give --overwrite.",
                folder.string());
  std::filesystem::create_directories(folder, failure);
  if (failure)
    throw Error(
        ErrorCode::output_not_written,
        "The folder \"" + folder.string() + "\" could not be made: " + failure.message() + ".",
        folder.string());
}

/// Uncompressed volumes take what they take: better told before hours of writing than after.
void require_room(const phantom::Phantom& pair, const std::filesystem::path& out) {
  std::error_code failure;
  const auto space = std::filesystem::space(out, failure);
  const auto voxels = static_cast<double>(pair.grid(Side::fixed).voxel_count());
  const double needed = voxels * static_cast<double>(2 * size_of(pair.spec().type) + 3);
  if (failure || needed <= static_cast<double>(space.available)) return;
  constexpr double kGiB = 1073741824.0;
  std::array<char, 96> numbers{};
  std::snprintf(numbers.data(), numbers.size(), "%.1f GiB, but %.1f GiB are free", needed / kGiB,
                static_cast<double>(space.available) / kGiB);
  throw Error(ErrorCode::does_not_fit,
              "The phantom needs " + std::string(numbers.data()) + " in \"" + out.string() +
                  "\"; choose a smaller --size or another folder.",
              out.string());
}

/// Slab by slab into a pyramid.
void write_pyramid(const phantom::Phantom& pair, Side side, StreamedKind kind,
                   const std::filesystem::path& path, io::WriteOptions options,
                   const std::stop_token& stop) {
  const bool image = kind == StreamedKind::image;
  options.labels = !image;
  const Grid& grid = pair.grid(side);
  const ScalarType type = image ? pair.spec().type : ScalarType::u8;
  const auto sink = io::open_sink(path, {grid, type, 1, options});
  const std::int64_t step = sink->planes_at_once();
  Volume slab(Grid{{grid.size[0], grid.size[1], step}, {}}, type);
  for (std::int64_t z = 0; z < grid.size[2]; z += step) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled, "Interrupted; \"" + path.string() + "\" was not written.",
                  path.string());
    const std::int64_t end = std::min(grid.size[2], z + step);
    if (image)
      pair.render_slab(side, z, end, slab.data());
    else if (kind == StreamedKind::labels)
      pair.label_slab(side, z, end, slab.channel<std::uint8_t>());
    else
      pair.mask_slab(side, z, end, slab.channel<std::uint8_t>());
    sink->write(0, z, end - z, slab.data());
  }
  sink->commit();
}

void write_volumes(const phantom::Phantom& pair, const PhantomOptions& options, bool stream,
                   const std::stop_token& stop) {
  const std::filesystem::path& out = options.out;
  const bool pyramid = options.format == "ome.zarr";
  const std::string ending = pyramid ? ".ome.zarr" : stream ? ".nii" : ".nii.gz";
  const auto write = [&](Side side, StreamedKind kind, const std::string& name) {
    if (stop.stop_requested())
      throw Error(ErrorCode::cancelled,
                  "Interrupted; the phantom in \"" + out.string() + "\" is not complete.",
                  out.string());
    std::cerr << "writing " << name << ending << "\n";
    if (pyramid) return write_pyramid(pair, side, kind, out / (name + ending), options.write, stop);
    if (stream) {
      phantom::stream_nifti(pair, side, kind, out / (name + ".nii"), {}, stop);
      return;
    }
    const Volume volume = kind == StreamedKind::image    ? pair.image(side)
                          : kind == StreamedKind::labels ? pair.labels(side)
                                                         : pair.mask(side);
    io::write_image(volume, out / (name + ".nii.gz"));
  };
  write(Side::fixed, StreamedKind::image, "fixed");
  write(Side::moving, StreamedKind::image, "moving");
  write(Side::fixed, StreamedKind::labels, "fixed_labels");
  write(Side::moving, StreamedKind::labels, "moving_labels");
  write(Side::fixed, StreamedKind::mask, "fixed_mask");
}

void write_landmarks(const phantom::Phantom& pair, const std::filesystem::path& out) {
  std::vector<io::Landmark> fixed, moving;
  for (const phantom::PhantomLandmark& l : pair.landmarks()) {
    fixed.push_back({l.name, l.fixed_mm});
    moving.push_back({l.name, l.moving_mm});
  }
  io::write_landmarks(fixed, out / "landmarks_fixed.csv");
  io::write_landmarks(moving, out / "landmarks_moving.csv");
  std::ostringstream names;
  names << "label,name\n";
  for (const phantom::PhantomLabel& l : phantom::phantom_labels())
    names << l.value << "," << l.name << "\n";
  // Beside both label volumes, where window and qc look for names.
  for (const char* file : {"fixed_labels.csv", "moving_labels.csv"})
    write_text_file(out / file, names.str());
}

void make_phantom(const PhantomOptions& options) {
  const phantom::Phantom pair(spec_of(options));
  make_folder(options.out, options.overwrite);
  const std::int64_t voxels = pair.grid(Side::fixed).voxel_count();
  const bool stream = options.stream || voxels > kStreamBeyondVoxels;
  if (stream) require_room(pair, options.out);
  const Interruption interruption;
  write_volumes(pair, options, stream, interruption.stop());
  write_landmarks(pair, options.out);
  const bool warp = !options.no_warp && voxels <= kWarpUpToVoxels;
  if (warp) {
    std::cerr << "writing true_warp" << (stream ? ".nii" : ".nii.gz") << "\n";
    io::write_displacement(pair.true_warp(),
                           options.out / (stream ? "true_warp.nii" : "true_warp.nii.gz"));
  }
  write_text_file(options.out / "phantom.json", phantom::to_json(pair.spec()));
  const Size3& n = pair.spec().size;
  std::cout << "Phantom pair of " << n[0] << " x " << n[1] << " x " << n[2] << " voxels of "
            << pair.spec().spacing_mm << " mm in " << options.out.string() << "\n";
  if (!warp && !options.no_warp)
    std::cout
        << "The dense warp was left out at this size; phantom.json defines the map exactly.\n";
}

}  // namespace

void add_phantom_verb(CLI::App& app) {
  CLI::App* verb =
      add_verb(app, "phantom",
               "Make a brain-like pair of images whose true map, labels and landmarks are known",
               "gigawarp phantom --out pair --size 192 --fixed-contrast t1 --moving-contrast t2");
  auto options = std::make_shared<PhantomOptions>();
  verb->add_option("--out", options->out, "Folder to write")->required()->type_name("DIR");
  verb->add_option("--size", options->size, "Voxels: N or X,Y,Z (default: 128)")
      ->type_name("X,Y,Z");
  verb->add_option("--spacing", options->spacing_mm,
                   "Voxel size in mm; the head fills the image (default: a head of human size)");
  verb->add_option("--fixed-contrast", options->fixed_contrast,
                   "How the fixed image is weighted (default: t1)")
      ->type_name("t1|t2|lightsheet");
  verb->add_option("--moving-contrast", options->moving_contrast,
                   "How the moving image is weighted (default: t1)")
      ->type_name("t1|t2|lightsheet");
  verb->add_option("--type", options->type, "Voxel type (default: u16)")
      ->type_name("u8|i8|u16|i16|u32|i32|f32|f64");
  verb->add_option("--seed", options->seed, "Another seed is another map and noise (default: 1)");
  verb->add_option("--deformation", options->deformation_mm,
                   "Largest displacement in mm (default: 5 mm of a human head)");
  verb->add_option("--affine", options->affine,
                   "Size of the affine part; 1 (default): about 6 degrees, 5 mm, 5 %; 0: none");
  verb->add_option("--noise", options->noise_percent, "Percent of white matter (default: 2)");
  verb->add_option("--bias", options->bias_percent, "Percent of shading (default: 10)");
  verb->add_flag("--oblique", options->oblique, "Turn both grids in space, differently");
  verb->add_flag("--identity", options->identity,
                 "No affine part, no deformation: noise alone differs");
  verb->add_option("--format", options->format,
                   "Format of the volumes; a pyramid is written slab by slab, whatever the size "
                   "(default: nii.gz)")
      ->check(CLI::IsMember({"nii.gz", "ome.zarr"}).description(""))
      ->type_name("nii.gz|ome.zarr");
  add_zarr_option(verb, options->write);
  verb->add_flag("--stream", options->stream,
                 "Uncompressed .nii, plane by plane (always beyond 300 million voxels)");
  verb->add_flag("--no-warp", options->no_warp, "Leave out the dense true_warp");
  verb->add_flag("--overwrite", options->overwrite, "Replace a phantom in --out");
  verb->callback([options] { make_phantom(*options); });
}

}  // namespace gigawarp::app
