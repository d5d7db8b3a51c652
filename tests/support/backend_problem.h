#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <memory>
#include <optional>

#include "support/backend_memory.h"
#include "support/reference.h"

/// A reference problem in a back end's memory, and the metrics on it as the solvers call them: a
/// back end that samples itself gets no warped volume.
namespace gigawarp::test {

struct ProblemOptions {
  ScalarType type = ScalarType::f32;
  Layout layout;            ///< of what lies on the fixed grid
  bool displaced = true;    ///< else a linear stage
  bool to_field = true;     ///< else sums for the affine parameters
  bool accumulate = false;  ///< runs twice into one field
  bool symmetric = false, wanted = true;
  /// dL/dM of two volumes on one grid, of the fixed volume's size: T and u of the problem are left.
  bool on_grid = false;
  bool by_rows = false;  ///< the moving volume and its mask: ops::ImageView::rows
  double count = 0;      ///< 0: the voxels that count
};

struct MetricResult {
  double value = 0;
  double count = 0;           ///< by warp()
  double reported_count = 0;  ///< by the metric itself, where it samples
  double linear[3][4] = {};   ///< ∇M sums and moments
  Vectors gradient;
  std::vector<std::uint64_t> words;  ///< of the gradient, compact back ends
  std::vector<float> intensity;      ///< dL/dM, of the range
  ops::JointHistogram histogram;
};

/// Displacements that the compact form holds exactly, so that both back ends see the same.
inline reference::Problem quantised(reference::Problem p) {
  for (auto& c : p.u)
    for (double& v : c) v = std::round(v * 2048) / 2048;
  return p;
}

class BackendProblem {
 public:
  BackendProblem(ops::Backend& backend, const reference::Problem& p, const ProblemOptions& options)
      : backend_(backend),
        options_(options),
        extent_(options.layout.extent(p.fixed_size)),
        fixed_(backend, extent_, p.fixed, options.type),
        moving_(backend, ops::Extent::whole(p.moving_size), p.moving, options.type),
        displacement_(backend, extent_, Form::displacement),
        gradient_(backend, extent_, Form::gradient),
        sums_(static_cast<std::size_t>(p.fixed_size[2])) {
    Vectors u;
    for (std::size_t c = 0; c < 3; ++c) u[c].assign(p.u[c].begin(), p.u[c].end());
    displacement_.set(u);
    pair_.fixed = fixed_.view();
    pair_.moving = moving_.view();
    pair_.moving_from_fixed = p.t;
    if (options.displaced) pair_.displacement = displacement_.view();
    if (options.on_grid) {
      pair_.moving_from_fixed = {};
      pair_.displacement = {};
      intensity_.emplace(backend, extent_, 3e30F);
    }
    if (!p.fixed_mask.empty()) pair_.fixed_mask = mask(p.fixed_mask, extent_);
    if (!p.moving_mask.empty())
      pair_.moving_mask = mask(p.moving_mask, ops::Extent::whole(p.moving_size));
    if (options.by_rows) {
      pair_.moving = by_rows(pair_.moving);
      if (pair_.moving_mask) pair_.moving_mask = by_rows(pair_.moving_mask);
    }
    range_ = {extent_.z_begin, extent_.z_end};
    if (!backend.samples_itself()) warped_.emplace(backend, extent_, 1e30F);
  }

  /// Computes these planes only; the layout must hold the metric's halo beside them.
  void restrict_to(ops::ZRange range) { range_ = range; }

  std::vector<float> warp() {
    DeviceArray<float> out(backend_, extent_, 1e30F);
    backend_.warp({pair_, out.view(), range_}, sums_);
    out.fetch();
    std::vector<float> values;
    out.for_each([&](std::int64_t, std::int64_t, std::int64_t, float v) { values.push_back(v); });
    return values;
  }
  double counted() {
    backend_.warp({pair_, sampled(), {extent_.z_begin, extent_.z_end}}, sums_);
    double count = 0;
    for (std::int64_t z = range_.begin; z < range_.end; ++z)
      count += sums_[static_cast<std::size_t>(z)].count;
    counted_ = count;
    return count;
  }

