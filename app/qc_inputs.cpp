#include "app/qc_inputs.h"

#include <algorithm>
#include <iostream>
#include <optional>
#include <utility>

#include "app/job_options.h"
#include "app/transform_list.h"
#include "base/parallel.h"
#include "gigawarp/error.h"
#include "io/brick_source.h"
#include "io/transform_io.h"
#include "io/vdb.h"
#include "io/volume_sink.h"
#include "job/input_checks.h"
#include "job/source_feed.h"

namespace gigawarp::app {
namespace {

namespace fs = std::filesystem;
using Feed = std::shared_ptr<const VolumeFeed>;

constexpr double kProgramBytes = 115e6;  ///< measured: program, libraries, pictures of a tiny pair
/// Of files read by slabs, measured: what a feed reads at once, or a box of the moving volume (128
/// MiB, qc/assess.cpp) with the positions of a tile, or a slab of a displacement with its points.
constexpr double kLayerBytes = 256.0 * (1 << 20), kBoxBytes = 128.0 * (1 << 20), kTileBytes = 50e6,
                 kPointBytes = 130e6, kSlackBytes = 30e6;
/// Of a voxel of a map that its format wants whole, measured: the map, what the library turns it
/// into, and of OpenVDB its grid in memory, twice.
constexpr double kMapBytes = 8, kVdbMapBytes = 16;
constexpr double kSurfaceBytes = 8;  ///< of a voxel of a label's box: flags and a distance map
constexpr std::int64_t kFewestPlanes = 16;  ///< of a thinned image

double voxels_of(const Grid& grid) { return static_cast<double>(grid.voxel_count()); }

double bytes_of(const io::ImageHeader& header) {
  return voxels_of(header.grid) * static_cast<double>(size_of(header.type)) * header.channels;
}

/// One transform of a list and what reading it whole takes.
struct Word {
  std::vector<std::string> words;
  fs::path displacement;  ///< empty: not one that can stay in its file
  double bytes = 0;       ///< held
  bool to_import = false;
};

Word weighed(const TransformWord& transform, ImportChoice import) {
  Word word{transform_words(transform), {}, 0, false};
  const fs::path path = transform.file;
  std::error_code code;
  if (!fs::is_regular_file(path, code)) return word;  // the reader says what is wrong
  word.bytes = 2 * static_cast<double>(fs::file_size(path, code));
  if (!io::is_displacement_image(path)) return word;
  word.bytes = 3 * sizeof(float) * voxels_of(io::read_header(path).grid);
  if (transform.inverse) return word;
  const bool in_place = io::open_displacement(path) != nullptr;
  word.to_import = !in_place && import != ImportChoice::never && io::can_import_displacement(path);
  if (in_place || word.to_import) word.displacement = path;
  return word;
}

/// What there is to read, from the headers alone.
struct Weights {
  io::ImageHeader fixed, moving;
  double mask_voxel = 0, fixed_label_voxel = 0, moving_label_voxel = 0;  ///< bytes
  double moving_label_bytes = 0;
  std::vector<Word> forward, inverse, reference;
  double held = 0;        ///< all transforms in memory
  double unstreamed = 0;  ///< transforms that have to be
  double forward_field = 0;
  double layer_bytes = 0;                          ///< the most that an image's feed reads at once
  double jacobian_voxel = 0, local_ncc_voxel = 0;  ///< bytes, to write them; 0: by slabs, or not
  bool surfaces = false;
  bool moving_streams = true;
  std::vector<std::string> warnings;  ///< of what the headers say
};

double bytes_to_write_voxel(const fs::path& map) {
  if (map.empty() || io::can_stream_to(map)) return 0;
  return io::is_vdb_name(map) ? kVdbMapBytes : kMapBytes;
}

/// What a feed of the file reads at once: a layer of bricks, at least 64 MiB.
double layer_bytes(const std::string& file, const io::ReadOptions& options) {
  const auto source = io::open_source(file, options);
  const io::ImageHeader header = io::read_header(file, options);
  const auto& n = header.grid.size;
  // An import is of bricks of 64.
  std::int64_t planes = 64;
  if (source != nullptr)
    planes = source->info()
                 .levels[static_cast<std::size_t>(options.selection.level.value_or(0))]
                 .brick[2];
  return std::max(64.0 * (1 << 20), static_cast<double>(n[0] * n[1] * planes) *
                                        static_cast<double>(size_of(header.type)));
}

bool can_stream(const std::string& file, const io::ReadOptions& options, ImportChoice import) {
  if (file.empty() || io::open_source(file, options) != nullptr) return true;
  return import != ImportChoice::never && io::open_in_order(file, options) != nullptr;
}

Weights weigh(const QcOptions& o) {
  Weights w;
  w.fixed = io::read_header(o.fixed, o.fixed_options);
  w.moving = io::read_header(o.moving, o.moving_options);
  const auto header = [](const std::string& file, const io::ReadOptions& options) {
    return io::read_header(file, io::companion_options(options, file));
  };
  const auto voxel = [](const io::ImageHeader& h) { return static_cast<double>(size_of(h.type)); };
  if (!o.mask.empty()) w.mask_voxel = voxel(header(o.mask, o.fixed_options));
  const auto compare_grids = [&](const io::ImageHeader& labels, const std::string& file,
                                 const io::ImageHeader& image, const std::string& image_file) {
    std::string text = job::other_grid_warning(labels.grid, file, image.grid, image_file);
    if (!text.empty()) w.warnings.push_back(std::move(text));
  };
  if (!o.fixed_labels.empty()) {
    const io::ImageHeader labels = header(o.fixed_labels, o.fixed_options);
    compare_grids(labels, o.fixed_labels, w.fixed, o.fixed);
    w.fixed_label_voxel = voxel(labels);
  }
  if (!o.moving_labels.empty()) {
    const io::ImageHeader labels = header(o.moving_labels, o.moving_options);
    compare_grids(labels, o.moving_labels, w.moving, o.moving);
    w.moving_label_voxel = voxel(labels);
    w.moving_label_bytes = bytes_of(labels);
  }
  w.surfaces = !o.moving_labels.empty() && !o.no_hd95;
  for (const auto& [words, list] :
       {std::pair{&o.transforms, &w.forward}, std::pair{&o.inverse_transforms, &w.inverse},
        std::pair{&o.reference, &w.reference}})
    for (const TransformWord& transform : transform_list(*words)) {
      const Word word = weighed(transform, o.import);
      w.held += word.bytes;
      if (word.displacement.empty()) w.unstreamed += word.bytes;
      if (list == &w.forward) w.forward_field = std::max(w.forward_field, word.bytes);
      list->push_back(word);
    }
  w.layer_bytes = std::min(bytes_of(w.fixed), layer_bytes(o.fixed, o.fixed_options));
  w.jacobian_voxel = bytes_to_write_voxel(o.jacobian);
  w.local_ncc_voxel = bytes_to_write_voxel(o.local_ncc);
  w.moving_streams = can_stream(o.moving, o.moving_options, o.import);
  return w;
}

/// What writing the maps takes beyond what is kept, one after the other: det J comes from all of a
/// displacement that stays in its file, else from what is measured.
double map_bytes(const Weights& w, const Size3& size, bool whole) {
  const double measured =
      static_cast<double>(size[0]) * static_cast<double>(size[1]) * static_cast<double>(size[2]);
  const bool in_file = !whole && std::ranges::any_of(w.forward, [](const Word& t) {
    return !t.displacement.empty();
  });
  const double field = in_file ? w.forward_field / (3 * sizeof(float)) : measured;
  return std::max(w.jacobian_voxel * field, w.local_ncc_voxel * measured);
}

/// What measuring `size` voxels of the fixed image takes, and writing the maps then.
double measuring_bytes(const Weights& w, const Size3& size, bool whole) {
  const auto voxels =
      static_cast<double>(size[0]) * static_cast<double>(size[1]) * static_cast<double>(size[2]);
  const auto f = static_cast<double>(size_of(w.fixed.type)),
             m = static_cast<double>(size_of(w.moving.type));
  constexpr double kInside = 1, kMap = 4, kDisplacement = 12;
  const double kept = f + m + kInside + w.mask_voxel + w.fixed_label_voxel + kMap + kDisplacement;
  const double surfaces = w.surfaces ? kSurfaceBytes * available_threads() : 0;
  const double passing = std::max({m + kInside, kMap, w.moving_label_voxel + surfaces});
  return voxels * kept +
         std::max(voxels * passing + static_cast<double>(qc::local_ncc_bytes(size, 2)),
                  map_bytes(w, size, whole));
}

Size3 thinned(const Size3& size, std::int64_t every) {
  Size3 out{};
  for (std::size_t a = 0; a < 3; ++a) out[a] = (size[a] + every - 1) / every;
  return out;
}

double whole_bytes(const Weights& w) {
  return kProgramBytes + bytes_of(w.moving) + w.moving_label_bytes + w.held +
         std::max(0.0, w.forward_field - 12 * voxels_of(w.fixed.grid)) +
         measuring_bytes(w, w.fixed.grid.size, true);
}

double streamed_bytes(const Weights& w, std::int64_t every) {
  const Size3 size = thinned(w.fixed.grid.size, every);
  const double own = 12 * static_cast<double>(size[0] * size[1] * size[2]);  // the displacement
  const double files = 2 * (bytes_of(w.fixed) + bytes_of(w.moving)) + (w.held - w.unstreamed);
  const double tile = std::min(kTileBytes, 4 * own);
  const double slabs =
      std::min(kSlackBytes, files) +
      std::max({std::min(kLayerBytes, w.layer_bytes),
                std::min(kBoxBytes, bytes_of(w.moving)) + tile,
                w.held > w.unstreamed ? std::min(kPointBytes, 2 * w.forward_field) : 0.0});
  const double images = w.moving_streams ? 0 : bytes_of(w.moving) + w.moving_label_bytes;
  return kProgramBytes + slabs + w.unstreamed + images + own + measuring_bytes(w, size, false);
}

/// How the files are read: whole, or by slabs with every so-many-th voxel measured.
struct Way {
  bool whole = true;
  std::int64_t every = 1;
};

Way way_within(const Weights& w, double budget) {
  if (whole_bytes(w) <= budget) return {};
  const Size3& n = w.fixed.grid.size;
  const std::int64_t shortest = *std::min_element(n.begin(), n.end());
  std::int64_t every = 1;
  for (; every == 1 || shortest / every >= kFewestPlanes; ++every)
    if (streamed_bytes(w, every) <= budget) return {false, every};
  every = std::max<std::int64_t>(1, every - 1);
  Weights without_maps = w;
  without_maps.jacobian_voxel = without_maps.local_ncc_voxel = 0;
  const std::string advice =
      streamed_bytes(without_maps, every) <= budget
          ? "; maps in .nii.gz, .nii or .ome.zarr are written by slabs and need none of it."
      : w.unstreamed > 0.2 * budget
          ? "; warps in uncompressed .nii files, or in .nii.gz, are read by slabs and need less."
          : "; raise --memory.";
  const auto mebibytes = [](double bytes) {
    return std::to_string(static_cast<std::int64_t>(bytes / (1 << 20)) + 1) + " MiB";
  };
  throw Error(ErrorCode::does_not_fit,
              "The quality check needs at least " + mebibytes(streamed_bytes(w, every)) +
                  " of memory, more than the " + mebibytes(budget) + " it may use" + advice,
              "--memory");
}

Volume read_or_none(const std::string& file, const io::ReadOptions& image_options,
                    const std::stop_token& stop) {
  if (file.empty()) return {};
  io::ReadOptions options = io::companion_options(image_options, file);
  options.stop = stop;
  return io::read_image(file, options);
}

Transform read_words(const std::vector<Word>& list) {
  Transform out;
  for (const Word& word : list) io::append(out, read_transform_list(word.words, false));
  return out;
}

/// A volume of which boxes can be had: read whole only where its format leaves no choice.
Feed open_feed(const std::string& file, const io::ReadOptions& options, ImportChoice import,
               const std::stop_token& stop) {
  // What cannot be read in part has to be imported if it can be: there is no room for it.
  const bool in_order = io::open_in_order(file, options) != nullptr;
  const ImportChoice choice =
      import == ImportChoice::automatic && in_order ? ImportChoice::always : import;
  const std::shared_ptr<const io::BrickSource> source = open_in_part(file, options, choice, stop);
  if (source == nullptr) {
    io::ReadOptions with_stop = options;
    with_stop.stop = stop;
    return std::make_shared<WholeVolume>(io::read_image(file, with_stop));
  }
  job::SourceFeed::Choice what;
  what.level = options.selection.level.value_or(0);
  what.labels = options.label_map;
  auto feed = std::make_shared<job::SourceFeed>(source, file, what);
  feed->stop_with(stop);
  return feed;
}

qc::StreamedTransform open_words(const std::vector<Word>& list, const std::stop_token& stop) {
  qc::StreamedTransform out;
  for (const Word& word : list) {
    if (word.displacement.empty())
      out.add(read_transform_list(word.words, false));
    else if (word.to_import)
      out.add(job::stoppable(
          io::import_displacement(word.displacement, announce_import(word.displacement), stop),
          stop));
    else
      out.add(job::stoppable(io::open_displacement(word.displacement), stop));
  }
  return out;
}

void read_by_slabs(const QcOptions& o, const Weights& w, const std::stop_token& stop,
                   QcFiles& files) {
  const auto thin = [&](const std::string& file, const io::ReadOptions& options) {
    return file.empty() ? Volume()
                        : read_thinned(*open_feed(file, options, o.import, stop), files.every);
  };
  files.fixed = thin(o.fixed, o.fixed_options);
  if (!o.mask.empty())
    files.whole_mask =
        open_feed(o.mask, io::companion_options(o.fixed_options, o.mask), o.import, stop);
  if (files.whole_mask != nullptr) files.mask = read_thinned(*files.whole_mask, files.every);
  files.fixed_labels = thin(o.fixed_labels, io::companion_options(o.fixed_options, o.fixed_labels));
  files.moving = open_feed(o.moving, o.moving_options, o.import, stop);
  if (!o.moving_labels.empty())
    files.moving_labels = open_feed(
        o.moving_labels, io::companion_options(o.moving_options, o.moving_labels), o.import, stop);
  const auto open = [&](const std::vector<Word>& list, qc::StreamedTransform& streamed,
                        Transform& held) {
    streamed = open_words(list, stop);
    if (!streamed.streams()) held = streamed.take_held();
  };
  open(w.forward, files.streamed, files.transform);
  if (files.streamed.streams()) files.transform = files.streamed.at_voxels_of(files.fixed.grid());
  open(w.inverse, files.streamed_inverse, files.inverse);
  open(w.reference, files.streamed_reference, files.reference);
}

void read_whole(const QcOptions& o, const Weights& w, const std::stop_token& stop, QcFiles& files) {
  io::ReadOptions fixed = o.fixed_options, moving = o.moving_options;
  fixed.stop = moving.stop = stop;
  files.moving = std::make_shared<WholeVolume>(io::read_image(o.moving, moving));
  files.fixed = io::read_image(o.fixed, fixed);
  files.mask = read_or_none(o.mask, o.fixed_options, stop);
  files.fixed_labels = read_or_none(o.fixed_labels, o.fixed_options, stop);
  Volume labels = read_or_none(o.moving_labels, o.moving_options, stop);
  if (!labels.empty()) files.moving_labels = std::make_shared<WholeVolume>(std::move(labels));
  files.transform = read_words(w.forward);
  files.inverse = read_words(w.inverse);
  files.reference = read_words(w.reference);
}

}  // namespace

QcFiles read_qc_files(const QcOptions& options, const std::stop_token& stop) {
  const Weights weights = weigh(options);
  for (const std::string& text : weights.warnings)
    std::cerr << "gigawarp: warning: " << text << '\n';
  const auto budget = static_cast<double>(
      options.memory.empty() ? available_memory_bytes() : parse_bytes(options.memory, "--memory"));
  const Way way = way_within(weights, budget);
  QcFiles files;
  files.every = way.every;
  if (way.whole)
    read_whole(options, weights, stop, files);
  else
    read_by_slabs(options, weights, stop, files);
  return files;
}

}  // namespace gigawarp::app
