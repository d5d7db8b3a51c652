#include "job/inputs.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <sstream>

#include "base/parallel.h"
#include "gigawarp/error.h"
#include "io/image_io.h"
#include "io/import_cache.h"
#include "io/landmarks_io.h"
#include "io/transform_io.h"
#include "job/extraction.h"
#include "job/input_checks.h"
#include "job/names.h"
#include "job/source_feed.h"

namespace gigawarp::job {

namespace {

/// What an import left in the cache of the file; it has no levels to choose from.
std::unique_ptr<io::BrickSource> find_import(const std::string& path,
                                             const io::ReadOptions& options) {
  if (options.selection.level.value_or(0) != 0) return nullptr;
  return io::ImportCache().find(path, options);
}

}  // namespace

bool reads_in_part(const std::string& path, const io::ReadOptions& options, bool shared) {
  return io::open_source(path, options) != nullptr ||
         (!shared && find_import(path, options) != nullptr);
}

namespace {

/// A volume in canonical order with the grid its file has: read, or to be read.
struct Loaded {
  Volume volume;
  std::shared_ptr<SourceFeed> source;  ///< in its place
  IntensityStatistics statistics;      ///< of a source
  Grid file_grid;
  AxisOrder order;
  std::vector<std::string> warnings;

  const Grid& grid() const { return source != nullptr ? source->grid() : volume.grid(); }
  void set_grid(const Grid& grid) {
    source != nullptr ? source->set_grid(grid) : volume.set_grid(grid);
  }
  /// The finished volume; `volume` is left empty.
  std::shared_ptr<const VolumeFeed> feed() {
    if (source == nullptr) return std::make_shared<WholeVolume>(std::move(volume));
    if (statistics.not_finite == 0) return source;
    return with_finite_values(source, statistics.minimum);
  }
};

struct OpenedFeed {
  std::shared_ptr<SourceFeed> feed;  ///< null where the file has to be read whole
  Grid file_grid;
  bool imported = false;  ///< read from the cache of imports, not in place
};

/// The volume in the axis order asked for, canonical without one, if its file can be read out of
/// order. `shared`: by several processes, whose caches of imports may differ.
OpenedFeed open_feed(const std::string& path, const io::ReadOptions& options, bool shared,
                     std::optional<AxisOrder> order = {}) {
  OpenedFeed opened;
  std::shared_ptr<const io::BrickSource> source = io::open_source(path, options);
  if (source == nullptr && !shared) {
    source = find_import(path, options);
    opened.imported = true;
  }
  if (source == nullptr) return opened;
  SourceFeed::Choice choice;
  choice.level = options.selection.level.value_or(0);
  choice.labels = options.label_map;
  opened.file_grid = io::header_of(*source, choice.level, path).grid;
  check_geometry(opened.file_grid, path);
  choice.order = order.value_or(canonical_order(opened.file_grid));
  if (source->info().channels != 1)
    throw Error(ErrorCode::bad_input,
                "\"" + path + "\" has " + std::to_string(source->info().channels) +
                    " values per voxel; give one file for each channel.",
                path);
  opened.feed = std::make_shared<SourceFeed>(std::move(source), path, choice);
  opened.feed->stop_with(options.stop);
  return opened;
}

/// How much of several images has been read.
class ReadShare {
 public:
  ReadShare(std::size_t images, std::function<void(double)> tell)
      : shares_(images, 0), tell_(std::move(tell)) {}
  void set(std::size_t image, double share) {
    if (!tell_) return;
    const std::lock_guard lock(mutex_);
    shares_[image] = std::min(1.0, share);
    tell_(std::accumulate(shares_.begin(), shares_.end(), 0.0) /
          static_cast<double>(shares_.size()));
  }

