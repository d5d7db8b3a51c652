#pragma once
#include <memory>
#include <mutex>

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
  ops::FieldView forward;                  ///< one of the first two
  std::shared_ptr<TimeSum> transfer_time;  ///< not null
  std::mutex mutex;                        ///< a back end serves one caller at a time
};

/// A displacement of `fields`, in voxels of its grid, as a feed in mm: 3 channels of f32. Boxes of
/// whole planes are cheapest; others cost as much as their planes.
std::shared_ptr<const VolumeFeed> displacement_feed(std::shared_ptr<FoundFields> fields,
                                                    const ops::FieldView& displacement);
/// fit_between_samples() of such a feed, plane by plane: the same bits.
std::shared_ptr<const VolumeFeed> fitted_feed(std::shared_ptr<const VolumeFeed> exact);
/// The feed, which keeps `owner` alive; it goes after the feed.
std::shared_ptr<const VolumeFeed> kept_with(std::shared_ptr<void> owner,
                                            std::shared_ptr<const VolumeFeed> feed);

}  // namespace gigawarp::solve