  MetricResult mse() {
    const double count = share(counted());
    return gather([&](const ops::GradientTarget& target) {
      backend_.mse({pair_, sampled(), range_, count, target}, sums_);
    });
  }
  MetricResult lncc(int radius, WindowKind window = WindowKind::box, bool approximate = false) {
    ops::LnccArgs args;
    args.pair = pair_;
    args.count = share(counted());
    args.warped = sampled();
    args.range = range_;
    args.radius = radius;
    args.window = window;
    args.approximate_gradient = approximate;
    return gather([&](const ops::GradientTarget& target) {
      args.target = target;
      backend_.lncc(args, sums_);
    });
  }
  MetricResult mi(int bins) {
    ops::MiArgs args;
    args.pair = pair_;
    args.count = share(counted());
    args.warped = sampled();
    args.range = range_;
    args.bins = bins;
    args.fixed_bins = {-2.2F, 2.2F};
    args.moving_bins = {-2.1F, 2.3F};
    if (options_.on_grid) args.target.intensity = intensity_->view();
    ops::JointHistogram histogram;
    backend_.mi_histogram(args, histogram);
    const ops::MiTable table = ops::mutual_information(histogram);
    MetricResult out = gather([&](const ops::GradientTarget& target) {
      args.target = target;
      backend_.mi_gradient(args, table, sums_);
    });
    out.value = table.loss;
    out.histogram = histogram;
    return out;
  }
  /// Of volumes on one grid, by the operations or, where the back end can, in one piece.
  MetricResult alone(MetricKind kind, bool in_one_piece) {
    if (!in_one_piece) {
      if (kind == MetricKind::lncc) return lncc(2);
      return kind == MetricKind::mi ? mi(32) : mse();
    }
    const double count = share(counted());
    ops::StepNumbers::Channel numbers;
    MetricResult out = gather([&](const ops::GradientTarget& target) {
      ops::MetricArgs metric = ops::MseArgs{pair_, sampled(), range_, count, target};
      if (kind == MetricKind::lncc) {
        ops::LnccArgs args;
        args.pair = pair_;
        args.range = range_;
        args.count = count;
        args.target = target;
        metric = args;
      } else if (kind == MetricKind::mi) {
        ops::MiArgs args;
        args.pair = pair_;
        args.range = range_;
        args.fixed_bins = {-2.2F, 2.2F};
        args.moving_bins = {-2.1F, 2.3F};
        args.count = count;
        args.target = target;
        metric = args;
      }
      const auto evaluation = backend_.linear_evaluation(metric);
      for (int i = 0; i < 3; ++i) numbers = evaluation->run({}, sums_);  // the last as a graph
    });
    out.value = numbers.value;
    return out;
  }

 private:
  ops::SlabView<float> sampled() const {
    return warped_ ? warped_->view() : ops::SlabView<float>{};
  }
  double share(double counted) const { return options_.count > 0 ? options_.count : counted; }

  template <class Run>
  MetricResult gather(const Run& run) {
    ops::GradientTarget target;
    target.weight = 0.7F;
    target.symmetric = options_.symmetric;
    target.wanted = options_.wanted;
    if (options_.on_grid)
      target.intensity = intensity_->view();
    else if (options_.to_field)
      target.field = gradient_.view();
    run(target);
    if (options_.accumulate) {
      target.accumulate = true;
      run(target);
    }
    MetricResult out;
    ops::PlaneSums total;
    for (std::int64_t z = range_.begin; z < range_.end; ++z)
      total += sums_[static_cast<std::size_t>(z)];
    out.value = total.value;
    out.count = counted_;
    out.reported_count = total.count;
    for (int r = 0; r < 3; ++r) {
      out.linear[r][3] = total.gradient[r];
      for (int c = 0; c < 3; ++c) out.linear[r][c] = total.moment[r][c];
    }
    if (options_.on_grid) {
      intensity_->fetch();
      intensity_->for_each([&](std::int64_t, std::int64_t, std::int64_t z, float v) {
        if (z >= range_.begin && z < range_.end) out.intensity.push_back(v);
      });
    } else if (options_.to_field && options_.wanted) {
      out.gradient = gradient_.get();
      if (backend_.compact()) out.words = gradient_.words();
    }
    return out;
  }
  ops::ImageView mask(const std::vector<std::uint8_t>& values, const ops::Extent& e) {
    auto array = std::make_unique<DeviceArray<std::uint8_t>>(backend_, e);
    array->for_each([&](std::int64_t x, std::int64_t y, std::int64_t z, std::uint8_t& v) {
      v = values[static_cast<std::size_t>((z * e.ny + y) * e.nx + x)];
    });
    array->send();
    ops::ImageView v;
    v.data = array->view().data;
    v.type = ScalarType::u8;
    v.extent = e;
    masks_.push_back(std::move(array));
    return v;
  }

