#pragma once
#include <memory>
#include <mutex>
#include <stop_token>

#include "base/time_sum.h"
#include "gigawarp/volume_feed.h"
#include "solve/deformable.h"

namespace gigawarp::solve {

/// What the deformable stages leave in the memory of their back end, which must outlive it.
struct FoundFields {
  explicit FoundFields(ops::Backend& b) : backend(&b) {}
  ops::Backend* backend;
  Grid grid;                           ///< of forward and inverse
  std::unique_ptr<GreedyState> level;  ///< the displacement alone
  std::unique_ptr<Displacement> full;  ///< where it was brought to another grid
  std::unique_ptr<Displacement> inverse;
  ops::Array inverse_mm;   ///< in its place: planes one after another, each component
  ops::FieldView forward;  ///< one of the first two
  std::shared_ptr<TimeSum> transfer_time;  ///< not null
  std::mutex mutex;                        ///< a back end serves one caller at a time
};

/// A displacement of `fields`, in voxels of its grid, as a feed in mm: 3 channels of f32. Boxes of
/// whole planes are cheapest; others cost as much as their planes.
std::shared_ptr<const VolumeFeed> displacement_feed(std::shared_ptr<FoundFields> fields,
                                                    const ops::FieldView& displacement);
/// The inverse of `fields.forward` in mm, exact samples: the bits of gigawarp::invert(), made where
/// memory is the host's though the back end is of several members; each process its own planes.
std::shared_ptr<const VolumeFeed> inverse_by_planes(std::shared_ptr<FoundFields> fields,
                                                    int iterations, double tolerance_mm,
                                                    const std::stop_token& stop);
/// fit_between_samples() of such a feed, plane by plane: the same bits.
std::shared_ptr<const VolumeFeed> fitted_feed(std::shared_ptr<const VolumeFeed> exact);
/// The feed, which keeps `owner` alive; it goes after the feed.
std::shared_ptr<const VolumeFeed> kept_with(std::shared_ptr<void> owner,
                                            std::shared_ptr<const VolumeFeed> feed);

}  // namespace gigawarp::solve
