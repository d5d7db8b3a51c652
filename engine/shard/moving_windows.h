#pragma once
#include <map>
#include <memory>
#include <vector>

#include "shard/rank_arrays.h"
#include "shard/reach.h"

namespace gigawarp::shard {

/// Of volumes that are sampled wherever the transform leads, each rank keeps what its planes can
/// reach, and looks at it through a view of the whole, so that operations run unchanged and give
/// the bits they give on the whole:
///  - planes, in place, where little else of them could be left out;
///  - the box around it, copied (quarter turns), by a view with strides of its own;
///  - the reached part of every row, copied (oblique turns, where the box is nearly the whole
///    volume), by a view with a table of rows.
/// So a rank holds little more than its slab's share, whatever the turn and however many ranks
/// there are.
///
/// This stands where the plan had a ring sampler, which passes shards round and samples from each
/// in turn: that holds a value and a gradient per voxel of the slab (16 bytes, not 2), sends the
/// whole volume round in every iteration, not once per level and whenever the displacement has
/// grown, and asks for metrics that can be evaluated in parts.
class MovingWindows {
 public:
  MovingWindows(ops::RankParts& parts, Communicator& communicator, RankArrays& arrays,
                Exchange& exchange, std::vector<double> shares, std::int64_t multiple)
      : parts_(parts),
        communicator_(communicator),
        arrays_(arrays),
        exchange_(exchange),
        shares_(std::move(shares)),
        multiple_(multiple) {}

  /// Whether all ranks have what is sampled so (by rank) already.
  bool covers(const ops::ImageView& view, const std::vector<Sampling>& samplings) const;
  /// Brings every rank what it samples so, and a margin.
  void fetch(const ops::ImageView& view, const std::vector<Sampling>& samplings);
  /// The volume as this rank's operations may sample it.
  ops::ImageView local(const ops::ImageView& view) const;

 private:
  enum class Form { planes, box, rows };
  /// What one rank keeps.
  struct Kept {
    Form form = Form::planes;
    Sampling sampling;
    VoxelBox box;  ///< around all of it
    std::unique_ptr<RowReach> rows;

    bool is_copied() const { return form != Form::planes && !box.empty(); }
    /// Of row (y, z).
    RowReach::Columns columns(std::int64_t y, std::int64_t z) const;
    std::int64_t voxels_of_plane(std::int64_t z) const;
  };
  /// Planes that one rank has of what another keeps.
  struct Part {
    int from = 0, to = 0;
    ops::ZRange planes;
  };
  struct Window {
    std::uint64_t array = 0, version = 0;  ///< RankArray's
    std::vector<Kept> kept;                ///< by rank
    // Of this rank, where it is copied:
    ops::Array copy, table;                 ///< table: of rows
    std::vector<std::int64_t> first_voxel;  ///< in `copy`, of each plane of the box, and the end
  };

  std::vector<Kept> choose(const ops::ImageView& view,
                           const std::vector<Sampling>& samplings) const;
  std::vector<Part> parts_of(const ops::ImageView& view, const Window& window) const;
  void reserve_copy(const ops::ImageView& view, Window& window) const;
  void copy_parts(const ops::ImageView& view, Window& window);
  void copy_round(const ops::ImageView& view, Window& window, const std::vector<Part>& parts);
  /// Rows of a part, in this rank's planes, packed one behind the other.
  std::vector<ops::Backend::Piece> pieces_of(const ops::ImageView& view, const Window& window,
                                             const Part& part) const;
  ops::Array allocate(std::size_t bytes) const;  ///< counted as the rank's
  const Window* current(const ops::ImageView& view) const;
  const Kept& own(const Window& window) const {
    return window.kept[static_cast<std::size_t>(communicator_.rank())];
  }

  ops::RankParts& parts_;
  Communicator& communicator_;
  RankArrays& arrays_;
  Exchange& exchange_;
  std::vector<double> shares_;
  std::int64_t multiple_;
  std::map<const void*, Window> windows_;  ///< by the volume's address
};

}  // namespace gigawarp::shard