  /// The same volume, the last row first, with gaps between rows.
  ops::ImageView by_rows(ops::ImageView view) {
    const auto element = static_cast<std::int64_t>(size_of(view.type));
    const std::int64_t nx = view.extent.nx, rows = view.extent.ny * view.extent.nz;
    std::vector<std::int64_t> table;
    std::vector<ops::Backend::Piece> pieces;
    for (std::int64_t row = 0; row < rows; ++row) {
      table.push_back(1 + (rows - 1 - row) * (nx + 3));
      pieces.push_back({row * nx * element, table.back() * element, nx * element});
    }
    ops::Array copy = backend_.allocate(static_cast<std::size_t>((nx + 3) * rows * element + 64)),
               there = backend_.allocate(table.size() * sizeof table[0]);
    backend_.copy_pieces(copy.data(), view.data, pieces);
    backend_.upload(there.data(), table.data(), table.size() * sizeof table[0]);
    view.data = copy.data();
    view.rows = there.as<std::int64_t>();
    arrays_.push_back(std::move(copy));
    arrays_.push_back(std::move(there));
    return view;
  }

  ops::Backend& backend_;
  ProblemOptions options_;
  std::vector<ops::Array> arrays_;
  ops::Extent extent_;
  DeviceImageOf fixed_, moving_;
  DeviceField displacement_, gradient_;
  std::vector<ops::PlaneSums> sums_;
  std::vector<std::unique_ptr<DeviceArray<std::uint8_t>>> masks_;
  std::optional<DeviceArray<float>> warped_, intensity_;
  ops::ImagePair pair_;
  ops::ZRange range_;
  double counted_ = 0;
};

/// Every metric on a volume by rows has the bits of the same on one that is whole.
inline void expect_the_bits_of_whole_volumes(ops::Backend& backend) {
  const auto same = [](const MetricResult& by_rows, const MetricResult& whole) {
    EXPECT_EQ(by_rows.value, whole.value);
    EXPECT_EQ(by_rows.count, whole.count);
    EXPECT_EQ(by_rows.words, whole.words);
    EXPECT_EQ(by_rows.gradient, whole.gradient);
    EXPECT_EQ(by_rows.histogram.counts, whole.histogram.counts);
    for (int r = 0; r < 3; ++r)
      for (int c = 0; c < 4; ++c) EXPECT_EQ(by_rows.linear[r][c], whole.linear[r][c]);
  };
  const auto every_metric = [&](const reference::Problem& p, const ProblemOptions& given) {
    ProblemOptions options = given;
    BackendProblem whole(backend, p, options);
    options.by_rows = true;
    BackendProblem by_rows(backend, p, options);
    const std::vector<float> a = by_rows.warp(), b = whole.warp();
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof a[0]), 0);
    same(by_rows.mse(), whole.mse());
    same(by_rows.lncc(2), whole.lncc(2));
    same(by_rows.mi(32), whole.mi(32));
    if (options.type != ScalarType::u16) return;
    same(by_rows.lncc(5), whole.lncc(5));
    same(by_rows.lncc(2, WindowKind::gaussian), whole.lncc(2, WindowKind::gaussian));
    same(by_rows.lncc(2, WindowKind::box, true), whole.lncc(2, WindowKind::box, true));
  };
  constexpr std::pair<Size3, Size3> kPairs[]{{{67, 35, 41}, {70, 38, 44}},
                                             {{31, 1, 17}, {33, 1, 19}},
                                             {{29, 23, 1}, {31, 25, 1}},
                                             {{1, 19, 21}, {1, 21, 23}}};
  for (const auto& [fixed, moving] : kPairs) {
    const reference::Problem plain = quantised(reference::make_problem(fixed, moving, 57));
    reference::Problem masked = plain;
    for (std::int64_t i = 0; i < masked.voxels(); ++i) masked.fixed_mask.push_back(i % 7 != 0);
    for (std::size_t i = 0; i < masked.moving.size(); ++i)
      masked.moving_mask.push_back(i % 11 != 0);
    for (const ScalarType type :
         {ScalarType::u8, ScalarType::i8, ScalarType::u16, ScalarType::i16, ScalarType::f32})
      for (const reference::Problem* const problem :
           std::initializer_list<const reference::Problem*>{&plain, &masked})
        for (const auto& [displaced, symmetric] :
             {std::pair{true, false}, std::pair{true, true}, std::pair{false, false}}) {
          SCOPED_TRACE(testing::Message()
                       << fixed[0] << "x" << fixed[1] << "x" << fixed[2] << ", " << name_of(type)
                       << (problem == &masked ? ", masked" : "") << (displaced ? "" : ", linear")
                       << (symmetric ? ", symmetric" : ""));
          ProblemOptions options;
          options.type = type;
          options.displaced = options.to_field = displaced;
          options.symmetric = symmetric;
          every_metric(*problem, options);
        }
  }
}

}  // namespace gigawarp::test