 private:
  std::mutex mutex_;
  std::vector<double> shares_;
  std::function<void(double)> tell_;
};

/// What one pass over a source finds; `tell` hears how much of it is behind.
CountedStatistics pass_over(SourceFeed& source, const std::function<void(double)>& tell) {
  std::atomic<std::int64_t> done = 0;
  const auto all = static_cast<double>(source.grid().voxel_count());
  source.tell_reads([&](std::int64_t voxels) { tell(static_cast<double>(done += voxels) / all); });
  CountedStatistics found = counted_statistics(source);
  source.tell_reads(nullptr);
  return found;
}

/// `levels`: coarse ones may come from the file.
Loaded load_image(const std::string& path, const io::ReadOptions& options, bool streamed,
                  bool levels, const std::shared_ptr<const PlaneSharing>& sharing,
                  const std::shared_ptr<TimeSum>& read_time,
                  const std::function<void(double)>& tell) {
  Loaded loaded;
  const auto note = [&](const std::vector<std::string>& notes) {
    for (const std::string& text : notes) loaded.warnings.push_back(path + ": " + text);
  };
  OpenedFeed opened;
  if (streamed) opened = open_feed(path, options, sharing != nullptr);
  loaded.source = opened.feed;
  if (loaded.source != nullptr) {
    loaded.file_grid = opened.file_grid;
    loaded.source->count_time(read_time);
    loaded.source->set_sharing(sharing);
    note(loaded.source->source().info().notes);
    loaded.order = canonical_order(loaded.file_grid);
    loaded.source->set_statistics(pass_over(*loaded.source, tell));
    loaded.statistics = check_intensities(*loaded.source, path, loaded.warnings);
    // An import's own coarse levels would make the result depend on whether there is one.
    if (levels && !opened.imported && loaded.statistics.not_finite == 0)
      loaded.source->set_coarser(proper_levels(*loaded.source, path, loaded.warnings));
  } else {
    Volume volume;
    {
      const TimeSum::Piece reading(*read_time);
      volume = io::read_image(path, options);
    }
    check_geometry(volume.grid(), path);
    loaded.file_grid = volume.grid();
    note(volume.notes());
    check_intensities(volume, path, loaded.warnings);
    loaded.order = canonical_order(volume.grid());
    loaded.volume =
        loaded.order.is_identity() ? std::move(volume) : reordered(volume, loaded.order);
  }
  loaded.set_grid(rounded(loaded.grid()));
  return loaded;
}

Affine load_initial(const std::string& text) {
  const std::optional<std::string> inverted = inverted_transform(text);
  const std::string path = inverted.value_or(text);
  const Transform transform = io::read_transform(path, inverted.has_value());
  if (!transform.is_affine())
    throw Error(
        ErrorCode::bad_input,
        "\"" + path + "\" holds a deformation; a registration starts from an affine transform.",
        path);
  const Affine affine = transform.as_affine();
  check_initial(affine, path);
  return affine;
}

double rounded_to(double value, double quantum) { return std::round(value / quantum) * quantum; }

}  // namespace

std::optional<std::string> inverted_transform(const std::string& text) {
  if (text.size() <= 4 || text.front() != '[' || !text.ends_with(",1]")) return std::nullopt;
  return text.substr(1, text.size() - 4);
}

io::ReadOptions fixed_options(const JobSpec& job) {
  return {job.fixed_spacing_mm, false, job.fixed_selection, {}, "fixed-"};
}

io::ReadOptions moving_options(const JobSpec& job) {
  return {job.moving_spacing_mm, false, job.moving_selection, {}, "moving-"};
}

std::vector<InputFile> input_files(const JobSpec& job) {
  std::vector<InputFile> files;
  for (std::size_t i = 0; i < job.fixed.size(); ++i)
    files.push_back({"fixed[" + std::to_string(i) + "]", job.fixed[i]});
  for (std::size_t i = 0; i < job.moving.size(); ++i)
    files.push_back({"moving[" + std::to_string(i) + "]", job.moving[i]});
  const auto add = [&files](const char* role, const std::string& path) {
    if (!path.empty() && path != kNonZeroMask && path != kNoMask) files.push_back({role, path});
  };
  add("fixed_mask", job.fixed_mask);
  add("moving_mask", job.moving_mask);
  add("initial_transform",
      inverted_transform(job.initial_transform).value_or(job.initial_transform));
  add("fixed_landmarks", job.fixed_landmarks);
  add("moving_landmarks", job.moving_landmarks);
  add("fixed_labels", job.fixed_labels);
  add("moving_labels", job.moving_labels);
  return files;
}

Grid rounded(const Grid& grid) {
  const Vec3 spacing = grid.spacing_mm();
  const double smallest = std::min({spacing[0], spacing[1], spacing[2]});
  const auto longest = static_cast<double>(std::max({grid.size[0], grid.size[1], grid.size[2]}));
  // Powers of two, so that the rounded numbers are exact; the small addend keeps spacings such as 1
  // mm away from the place where the power changes. Across the longest axis the rounded steps add
  // up to at most one quantum of the origin.
  const double origin_quantum = std::exp2(std::floor(std::log2(smallest) + 0.0137) - 11);
  const double step_quantum = origin_quantum / std::exp2(std::ceil(std::log2(longest)));
  Grid out = grid;
  for (int r = 0; r < 3; ++r) {
    out.world_from_voxel.offset[r] = rounded_to(grid.world_from_voxel.offset[r], origin_quantum);
    for (int c = 0; c < 3; ++c)
      out.world_from_voxel.linear[r][c] =
          rounded_to(grid.world_from_voxel.linear[r][c], step_quantum) + 0.0;
  }
  return out;
}

std::vector<LandmarkPair> load_landmarks(const JobSpec& job) {
  std::vector<LandmarkPair> pairs;
  if (job.fixed_landmarks.empty()) return pairs;
  std::map<std::string, io::Landmark> moving;
  for (const io::Landmark& mark : io::read_named_landmarks(job.moving_landmarks))
    moving[mark.name] = mark;
  for (const io::Landmark& mark : io::read_named_landmarks(job.fixed_landmarks))
    if (const auto found = moving.find(mark.name); found != moving.end())
      pairs.push_back(
          {mark.position_mm, found->second.position_mm, mark.held_out || found->second.held_out});
  const bool fitted = job.initialisation == Initialisation::landmarks;
  const std::size_t wanted = fitted ? 3 : 1;
  const auto used = static_cast<std::size_t>(std::count_if(
      pairs.begin(), pairs.end(), [](const LandmarkPair& pair) { return !pair.held_out; }));
  if (fitted && used < wanted && pairs.size() >= wanted)
    throw Error(ErrorCode::bad_input,
                "Of the landmarks in \"" + job.fixed_landmarks + "\" all but " +
                    std::to_string(used) +
                    " are held out, but 3 are needed to begin with; use more of them.",
                job.fixed_landmarks);
  if (pairs.size() < wanted)
    throw Error(ErrorCode::bad_input,
                "\"" + job.fixed_landmarks + "\" and \"" + job.moving_landmarks + "\" have " +
                    std::to_string(pairs.size()) + " landmark names in common, but " +
                    std::to_string(wanted) +
                    " are needed; give the same point the same name in both.",
                job.moving_landmarks);
  return pairs;
}

solve::RegistrationInput RunInputs::view() const {
  solve::RegistrationInput input;
  for (const auto& volume : fixed) input.fixed.emplace_back(volume);
  for (const auto& volume : moving) input.moving.emplace_back(volume);
  input.fixed_mask = fixed_mask;
  input.moving_mask = moving_mask;
  for (const LandmarkPair& pair : landmarks)
    if (!pair.held_out) input.landmarks_mm.emplace_back(pair.fixed_mm, pair.moving_mm);
  input.initial = initial;
  return input;
}

std::shared_ptr<const VolumeFeed> open_labels(const std::string& path,
                                              const io::ReadOptions& image_options,
                                              std::shared_ptr<TimeSum> read_time,
                                              const std::stop_token& stop) {
  io::ReadOptions options = io::companion_options(image_options, path);
  options.stop = stop;
  if (const auto feed = open_feed(path, options, false).feed) {
    feed->set_grid(rounded(feed->grid()));
    feed->count_time(std::move(read_time));
    return feed;
  }
  const TimeSum::Piece reading(*read_time);
  Volume labels = io::read_image(path, options);
  const AxisOrder order = canonical_order(labels.grid());
  if (!order.is_identity()) labels = reordered(labels, order);
  labels.set_grid(rounded(labels.grid()));
  return std::make_shared<WholeVolume>(std::move(labels));
}

namespace {

/// A mask in the order and on the lattice of its image; streamed as that is.
std::shared_ptr<const VolumeFeed> load_mask(const std::string& path, const io::ReadOptions& options,
                                            const Loaded& image, const std::string& image_path,
                                            const Grid& grid) {
  if (image.source != nullptr) {
    const auto& sharing = image.source->shared_sharing();
    const OpenedFeed opened = open_feed(path, options, sharing != nullptr, image.order);
    if (opened.feed != nullptr) {
      opened.feed->set_sharing(sharing);
      check_mask(*opened.feed, opened.file_grid, path, image.file_grid, image_path);
      opened.feed->set_grid(grid);
      return opened.feed;
    }
  }
  Volume mask = io::read_image(path, options);
  check_mask(WholeVolume(&mask), mask.grid(), path, image.file_grid, image_path);
  Volume canonical = image.order.is_identity() ? std::move(mask) : reordered(mask, image.order);
  canonical.set_grid(grid);
  return std::make_shared<WholeVolume>(std::move(canonical));
}

}  // namespace

namespace {

/// Labels are read after the run; what their headers can tell is told before it.
void check_labels(const JobSpec& job, const Grid& fixed, const Grid& moving,
                  std::vector<std::string>& warnings) {
  const auto grid_of = [](const std::string& path, const io::ReadOptions& options) {
    const io::ImageHeader header = io::read_header(path, io::companion_options(options, path));
    check_geometry(header.grid, path);
    if (header.channels != 1)
      throw Error(ErrorCode::bad_input,
                  "\"" + path + "\" has " + std::to_string(header.channels) +
                      " channels; labels have one. Give a file with a single channel.",
                  path);
    return header.grid;
  };
  if (!job.moving_labels.empty()) {
    const Grid labels = grid_of(job.moving_labels, moving_options(job));
    const std::string warning =
        other_grid_warning(labels, job.moving_labels, moving, job.moving[0]);
    if (!warning.empty()) warnings.push_back(warning);
  }
  if (job.fixed_labels.empty()) return;
  const Grid labels = grid_of(job.fixed_labels, fixed_options(job));
  check_label_grid(labels, job.fixed_labels, fixed, job.fixed[0]);
}

/// Of one side: first image as it was loaded, and as the run has it.
struct Side {
  const Loaded& loaded;
  const std::shared_ptr<const VolumeFeed>& image;
};

/// The masks of the job. Without any, the fixed volume's own non-zero voxels where only it was cut
/// out of its head.
void load_masks(const JobSpec& job, const Loaded& fixed, const Loaded& moving,
                const std::stop_token& stop, RunInputs& inputs) {
  const auto load = [&stop](const std::string& path, const io::ReadOptions& image_options,
                            const Side& side,
                            const std::string& image_path) -> std::shared_ptr<const VolumeFeed> {
    if (path.empty() || path == kNoMask) return nullptr;
    if (path == kNonZeroMask) return non_zero(side.image);
    io::ReadOptions options = io::companion_options(image_options, path);
    options.label_map = false;
    options.stop = stop;
    return load_mask(path, options, side.loaded, image_path, side.image->grid());
  };
  inputs.fixed_mask =
      load(job.fixed_mask, fixed_options(job), {fixed, inputs.fixed[0]}, job.fixed[0]);
  inputs.moving_mask =
      load(job.moving_mask, moving_options(job), {moving, inputs.moving[0]}, job.moving[0]);
  if (!job.fixed_mask.empty() || !job.moving_mask.empty()) return;
  switch (compare_extraction(*inputs.fixed[0], *inputs.moving[0])) {
    case ExtractedSide::neither_or_both: return;
    case ExtractedSide::fixed_alone:
      inputs.fixed_mask = non_zero(inputs.fixed[0]);
      inputs.fixed_mask_chosen = true;
      inputs.warnings.push_back("\"" + job.fixed[0] + "\" is brain-extracted and \"" +
                                job.moving[0] +
                                "\" is not, so only the non-zero voxels of the fixed image count "
                                "(--fixed-mask none would let all count).");
      return;
    case ExtractedSide::fixed_alone_perhaps:
      inputs.warnings.push_back("\"" + job.fixed[0] +
                                "\" may be brain-extracted and the moving image not; with "
                                "--fixed-mask nonzero only the brain would decide the alignment.");
      return;
  }
}

void warn_of_odd_sides(const JobSpec& job, RunInputs& inputs) {
  const Grid &fixed = inputs.fixed[0]->grid(), &moving = inputs.moving[0]->grid();
  if (!sides_are_odd(fixed, moving)) return;
  std::ostringstream text;
  text.precision(3);
  text << "The longest side of \"" << job.fixed[0] << "\" is " << fixed.longest_side_mm()
       << " mm and that of \"" << job.moving[0] << "\" " << moving.longest_side_mm()
       << " mm: is a voxel size wrong? --fixed-spacing and --moving-spacing give others.";
  inputs.warnings.push_back(text.str());
}

}  // namespace

RunInputs load_inputs(const JobSpec& job, const Reading& reading, const std::stop_token& stop) {
  const std::size_t channels = job.fixed.size();
  std::vector<Loaded> images(2 * channels);
  const auto read_time = std::make_shared<TimeSum>();
  ReadShare share(images.size(), reading.tell);
  const auto load = [&](std::int64_t i) {
    const auto index = static_cast<std::size_t>(i);
    const bool is_fixed = index < channels;
    io::ReadOptions options = is_fixed ? fixed_options(job) : moving_options(job);
    if (reading.sharing == nullptr) options.stop = stop;  // else all processes end together, below
    const bool levels = job.pyramid == PyramidUse::automatic &&
                        (is_fixed ? reading.levels.fixed : reading.levels.moving);
    images[index] = load_image(is_fixed ? job.fixed[index] : job.moving[index - channels], options,
                               is_fixed ? reading.streamed.fixed : reading.streamed.moving, levels,
                               reading.sharing, read_time,
                               [&share, index](double part) { share.set(index, part); });
    share.set(index, 1);
  };
  const auto count = static_cast<std::int64_t>(images.size());
  if (reading.sharing == nullptr)
    parallel_for(count, load);
  else  // all processes in the same order
    for (std::int64_t i = 0; i < count; ++i) load(i);
  if (stop.stop_requested())
    throw Error(ErrorCode::cancelled, "The run was cancelled while the images were read.");
  const bool deformable = is_deformable(job.stages.back().kind);
  RunInputs inputs;
  inputs.read_time = read_time;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const bool is_fixed = i < channels;
    const std::string& path = is_fixed ? job.fixed[i] : job.moving[i - channels];
    const std::string& first = is_fixed ? job.fixed[0] : job.moving[0];
    check_size(images[i].file_grid, path, deformable);
    check_channel(images[i].file_grid, path, images[is_fixed ? 0 : channels].file_grid, first);
    inputs.warnings.insert(inputs.warnings.end(), images[i].warnings.begin(),
                           images[i].warnings.end());
  }
  inputs.fixed_file_grid = images[0].file_grid;
  inputs.fixed_order = images[0].order;
  inputs.moving_file_grid = images[channels].file_grid;
  inputs.moving_order = images[channels].order;
  for (std::size_t i = 0; i < images.size(); ++i) {
    auto& side = i < channels ? inputs.fixed : inputs.moving;
    if (!side.empty()) images[i].set_grid(side[0]->grid());  // the same lattice to the last bit
    side.push_back(images[i].feed());
  }
  load_masks(job, images[0], images[channels], stop, inputs);
  if (job.initialisation == Initialisation::transform)
    inputs.initial = load_initial(job.initial_transform);
  inputs.landmarks = load_landmarks(job);
  check_labels(job, inputs.fixed_file_grid, inputs.moving_file_grid, inputs.warnings);
  warn_of_odd_sides(job, inputs);
  if (inputs.initial || job.initialisation == Initialisation::identity)
    check_overlap(inputs.fixed[0]->grid(), inputs.moving[0]->grid(),
                  inputs.initial.value_or(Affine{}), job.fixed[0], job.moving[0]);
  return inputs;
}

}  // namespace gigawarp::job
