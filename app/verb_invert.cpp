#include <cmath>
#include <cstdint>
#include <iostream>
#include <memory>

#include "app/run_commands.h"
#include "app/transform_list.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/image_io.h"
#include "io/transform_io.h"
#include "ops/apply.h"
#include "ops/invert_field.h"

namespace gigawarp::app {
namespace {

struct InvertOptions {
  std::string transform, reference, out;
  int iterations = 50;
  double tolerance_mm = 1e-3;
};

/// "Outside" is NaN; other programs may take it for a displacement.
void warn_of_gaps(const DisplacementField& inverse) {
  std::int64_t undefined = 0;
  const std::int64_t voxels = inverse.grid().voxel_count();
  for (std::int64_t i = 0; i < voxels; ++i)
    undefined += std::isnan(inverse.component_mm(0)[i]) ? 1 : 0;
  if (undefined > 0)
    std::cerr << "gigawarp: warning: at " << undefined << " of " << voxels
              << " voxels the transform has no inverse; they are NaN.\n";
}

void invert_transform(const InvertOptions& options) {
  keep_inputs(options.out, {options.transform, options.reference});
  const Interruption interruption;
  Transform transform = io::read_transform(options.transform);
  if (transform.is_affine()) return io::write_affine(transform.as_affine().inverse(), options.out);
  if (transform.stages.size() != 1)
    throw Error(ErrorCode::usage,
                "\"" + options.transform +
                    "\" holds several stages; use apply --inverse, or invert each and list them in "
                    "reverse order.",
                options.transform);
  if (!(options.tolerance_mm > 0) || options.iterations < 1)
    throw Error(ErrorCode::usage, "--tolerance and --iterations must be positive.", "--tolerance");
  std::optional<Grid> target;
  if (!options.reference.empty()) target = io::read_header(options.reference).grid;
  if (std::holds_alternative<BSplineField>(transform.stages.front())) {
    if (!target)
      throw Error(
          ErrorCode::usage,
          "A B-spline is inverted as a field: give --reference, the lattice to invert it on.",
          "--reference");
    DisplacementField sampled = sample_displacement(transform, *target, interruption.stop());
    transform.stages.front() = std::move(sampled);
  }
  const auto& forward = std::get<DisplacementField>(transform.stages.front());
  const DisplacementField inverse =
      invert_far(forward, target.value_or(forward.grid()), options.iterations, options.tolerance_mm,
                 interruption.stop());
  const InverseError error = inverse_error(forward, inverse);
  if (error.voxels == 0)
    throw Error(ErrorCode::bad_input,
                "The error of the inverse of \"" + options.transform +
                    "\" is unknown, as no point could be measured: the transform leads nowhere "
                    "into the lattice of its inverse; give --reference, an image of the space that "
                    "it leads to.",
                options.transform);
  interruption.look();
  io::write_displacement(inverse, options.out);
  warn_of_gaps(inverse);
  std::cout << "Inverse error: mean " << error.mean_mm << " mm, 95 % below " << error.p95_mm
            << " mm, largest " << error.max_mm << " mm.\n";
}

}  // namespace

void add_invert_verb(CLI::App& app) {
  CLI::App* verb =
      add_verb(app, "invert", "Invert a transform and say how exact the inverse is",
               "gigawarp invert --transform out/1Warp.nii.gz --out out/1InverseWarp.nii.gz");
  auto options = std::make_shared<InvertOptions>();
  verb->add_option("--transform,-t", options->transform, "Affine or displacement field")
      ->required()
      ->type_name("FILE");
  verb->add_option("--reference,-r", options->reference,
                   "Image whose lattice the inverse field gets (default: the field's own)")
      ->type_name("FILE");
  verb->add_option("--out,-o", options->out, ".mat, .txt, .tfm for a matrix; .nii.gz for a field")
      ->required()
      ->type_name("FILE");
  verb->add_option("--iterations", options->iterations, "Steps at most (default 50)");
  verb->add_option("--tolerance", options->tolerance_mm,
                   "Residual that ends them, mm (default 0.001)");
  verb->callback([options] { invert_transform(*options); });
}

}  // namespace gigawarp::app
