#include "job/results.h"

#include <functional>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "io/image_io.h"
#include "io/transform_io.h"
#include "job/axis_reorder.h"
#include "ops/apply.h"

namespace gigawarp::job {

Results::Results(const JobSpec& job, RunInputs&& inputs, solve::RegistrationOutput&& output,
                 OutputFolder& folder)
    : job_(job),
      inputs_(std::move(inputs)),
      folder_(folder),
      affine_(output.moving_from_fixed),
      inverse_(std::move(output.inverse_mm)),
      canonical_(inputs_.fixed[0].grid()) {
  if (output.forward_mm) transform_.stages.emplace_back(std::move(*output.forward_mm));
  transform_.stages.emplace_back(affine_);
  inputs_.fixed_mask = {};
  inputs_.moving_mask = {};
}

std::filesystem::path Results::file(const std::string& name) {
  files_.push_back(name);
  return folder_.pending(name);
}

void Results::to_file_lattice(Volume& volume) const {
  reorder_in_place(volume, inputs_.fixed_order.inverse());
  volume.set_grid(inputs_.fixed_file_grid);
}

Measures Results::measure_and_write(const std::stop_token& stop) {
  measure_landmarks();
  warp_labels(stop);
  warp_image(stop);
  measure_field();
  inputs_.fixed.clear();
  inputs_.moving.clear();
  if (stop.stop_requested())
    throw Error(ErrorCode::cancelled, "The run was cancelled before its results were written.");
  write_all();
  return measures_;
}

void Results::write_all() {
  const std::string suffix = job_.compress ? ".nii.gz" : ".nii";
  std::vector<std::function<void()>> tasks;
  const auto write_volume = [&](Volume& volume, const std::string& name) {
    if (volume.empty()) return;
    tasks.emplace_back([this, &volume, path = file(name + suffix)] {
      to_file_lattice(volume);
      io::write_image(volume, path);
      volume = {};
    });
  };
  const auto write_field = [&](DisplacementField& field, const std::string& name) {
    tasks.emplace_back([this, &field, path = file(name + suffix)] {
      to_file_lattice(field.volume());
      io::write_displacement(field, path);
      field = {};
    });
  };
  if (auto* forward = std::get_if<DisplacementField>(&transform_.stages.front()))
    write_field(*forward, "1Warp");
  if (inverse_ && job_.write_inverse) write_field(*inverse_, "1InverseWarp");
  if (job_.write_warped) write_volume(warped_, "warped");
  write_volume(warped_labels_, "warped_labels");
  io::write_affine(affine_, file("0GenericAffine.mat"));
  parallel_for(static_cast<std::int64_t>(tasks.size()),
               [&](std::int64_t i) { tasks[static_cast<std::size_t>(i)](); });
}

}  // namespace gigawarp::job
