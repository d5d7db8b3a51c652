#pragma once
#include <algorithm>
#include <map>
#include <new>
#include <numeric>
#include <optional>
#include <utility>

#include "gigawarp/error.h"
#include "shard/moving_windows.h"
#include "shard/part_times.h"
#include "shard/partition.h"
#include "shard/rank_arrays.h"
#include "shard/rank_backend.h"
#include "shard/reach.h"

/// The class behind make_rank_backend(). Every operation says what each rank reads and writes of
/// which planes, fetches what this one lacks, and runs on its slab (perform()).
namespace gigawarp::shard {

using ops::ZRange;

class RankBackend final : public ops::Backend {
 public:
  RankBackend(ops::RankParts parts, Communicator& communicator, Exchange& exchange);
  ~RankBackend() override { marks_ = {}; }
  RankBackend(const RankBackend&) = delete;
  RankBackend& operator=(const RankBackend&) = delete;

  bool on_host() const override { return false; }
  bool compact() const override { return member().compact(); }
  bool samples_itself() const override { return member().samples_itself(); }
  bool fast_window(WindowKind kind, int radius) const override {
    return member().fast_window(kind, radius);
  }
  std::int64_t sum(std::int64_t mine) override {
    return guarded([&] {
      const std::vector<std::int64_t> all = communicator_.values(mine);
      return std::accumulate(all.begin(), all.end(), std::int64_t{0});
    });
  }
  bool takes_levels_of_files() const override { return member().on_host(); }
  ZRange own_planes(std::int64_t planes) const override {
    return slab_of(borders_of(planes), own(), {0, planes});
  }
  void upload_planes(void* to, std::size_t plane_bytes, std::int64_t planes,
                     const std::function<void(const PutPlanes&)>& bring) override {
    guarded([&] {
      forget_shift(to);
      arrays_.upload_planes(to, plane_bytes, borders_of(planes), bring);
    });
  }
  bool collects() const override { return communicator_.is_root(); }
  bool inverts() const override { return member().inverts(); }
  bool any(bool mine) override {
    return guarded([&] {
      const std::vector<char> all = communicator_.values(static_cast<char>(mine ? 1 : 0));
      return std::find(all.begin(), all.end(), 1) != all.end();
    });
  }
  std::int64_t as_the_first(std::int64_t mine) override {
    return guarded([&] { return communicator_.values(mine).front(); });
  }
  std::int64_t slab_multiple() const override { return member().slab_multiple(); }
  std::int64_t lncc_slab_multiple(const ops::LnccArgs& args) const override {
    return member().lncc_slab_multiple(args);
  }
  std::uint64_t peak_bytes() const override {
    const std::vector<std::uint64_t> each = peak_bytes_of_each();
    return *std::max_element(each.begin(), each.end());
  }
  std::vector<std::uint64_t> peak_bytes_of_each() const override {
    return communicator_.values(member().on_host() ? parts_.memory->peak_bytes()
                                                   : member().peak_bytes());
  }
  void forget_peak() override {
    if (member().on_host())
      parts_.memory->forget_peak();
    else
      member().forget_peak();
  }
  ops::GridTimes take_grid_times() override;

  ops::Array allocate(std::size_t bytes) override { return allocate_volume(bytes, 0); }
  ops::Array allocate_volume(std::size_t bytes, std::int64_t /*voxels*/) override {
    return guarded([&] { return arrays_.allocate(bytes); });
  }
  void upload(void* to, const void* host, std::size_t bytes) override {
    guarded([&] {
      forget_shift(to);
      arrays_.upload(to, host, bytes);
    });
  }
  void download(void* host, const void* from, std::size_t bytes) override {
    guarded([&] {
      if (is_served_ && bytes > 0) {
        const Span part = arrays_.span(from, bytes);
        Request request{part.array->id, part.bytes.begin, bytes};
        ask(request);
      }
      arrays_.download(host, from, bytes);
    });
  }
  void serve_downloads() override;
  void end_service() override;
  void hold_planes(const ops::FieldView& u, std::int64_t halo) override;
  void copy(void* to, const void* from, std::size_t bytes) override {
    guarded([&] {
      forget_shift(to);
      arrays_.copy(to, from, bytes);
    });
  }
  void fill_words(std::uint64_t* to, std::uint64_t word, std::int64_t count) override {
    guarded([&] {
      forget_shift(to);
      arrays_.fill_words(to, word, count);
    });
  }
  void synchronise() override { member().synchronise(); }

