#include "job/results.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "base/beside.h"
#include "base/read_by_slabs.h"
#include "gigawarp/error.h"
#include "io/transform_io.h"
#include "io/volume_sink.h"
#include "job/source_feed.h"
#include "ops/apply.h"
#include "solve/forecast.h"

namespace gigawarp::job {

namespace {

class WarpedFeed final : public VolumeFeed {
 public:
  WarpedFeed(std::shared_ptr<const VolumeFeed> moving, const VolumeFeed* first,
             const Transform& transform, const Grid& grid, Interpolation interpolation,
             std::stop_token stop)
      : moving_(std::move(moving)),
        first_(first),
        transform_(transform),
        grid_(grid),
        interpolation_(interpolation),
        stop_(std::move(stop)) {}
  const Grid& grid() const override { return grid_; }
  ScalarType type() const override { return moving_->type(); }
  void read(const Box& box, std::byte* out) const override {
    HeldField held = take_held();
    apply_transform_to_box(*moving_, first_, transform_, grid_, box, {interpolation_, 0, stop_},
                           held, out);
    const std::lock_guard lock(mutex_);
    held_ = std::move(held);
  }

 private:
  HeldField take_held() const {
    const std::lock_guard lock(mutex_);
    return std::move(held_);
  }

  std::shared_ptr<const VolumeFeed> moving_;
  const VolumeFeed* first_;
  const Transform& transform_;
  Grid grid_;
  Interpolation interpolation_;
  std::stop_token stop_;
  mutable std::mutex mutex_;
  mutable HeldField held_;  ///< of the last box, whose memory the next one takes
};

/// Fixed labels on the moving grid.
class CarriedBackFeed final : public VolumeFeed {
 public:
  CarriedBackFeed(std::shared_ptr<const VolumeFeed> labels, const BorrowedMap& fixed_from_moving,
                  const Grid& grid, std::stop_token stop)
      : labels_(std::move(labels)),
        map_(fixed_from_moving),
        grid_(grid),
        rule_{Interpolation::label, 0, std::move(stop)} {}
  const Grid& grid() const override { return grid_; }
  ScalarType type() const override { return labels_->type(); }
  void read(const Box& box, std::byte* out) const override {
    apply_map_to_box(*labels_, map_, grid_, box, rule_, out);
  }

