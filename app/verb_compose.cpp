#include <memory>

#include "app/progress_display.h"
#include "app/run_commands.h"
#include "app/transform_list.h"
#include "app/verbs.h"
#include "gigawarp/error.h"
#include "io/image_io.h"
#include "io/transform_io.h"
#include "ops/apply.h"

namespace gigawarp::app {
namespace {

struct ComposeOptions {
  std::vector<std::string> transforms;
  std::string reference, out, progress = "auto";
};

bool ends_with_any(const std::string& name, std::initializer_list<const char*> extensions) {
  for (const char* extension : extensions)
    if (name.ends_with(extension)) return true;
  return false;
}

void compose(const ComposeOptions& options) {
  std::vector<std::string> inputs = transform_files(options.transforms);
  inputs.push_back(options.reference);
  keep_inputs(options.out, inputs);
  StepProgress progress(options.progress);
  const Interruption interruption;
  progress.part(0, 0.3, "reading the transforms");
  const Transform transform = read_transform_list(options.transforms, false);
  progress.part(0.3, 1, "writing");
  if (ends_with_any(options.out, {".h5", ".hdf5"}))
    return io::write_composite(transform, options.out);
  if (ends_with_any(options.out, {".mat", ".txt", ".tfm"}))
    return io::write_affine(transform.as_affine(), options.out);
  if (options.reference.empty())
    throw Error(
        ErrorCode::usage,
        "compose needs --reference to write a displacement field; without it write .mat, .txt, "
        ".tfm or .h5.",
        "--reference");
  const Grid grid = io::read_header(options.reference).grid;
  progress.part(0.3, 0.4, "sampling");
  const DisplacementField total = sample_displacement(transform, grid, interruption.stop());
  interruption.look();
  progress.part(0.4, 1, "writing");
  io::write_displacement(total, options.out);
  progress.finish();
}

}  // namespace

void add_compose_verb(CLI::App& app) {
  CLI::App* verb = add_verb(
      app, "compose",
      "Make one transform of several: matrices multiply, fields are sampled on a reference",
      "gigawarp compose --transform out/1Warp.nii.gz out/0GenericAffine.mat --reference "
      "fixed.nii.gz "
      "--out total.nii.gz");
  auto options = std::make_shared<ComposeOptions>();
  verb->add_option("--transform,-t", options->transforms,
                   "Transform files, first applied first; [file.mat,1] inverts an affine")
      ->required()
      ->type_name("FILE");
  verb->add_option("--reference,-r", options->reference, "Image whose lattice the field gets")
      ->type_name("FILE");
  verb->add_option("--out,-o", options->out,
                   ".mat .txt .tfm (matrix), .nii.gz .mha .nrrd (field) or .h5 (all stages kept)")
      ->required()
      ->type_name("FILE");
  add_progress_option(verb, options->progress);
  verb->callback([options] { compose(*options); });
}

}  // namespace gigawarp::app