  void warp(const ops::WarpArgs& args, std::vector<ops::PlaneSums>& sums) override;
  void lncc(const ops::LnccArgs& args, std::vector<ops::PlaneSums>& sums) override;
  void mi_histogram(const ops::MiArgs& args, ops::JointHistogram& histogram) override;
  void mi_gradient(const ops::MiArgs& args, const ops::MiTable& table,
                   std::vector<ops::PlaneSums>& sums) override;
  void mse(const ops::MseArgs& args, std::vector<ops::PlaneSums>& sums) override;
  float direction(const ops::DirectionArgs& args) override;
  void compose(const ops::ComposeArgs& args) override;
  ops::FoldRepair repair_folds(const ops::RepairArgs& args) override;
  std::int64_t find_folds(const ops::RepairArgs& args) override;
  std::int64_t relax_folds(const ops::RepairArgs& args, std::int64_t found) override;
  void relax_marked(const ops::RepairArgs& args, int radius) override;
  std::int64_t recheck_marked(const ops::RepairArgs& args, int radius,
                              std::uint32_t* marks_after) override;
  std::array<float, 6> displacement_range(const ops::FieldView& u, ZRange range) override;
  int steps_ahead() const override { return member().steps_ahead(); }
  bool begin_step(const ops::StepArgs& args, int slot) override;
  ops::StepNumbers finish_step(int slot) override;
  std::unique_ptr<ops::LinearEvaluation> linear_evaluation(const ops::MetricArgs& args) override;
  void downsample(const ops::DownsampleArgs& args) override;
  void upsample_field(const ops::UpsampleArgs& args) override;
  void invert(const ops::InvertArgs& args) override;
  double keep_common(const ops::SlabView<float>& a, const ops::SlabView<float>& b,
                     ZRange range) override;

 private:
  class WholeEvaluation;

  /// What every rank does in one operation.
  struct Work {
    std::vector<ZRange> slabs;   ///< by rank
    std::vector<Access> access;  ///< by rank
    bool by_all = false;         ///< every rank computes all of it
  };

  /// What is to be sent as soon as it is written.
  struct Announced {
    std::vector<Access> access;  ///< by rank; empty: nothing
    std::int64_t halo = 0;       ///< planes of a slab that others want, at most
  };

  /// What rank 0 asks the others to send it.
  struct Request {
    std::uint64_t array = 0, begin = 0, bytes = 0;
  };
  void ask(Request& request) { communicator_.broadcast(&request, sizeof request, 0); }

  ops::Backend& member() const { return *parts_.backend; }
  std::size_t own() const { return static_cast<std::size_t>(communicator_.rank()); }
  std::size_t ranks() const { return shares_.size(); }

  std::vector<std::int64_t> borders_of(std::int64_t planes) const {
    return slab_borders(planes, shares_, slab_multiple());
  }

  /// An error here ends the run everywhere.
  template <class Body>
  std::invoke_result_t<const Body&> guarded(const Body& body) {
    try {
      return body();
    } catch (const Error& error) {
      communicator_.fail(error.code(), named(error.what()));
      throw;
    } catch (const std::bad_alloc&) {
      const Error error(ErrorCode::does_not_fit,
                        named("there is not enough memory; start more ranks, on more hosts, or "
                              "leave out the finest level."));
      communicator_.fail(error.code(), error.what());
      throw Error(error);
    }
  }
  std::string named(const std::string& sentence) const {
    return "Rank " + std::to_string(communicator_.rank()) + " (" + parts_.name + "): " + sentence;
  }

  /// Whether every rank computes all of it, and has the moving volume whole for that.
  bool is_small(const ops::ImagePair& pair) const;
  /// Before work in one piece: who waits for that does not look whether messages still come, and
  /// those of a rank that failed never do.
  void wait_for_messages();
  Work work_on(const ops::Extent& e, ZRange range, std::int64_t multiple,
               const ops::Extent& by) const;
  Work work_on(const ops::Extent& e, ZRange range, std::int64_t multiple) const {
    return work_on(e, range, multiple, e);
  }
  /// needs(access, slab) for every rank that has planes.
  template <class Needs>
  static void each(Work& work, const Needs& needs) {
    for (std::size_t r = 0; r < work.slabs.size(); ++r)
      if (work.slabs[r].begin < work.slabs[r].end) needs(work.access[r], work.slabs[r]);
  }
  /// Fetches, computes this rank's part, and takes note of what was written. GPUs do both in the
  /// order of their stream: the host waits for neither, only for the numbers that it reads.
  template <class Args, class Body>
  void perform(const Work& work, const Args& args, const Body& body);
  /// The same of what others will want planes of: body(args, cut) computes those first, then they
  /// travel while it computes the rest.
  template <class Args, class Body>
  void perform(const Work& work, const Args& args, const Announced& announced, const Body& body);
  /// This rank's slab, cut for that.
  ops::CutRange cut_of(const Work& work, std::int64_t halo) const;

  /// An operation writes `content` over the work's slabs: what others will want of it, judged by
  /// the last time.
  template <class View>
  void announce(Announced& announced, const Work& work, Content content, const View& view);
  /// An operation reads `content`, `halo` planes beyond its own.
  template <class View>
  void demand(Content content, const View& view, std::int64_t halo);
  template <class View>
  RankArray& array_of(const View& view) const {
    return *arrays_.span(key_of(view), 1).array;
  }