 private:
  std::shared_ptr<const VolumeFeed> labels_;
  BorrowedMap map_;
  Grid grid_;
  BoxRule rule_;
};

}  // namespace

Results::Results(const JobSpec& job, RunInputs&& inputs, solve::RegistrationOutput&& output,
                 OutputFolder& folder)
    : job_(job),
      inputs_(std::move(inputs)),
      folder_(folder),
      affine_(output.moving_from_fixed),
      forward_(std::move(output.forward)),
      inverse_(std::move(output.inverse)),
      on_fixed_{inputs_.fixed_file_grid, inputs_.fixed[0]->grid(), inputs_.fixed_order.inverse()},
      on_moving_{inputs_.moving_file_grid, inputs_.moving[0]->grid(),
                 inputs_.moving_order.inverse()} {
  for (auto [brought, feed] :
       {std::pair{&output.forward_mm, &forward_}, std::pair{&output.inverse_mm, &inverse_}})
    if (*brought) *feed = std::make_shared<WholeVolume>(std::move((*brought)->volume()));
  // Slabs of the file that are not slabs of the field would bring all of it from the device each
  // time: it is brought once. So is a small field, which five passes ask for.
  const bool across = on_fixed_.file_from_canonical.axis[2] != 2;
  for (auto* field : {&forward_, &inverse_})
    if (*field != nullptr && (*field)->whole() == nullptr &&
        (across || solve::is_held_whole((*field)->grid().voxel_count())))
      *field = std::make_shared<WholeVolume>(read_all(**field));
  if (forward_ != nullptr && forward_->grid().same_lattice(on_fixed_.canonical, 1e-4)) {
    first_ = forward_.get();
  } else if (forward_ != nullptr) {  // of a coarser level: small
    transform_.stages.emplace_back(DisplacementField(read_all(*forward_)));
    forward_ = std::make_shared<WholeVolume>(
        &std::get<DisplacementField>(transform_.stages.front()).volume());
  }
  transform_.stages.emplace_back(affine_);
  if (first_ == nullptr && forward_ != nullptr)  // where it lies now
    forward_ = std::make_shared<WholeVolume>(
        &std::get<DisplacementField>(transform_.stages.front()).volume());
  inputs_.fixed_mask = {};
  inputs_.moving_mask = {};
}

void Results::look_at_stop() const {
  if (stop_.stop_requested())
    throw Error(ErrorCode::cancelled, "The run was cancelled before its results were written.");
}

std::shared_ptr<const VolumeFeed> Results::warped(std::shared_ptr<const VolumeFeed> moving,
                                                  Interpolation interpolation) const {
  return std::make_shared<WarpedFeed>(std::move(moving), first_, transform_, on_fixed_.canonical,
                                      interpolation, stop_);
}

void Results::carry_labels_back(std::shared_ptr<const VolumeFeed> fixed) {
  Volume held;
  BorrowedMap map{affine_.inverse()};
  if (inverse_ != nullptr) {
    map.displacement_mm = inverse_->whole();
    if (map.displacement_mm == nullptr) {
      held = read_all_by_slabs(*inverse_);
      map.displacement_mm = &held;
    }
  }
  write_image(CarriedBackFeed(std::move(fixed), map, on_moving_.canonical, stop_), on_moving_,
              "fixed_labels_on_moving", true, {});
}

/// In values of a field: a voxel of an image takes longer, since it is sampled.
double Results::work_of(const VolumeFeed& feed) const {
  constexpr double kSampled = 6;
  return static_cast<double>(feed.grid().voxel_count()) *
         (feed.channels() > 1 ? feed.channels() : kSampled);
}

/// `part`: of the feed's channels that have gone to the file with the box.
void Results::tell_done(const VolumeFeed& feed, const Box& box, double part) {
  if (!tell_) return;
  done_ += work_of(feed) * part * static_cast<double>(box.voxel_count()) /
           static_cast<double>(feed.grid().voxel_count());
  tell_(std::min(1.0, done_ / work_), doing_);
}

Measures Results::measure_and_write(const std::stop_token& stop) {
  stop_ = stop;
  const double on_moving = work_of(*inputs_.moving[0]);
  work_ = on_moving * static_cast<double>(on_fixed_.canonical.voxel_count()) /
          static_cast<double>(on_moving_.canonical.voxel_count());
  if (!job_.moving_labels.empty()) work_ *= 2;
  if (carries_labels_back(job_)) work_ += on_moving;
  if (forward_ != nullptr) work_ += work_of(*forward_);
  if (inverse_ != nullptr && job_.write_inverse) work_ += work_of(*inverse_);
  measure_landmarks();
  carry_labels();
  warp_image();
  inputs_.fixed.clear();
  inputs_.moving.clear();
  measure_field();
  look_at_stop();
  write_forward();
  if (inverse_ != nullptr && job_.write_inverse) write_field(inverse_, "1InverseWarp", {});
  files_.emplace_back("0GenericAffine.mat");
  io::write_affine(affine_, folder_.pending(files_.back()));
  return measures_;
}

void Results::write_field(std::shared_ptr<const VolumeFeed>& field, const std::string& name,
                          const Look& look) {
  write(*field, on_fixed_, name + (job_.compress ? ".nii.gz" : ".nii"), false, look);
  field.reset();
}

void Results::write_image(const VolumeFeed& feed, const FileGrid& to, const std::string& name,
                          bool labels, const Look& look) {
  const bool zarr = job_.image_format == ImageFormat::ome_zarr;
  write(feed, to, name + (zarr ? ".ome.zarr" : job_.compress ? ".nii.gz" : ".nii"), labels, look);
}

void Results::write(const VolumeFeed& feed, const FileGrid& to, const std::string& name,
                    bool labels, const Look& look) {
  io::SinkSpec spec;
  spec.grid = feed.grid().same_lattice(to.canonical, 1e-4)
                  ? to.file
                  : reordered(feed.grid(), to.file_from_canonical);
  spec.type = feed.type();
  spec.channels = feed.channels();
  spec.options.labels = labels;
  files_.push_back(name);
  doing_ = "writing " + name;
  const auto sink = io::open_sink(folder_.pending(name), spec);
  // A feed gives all its channels at once: they are read once where the file takes them so. Those
  // of a volume in memory go one by one, so that slabs do not amount to a third field.
  const bool at_once = sink->takes_channels_in_turn() && feed.whole() == nullptr;
  const int together = at_once ? spec.channels : 1;
  for (int first = 0; first < spec.channels; first += together)
    write_channels(feed, *sink, to.file_from_canonical, {first, first + together}, look);
  const TimeSum::Piece writing(write_time_);
  sink->commit();
}

void Results::write_channels(const VolumeFeed& feed, io::VolumeSink& sink,
                             const AxisOrder& file_from_canonical, std::pair<int, int> channels,
                             const Look& look) {
  const Size3& n = sink.spec().grid.size;
  const std::int64_t step = sink.planes_at_once();
  const Volume* whole = feed.whole();
  const int first = whole != nullptr ? channels.first : 0;  // of the slab
  const int in_slab = whole != nullptr ? channels.second - first : feed.channels();
  std::array<Volume, 2> slabs;  // one is made while the other is written
  const auto planes_from = [&](std::int64_t z) { return std::min(step, n[2] - z); };
  const auto make = [&](std::int64_t z) {
    look_at_stop();
    const Box box =
        in_source({{0, 0, z}, {n[0], n[1], planes_from(z)}}, file_from_canonical, feed.grid().size);
    Volume& slab = slabs[static_cast<std::size_t>(z / step % 2)];
    if (slab.grid().size != box.size || !file_from_canonical.is_identity())
      slab = Volume(Grid{box.size, {}}, feed.type(), in_slab);
    if (whole != nullptr)
      read_channels(*whole, channels, box, slab.data());
    else
      feed.read(box, slab.data());
    if (look) look(box, slab);
    if (!file_from_canonical.is_identity()) slab = reordered(slab, file_from_canonical);
  };
  const auto put = [&](std::int64_t z) {
    const Volume& slab = slabs[static_cast<std::size_t>(z / step % 2)];
    const std::size_t bytes = slab.bytes() / static_cast<std::size_t>(slab.channels());
    const TimeSum::Piece writing(write_time_);
    for (int c = channels.first; c < channels.second; ++c)
      sink.write(c, z, planes_from(z), slab.data() + static_cast<std::size_t>(c - first) * bytes);
  };
  const double part = static_cast<double>(channels.second - channels.first) / feed.channels();
  const auto written = [&](std::int64_t z) {
    tell_done(feed, {{0, 0, z}, {n[0], n[1], planes_from(z)}}, part);
  };
  make(0);
  for (std::int64_t z = step; z < n[2]; z += step) {
    beside([&] { make(z); }, [&] { put(z - step); });
    written(z - step);
  }
  put((n[2] - 1) / step * step);
  written((n[2] - 1) / step * step);
}

void Results::visit(const VolumeFeed& feed, const Look& look) {
  doing_ = "comparing the images";
  const Size3& n = feed.grid().size;
  for (std::int64_t z = 0; z < n[2]; z += feed.slab_planes()) {
    look_at_stop();
    const std::int64_t planes = std::min(feed.slab_planes(), n[2] - z);
    const Box box{{0, 0, z}, {n[0], n[1], planes}};
    look(box, read_planes(feed, z, planes));
    tell_done(feed, box, 1);
  }
}

}  // namespace gigawarp::job
