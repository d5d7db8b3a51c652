#include "app/apply_mesh.h"

#include <algorithm>
#include <iostream>
#include <span>

#include "app/progress_display.h"
#include "app/run_commands.h"
#include "app/transform_list.h"
#include "gigawarp/error.h"
#include "gigawarp/transform.h"

namespace gigawarp::app {
namespace {

/// The result is a file of the kind that was read: nobody is surprised by what another kind of file
/// cannot hold.
void check_name(const MeshOptions& options) {
  const std::string ending = io::surface_ending(options.mesh);
  if (ending.empty() || io::surface_ending(options.out) == ending) return;  // the reader says it
  throw Error(ErrorCode::usage,
              "A surface is written as the kind of file that it was read from; give --out a name "
              "that ends in " +
                  ending + ".",
              "--out");
}

/// A mirror image has its faces' corners the other way round.
bool mirrors(const Transform& transform) {
  bool out = false;
  for (const TransformStage& stage : transform.stages)
    if (const auto* affine = std::get_if<Affine>(&stage)) out ^= affine->determinant() < 0;
  return out;
}

/// Returns how many points lead nowhere.
std::size_t move(std::span<Vec3> points, const Transform& transform, StepProgress& progress,
                 const Interruption& interruption) {
  constexpr std::size_t kAtOnce = std::size_t{1} << 18;
  const PointMap map = point_map(transform);
  ProgressEvent event;
  event.stage = "moving the points";
  for (std::size_t at = 0; at < points.size(); at += kAtOnce) {
    interruption.look();
    map(points.subspan(at, std::min(kAtOnce, points.size() - at)));
    event.fraction = static_cast<double>(std::min(at + kAtOnce, points.size())) /
                     static_cast<double>(points.size());
    progress.on_event(event);
  }
  return static_cast<std::size_t>(
      std::count_if(points.begin(), points.end(), [](const Vec3& p) { return p[0] != p[0]; }));
}

}  // namespace

io::SurfaceSpace mesh_space(const std::string& name) {
  if (name == "lps") return io::SurfaceSpace::lps;
  if (name == "ras") return io::SurfaceSpace::ras;
  throw Error(ErrorCode::usage, "--mesh-space takes lps or ras, not \"" + name + "\".",
              "--mesh-space");
}

void apply_to_mesh(const MeshOptions& options) {
  check_name(options);
  StepProgress progress(options.progress);
  const Interruption interruption;
  // What each part takes of the time, roughly, where the transform is a .nii.gz.
  progress.part(0, 0.1, "reading the surface");
  const auto surface = io::open_surface(options.mesh, options.space, interruption.stop());
  for (const std::string& note : surface->notes())
    std::cerr << options.mesh << ": " << note << '\n';
  interruption.look();
  progress.part(0.1, 0.6, "reading the transforms");
  const Transform transform = read_transform_list(options.transforms, options.inverse);
  if (mirrors(transform))
    std::cerr << "The transform mirrors: faces that looked outwards look inwards.\n";
  progress.part(0.6, 0.8, "moving the points");
  const std::size_t all = surface->points_mm().size();
  const std::size_t lost = move(surface->points_mm(), transform, progress, interruption);
  interruption.look();
  progress.part(0.8, 1, "writing");
  const std::int64_t faces = surface->write(options.out, interruption.stop());
  progress.finish();
  if (lost > 0)
    std::cerr << options.mesh << ": " << lost << " of " << all
              << " points lie where the transform is undefined and were left out, with " << faces
              << " faces.\n";
}

}  // namespace gigawarp::app