  void read(Access& access, const ops::FieldView& f, std::int64_t begin, std::int64_t end) const;
  template <class View>
  void read(Access& access, const View& view, std::int64_t begin, std::int64_t end) const;
  void write(Access& access, const ops::FieldView& f, ZRange slab) const;
  void read_marks(Access& access, const ops::RepairArgs& args, std::int64_t begin,
                  std::int64_t end) const;
  Span marks_of(const ops::Extent& e, const std::uint32_t* marks, std::int64_t begin,
                std::int64_t end) const;

  /// Reads of a metric, with the moving volume brought to where `halo` planes around each slab
  /// lead.
  ops::ImagePair prepare_pair(Work& work, const ops::ImagePair& pair,
                              const ops::SlabView<float>& warped, int halo, int sample_halo);
  /// And what others will want of it.
  Announced write_target(Work& work, const ops::GradientTarget& target,
                         const ops::ImageView& fixed);
  /// `linear`: with the sums that linear stages take.
  void share_sums(const Work& work, std::vector<ops::PlaneSums>& sums, bool linear);

  ShiftRange shift_of(const ops::FieldView& u, bool measured);
  void set_shift(const ops::FieldView& u, const std::optional<ShiftRange>& shift);
  void forget_shift(const void* address);
  static const void* key_of(const ops::FieldView& u) {
    return u.packed ? static_cast<const void*>(u.packed.data) : u.component[0].data;
  }
  template <class T>
  static const void* key_of(const ops::SlabView<T>& view) {
    return view.data;
  }

  ops::RankParts parts_;
  Communicator& communicator_;
  std::vector<double> shares_;
  PartTimes times_;
  RankArrays arrays_;
  Exchange& exchange_;
  MovingWindows windows_;
  /// Of displacements, by address; `second` of the pair: measured, not added up.
  struct KnownShift {
    std::uint64_t array = 0;
    ShiftRange range;
    bool measured = false;
  };
  std::map<const void*, KnownShift> shifts_;
  std::map<const void*, float> largest_;  ///< that direction() found, by what it wrote
  ops::Array marks_;                      ///< of folds, twice
  std::int64_t metric_halo_ = 0;          ///< planes of u that the last metric took on either side
  bool is_served_ = false;                ///< rank 0, between serve_downloads() and end_service()
};

template <class Args, class Body>
void RankBackend::perform(const Work& work, const Args& args, const Body& body) {
  times_.time(PartTimes::operation, [&] {
    arrays_.prepare(work.access);
    Args slab = args;
    slab.range = work.slabs[own()];
    if (slab.range.begin < slab.range.end) times_.time(PartTimes::computation, [&] { body(slab); });
  });
  arrays_.note_writes(work.access, work.by_all);
}

template <class Args, class Body>
void RankBackend::perform(const Work& work, const Args& args, const Announced& announced,
                          const Body& body) {
  times_.time(PartTimes::operation, [&] {
    arrays_.prepare(work.access);
    Args slab = args;
    slab.range = work.slabs[own()];
    const bool computes = slab.range.begin < slab.range.end;
    ops::CutRange cut = cut_of(work, announced.halo);
    std::size_t since = computes ? times_.start() : 0;
    cut.border_is_asked_for = [&] {
      arrays_.note_writes(work.access, work.by_all);  // the rest is soon, and nobody looks before
      if (announced.access.empty()) return;
      if (computes) times_.stop(PartTimes::computation, since);
      arrays_.send_ahead(announced.access);
      if (computes) since = times_.start();
    };
    if (!computes) {
      cut.border_is_asked_for();
      return;
    }
    body(slab, cut);
    times_.stop(PartTimes::computation, since);
  });
}

template <class View>
void RankBackend::announce(Announced& announced, const Work& work, Content content,
                           const View& view) {
  if (!view || work.by_all || ranks() == 1) return;
  Demand& demand = array_of(view).demand(content);
  // Channels add to a gradient one after another: only the last one's is what others want.
  if (++demand.writes != demand.writes_until || demand.halo == 0) return;
  announced.access.resize(ranks());
  announced.halo = std::max(announced.halo, demand.halo);
  for (std::size_t r = 0; r < ranks(); ++r)
    if (const ZRange& slab = work.slabs[r]; slab.begin < slab.end)
      read(announced.access[r], view, slab.begin - demand.halo, slab.end + demand.halo);
}

template <class View>
void RankBackend::demand(Content content, const View& view, std::int64_t halo) {
  if (!view || ranks() == 1) return;
  Demand& demand = array_of(view).demand(content);
  if (const int writes = std::exchange(demand.writes, 0); writes > 0) {
    demand.writes_until = writes;
    demand.halo = 0;
  }
  demand.halo = std::max(demand.halo, halo);
}

template <class View>
void RankBackend::read(Access& access, const View& view, std::int64_t begin,
                       std::int64_t end) const {
  if (!view) return;
  access.reads.push_back(arrays_.planes(view, begin, end));
  if (parts_.planes_ahead > 0)
    access.loads.push_back(
        arrays_.planes(view, begin - parts_.planes_ahead, end + parts_.planes_ahead));
}

}  // namespace gigawarp::shard
