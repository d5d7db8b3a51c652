#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "app/apply_points.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/image_io.h"
#include "io/landmarks_io.h"
#include "io/readable_text.h"
#include "io/surface_file.h"
#include "io/transform_io.h"

namespace gigawarp::app {
namespace {

using Json = nlohmann::ordered_json;

struct InfoOptions {
  std::vector<std::string> files;
  io::ReadOptions read;
  std::optional<io::SurfaceSpace> mesh_space;
  bool json = false, header_only = false;
};

/// Names of files may be in any bytes.
std::string as_text(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Json grid_json(const Grid& grid) {
  return {{"size", grid.size},
          {"spacing_mm", grid.spacing_mm()},
          {"origin_mm", grid.origin_mm()},
          {"direction", grid.direction()},
          {"orientation", grid.orientation()}};
}

Json levels_json(const std::vector<Grid>& levels) {
  Json out = Json::array();
  for (const Grid& grid : levels)
    out.push_back({{"size", grid.size}, {"spacing_mm", grid.spacing_mm()}});
  return out;
}

/// Three floats per voxel in a format of warps are one, as far as the file can tell.
bool may_be_a_warp(const std::string& file, const io::ImageHeader& header,
                   const InfoOptions& options) {
  return header.channels == 3 && !options.read.selection.channel && !options.read.spacing_mm &&
         (header.type == ScalarType::f32 || header.type == ScalarType::f64) &&
         io::is_displacement_image(file);
}

/// How far a displacement field moves points.
Json lengths_json(const DisplacementField& field) {
  double sum = 0, largest = 0;
  std::int64_t inside = 0;
  std::array<const float*, 3> d{};
  for (int a = 0; a < 3; ++a) d[a] = field.component_mm(a);
  for (std::int64_t i = 0; i < field.grid().voxel_count(); ++i) {
    const double length = std::hypot(d[0][i], d[1][i], d[2][i]);
    if (!std::isfinite(length)) continue;
    ++inside;
    sum += length;
    largest = std::max(largest, length);
  }
  return {{"displacement_mean_mm", inside > 0 ? sum / static_cast<double>(inside) : 0},
          {"displacement_largest_mm", largest},
          {"displacement_voxels_outside", field.grid().voxel_count() - inside}};
}

Json image_json(const std::string& file, const InfoOptions& options) {
  const io::ImageHeader header = io::read_header(file, options.read);
  Json out{{"file", file}, {"kind", "image"}, {"format", header.format}};
  out.update(grid_json(header.grid));
  out["channels"] = header.channels;
  if (header.parts.channels > header.channels) out["channels_in_file"] = header.parts.channels;
  if (!header.parts.channel_names.empty()) out["channel_names"] = header.parts.channel_names;
  if (header.parts.timepoints > 1) out["timepoints"] = header.parts.timepoints;
  out["type"] = name_of(header.type);
  if (!header.levels.empty()) out["levels"] = levels_json(header.levels);
  out["notes"] = header.notes;
  const bool warp = may_be_a_warp(file, header, options);
  if (warp) out["as_transform"] = "displacements of the points of this lattice, in LPS mm";
  if (options.header_only) return out;
  if (header.parts.timepoints > 1 && !options.read.selection.timepoint) {
    out["notes"].push_back(
        "The values are those of several time points; --timepoint tells of one.");
    return out;
  }
  if (warp) {
    const Transform transform = io::read_transform(file);
    out.update(lengths_json(std::get<DisplacementField>(transform.stages.front())));
  }
  const Volume volume = io::read_image(file, options.read);
  out["type"] = name_of(volume.type());
  out["notes"] = volume.notes();
  Json channels = Json::array();
  for (int c = 0; c < volume.channels(); ++c) {
    const IntensityStatistics s = intensity_statistics(volume, c);
    channels.push_back({{"minimum", s.minimum},
                        {"maximum", s.maximum},
                        {"mean", s.mean},
                        {"standard_deviation", s.standard_deviation},
                        {"not_finite", s.not_finite},
                        {"not_zero", s.not_zero}});
  }
  out["values"] = channels;
  return out;
}

Json stage_json(const TransformStage& stage) {
  if (const auto* affine = std::get_if<Affine>(&stage))
    return {{"kind", "affine"},
            {"matrix", affine->linear},
            {"offset_mm", affine->offset},
            {"determinant", affine->determinant()}};
  if (const auto* field = std::get_if<DisplacementField>(&stage)) {
    Json out{{"kind", "displacement field"}};
    out.update(grid_json(field->grid()));
    Json range = Json::array();
    std::int64_t outside = 0;
    for (int a = 0; a < 3; ++a) {
      const IntensityStatistics s = intensity_statistics(field->volume(), a);
      range.push_back({s.minimum, s.maximum});
      outside = std::max(outside, s.not_finite);
    }
    out["range_mm"] = range;
    out["voxels_outside"] = outside;
    return out;
  }
  Json out{{"kind", "cubic B-spline"}};
  out.update(grid_json(std::get<BSplineField>(stage).control_grid()));
  return out;
}

Json transform_json(const std::string& file) {
  const Transform transform = io::read_transform(file);
  Json stages = Json::array();
  for (const TransformStage& stage : transform.stages) stages.push_back(stage_json(stage));
  return {{"file", file},
          {"kind", "transform"},
          {"maps", "fixed points to moving points, world LPS mm"},
          {"stages", stages}};
}

Json landmarks_json(const std::string& file) {
  Json points = Json::array();
  for (const io::Landmark& l : io::read_landmarks(file))
    points.push_back({{"name", l.name}, {"position_mm", l.position_mm}});
  return {{"file", file}, {"kind", "landmarks"}, {"frame", "LPS mm"}, {"points", points}};
}

/// Names are the file's: they may be anything.
Json arrays_json(const std::vector<io::SurfaceArray>& arrays) {
  Json out = Json::array();
  for (const io::SurfaceArray& array : arrays) {
    out.push_back({{"name", io::readable_text(array.name)},
                   {"of", io::readable_text(array.of)},
                   {"type", array.type}});
    if (array.components != 1)
      out.back()["components"] = array.components > 0 ? Json(array.components) : Json("any");
  }
  return out;
}

Json surface_json(const std::string& file, const InfoOptions& options) {
  const auto surface = io::open_surface(file, options.mesh_space);
  const io::SurfaceContents& contents = surface->contents();
  const std::vector<Vec3>& points = surface->points_mm();
  std::array<Vec3, 2> bounds{points.front(), points.front()};
  for (const Vec3& p : points)
    for (std::size_t a = 0; a < 3; ++a) {
      bounds[0][a] = std::min(bounds[0][a], p[a]);
      bounds[1][a] = std::max(bounds[1][a], p[a]);
    }
  Json out{{"file", file},       {"kind", "surface"},       {"format", contents.format},
           {"frame", "LPS mm"},  {"points", points.size()}, {"faces", contents.faces},
           {"bounds_mm", bounds}};
  if (contents.lines > 0) out["lines"] = contents.lines;
  if (const auto space = surface->stated_space())
    out["axes_in_file"] = *space == io::SurfaceSpace::ras ? "RAS" : "LPS";
  out["arrays"] = arrays_json(contents.arrays);
  out["notes"] = surface->notes();
  return out;
}

bool ends_with_any(const std::string& name, std::initializer_list<const char*> extensions) {
  for (const char* extension : extensions)
    if (name.ends_with(extension)) return true;
  return false;
}

Json describe(const std::string& file, const InfoOptions& options) {
  if (!io::surface_ending(file).empty()) return surface_json(file, options);
  if (ends_with_any(file, {".csv", ".fcsv", ".json"})) return landmarks_json(file);
  if (ends_with_any(file, {".mat", ".txt", ".tfm", ".lta", ".fsl", ".afni", ".xfm"}))
    return transform_json(file);
  if (!ends_with_any(file, {".h5", ".hdf5"})) return image_json(file, options);
  try {  // HDF5 holds either
    return image_json(file, options);
  } catch (const Error&) {
    return transform_json(file);
  }
}

/// "key  value" lines; arrays on one line, lists of objects indented.
void print(const Json& json, int indent, std::ostream& out) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  for (const auto& [key, value] : json.items()) {
    const bool list =
        value.is_array() && !value.empty() && (value[0].is_object() || key == "notes");
    if (list) {
      out << margin << key << '\n';
      for (const Json& item : value) {
        if (item.is_object())
          print(item, indent + 4, out);
        else
          out << margin << "    " << item.get<std::string>() << '\n';
      }
    } else if (!value.is_array() || !value.empty()) {
      out << margin << key << "  "
          << (value.is_string() ? value.get<std::string>() : as_text(value)) << '\n';
    }
  }
}

void info(const InfoOptions& options) {
  Json all = Json::array();
  for (const std::string& file : options.files) {
    Json one = describe(file, options);
    if (options.json)
      all.push_back(std::move(one));
    else
      print(one, 0, std::cout);
  }
  if (options.json) std::cout << as_text(all, 1) << '\n';
}

}  // namespace

void add_info_verb(CLI::App& app) {
  CLI::App* verb = add_verb(
      app, "info", "Say what images, surfaces, transforms and landmark files hold, in LPS mm",
      "gigawarp info brain.nii.gz out/0GenericAffine.mat --json");
  auto options = std::make_shared<InfoOptions>();
  verb->add_option("files", options->files,
                   "Files, folders of a DICOM series, or addresses of OME-Zarr (https:, s3:). "
                   "Surfaces: .vtk, .vtp, .ply, .obj, .stl, .gii")
      ->required()
      ->type_name("FILE");
  verb->add_flag("--json", options->json, "One JSON array instead of text");
  verb->add_flag("--header", options->header_only, "Images: leave the voxels unread");
  verb->add_option_function<std::string>(
          "--mesh-space",
          [options](const std::string& name) { options->mesh_space = mesh_space(name); },
          "Axes of surfaces that do not say them (default: lps)")
      ->type_name("lps|ras");
  add_spacing_option(verb, "--spacing", options->read.spacing_mm,
                     "Voxel size in mm, wins over the file's");
  add_selection_options(verb, "", "each image", options->read.selection);
  verb->callback([options] { info(*options); });
}

}  // namespace gigawarp::app
