#include "app/apply_points.h"

#include <algorithm>
#include <iostream>

#include "app/point_transform.h"
#include "app/progress_display.h"
#include "app/run_commands.h"
#include "gigawarp/error.h"
#include "io/landmarks_io.h"

namespace gigawarp::app {
namespace {

/// The result is a file of the kind that was read: nobody is surprised by what another kind of file
/// cannot hold.
void check_name(const PointOptions& options) {
  const std::string ending = io::surface_ending(options.input);
  if (ending.empty() || io::surface_ending(options.out) == ending) return;  // the reader says it
  throw Error(ErrorCode::usage,
              "A surface is written as the kind of file that it was read from; give --out a name "
              "that ends in " +
                  ending + ".",
              "--out");
}

bool is_nowhere(const Vec3& point) { return point[0] != point[0]; }

}  // namespace

io::SurfaceSpace mesh_space(const std::string& name) {
  if (name == "lps") return io::SurfaceSpace::lps;
  if (name == "ras") return io::SurfaceSpace::ras;
  throw Error(ErrorCode::usage, "--mesh-space takes lps or ras, not \"" + name + "\".",
              "--mesh-space");
}

void apply_to_points(const PointOptions& options) {
  const Interruption interruption;
  StepProgress progress(options.progress);
  const std::vector<io::Landmark> landmarks = io::read_landmarks(options.input);
  std::vector<Vec3> points;
  points.reserve(landmarks.size());
  for (const io::Landmark& landmark : landmarks) points.push_back(landmark.position_mm);
  const PointTransform transform(options.transforms, options.inverse, interruption.stop());
  if (const std::int64_t beyond = transform.beyond_first(points); beyond > 0)
    std::cerr << "gigawarp: warning: " << options.input << ": " << beyond << " of " << points.size()
              << " points lie beyond the warp, which leaves them where they are; do they belong to "
                 "its space, in LPS mm?\n";
  transform.move(points, [](double /*done*/) {});
  std::vector<io::Landmark> mapped;
  for (std::size_t i = 0; i < points.size(); ++i)
    if (!is_nowhere(points[i]))
      mapped.push_back({landmarks[i].name, points[i]});
    else
      std::cerr << "The point \"" << landmarks[i].name
                << "\" lies where the transform is undefined and was left out.\n";
  if (mapped.empty())
    throw Error(
        ErrorCode::bad_input,
        "\"" + options.input +
            "\" has no point where the transform is defined; check that the points belong to "
            "its space.",
        options.input);
  interruption.look();
  io::write_landmarks(mapped, options.out);
}

void apply_to_mesh(const PointOptions& options) {
  check_name(options);
  StepProgress progress(options.progress);
  const Interruption interruption;
  // What each part takes of the time, roughly, where the transform is a .nii.gz.
  progress.part(0, 0.1, "reading the surface");
  const auto surface = io::open_surface(options.input, options.space, interruption.stop());
  for (const auto* sentences : {&surface->notes(), &surface->losses()})
    for (const std::string& sentence : *sentences)
      std::cerr << options.input << ": " << sentence << '\n';
  interruption.look();
  progress.part(0.1, 0.4, "reading the transforms");
  const PointTransform transform(options.transforms, options.inverse, interruption.stop());
  if (transform.mirrors())
    std::cerr << "The transform mirrors: faces that looked outwards look inwards.\n";
  progress.part(0.4, 0.8, "moving the points");
  std::vector<Vec3>& points = surface->points_mm();
  if (const std::int64_t beyond = transform.beyond_first(points); beyond > 0)
    std::cerr << options.input << ": " << beyond << " of " << points.size()
              << " points lie beyond the warp, which leaves them where they are; does the surface "
                 "belong to the fixed space, in these axes?\n";
  ProgressEvent event;
  event.stage = "moving the points";
  transform.move(points, [&](double done) {
    event.fraction = done;
    progress.on_event(event);
  });
  const auto lost = std::count_if(points.begin(), points.end(), is_nowhere);
  const std::size_t all = points.size();
  interruption.look();
  progress.part(0.8, 1, "writing");
  const std::int64_t faces = surface->write(options.out, interruption.stop());
  progress.finish();
  if (lost > 0)
    std::cerr << options.input << ": " << lost << " of " << all
              << " points lie where the transform is undefined and were left out, with " << faces
              << " faces.\n";
}

}  // namespace gigawarp::app
