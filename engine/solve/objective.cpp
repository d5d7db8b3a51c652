#include "solve/objective.h"

#include <algorithm>
#include <cmath>

namespace gigawarp::solve {

namespace {
/// Tuned on the labelled pairs (tests/bench/RESULTS.md): 2 to 8 give the same overlap.
constexpr double kNoiseMargin = 8;

double counted(const std::vector<ops::PlaneSums>& sums) {
  double count = 0;
  for (const ops::PlaneSums& s : sums) count += s.count;
  return count;
}
}  // namespace

Subject::Subject(const RegistrationInput& in, const std::vector<double>& channel_weights,
                 ops::Backend& backend)
    : input(&in), weights(channel_weights) {
  for (const ImageInput& v : in.fixed) fixed.emplace_back(v.feed(), backend);
  for (const ImageInput& v : in.moving) moving.emplace_back(v.feed(), backend);
  for (const ImageInput& v : in.fixed) fixed_scale.push_back(intensity_scale(*v));
  for (const ImageInput& v : in.moving) moving_scale.push_back(intensity_scale(*v));
  if (weights.empty()) weights.assign(in.fixed.size(), 1.0);
  double sum = 0;
  for (const double w : weights) sum += w;
  for (double& w : weights) w /= sum > 0 ? sum : 1.0;
}

Objective::Objective(const Subject& subject, const MetricSpec& metric, const LevelGrid& fixed_level,
                     const LevelGrid& moving_level, ops::Backend& backend)
    : subject_(subject),
      metric_(metric),
      fixed_level_(fixed_level),
      moving_level_(moving_level),
      backend_(backend),
      sums_(static_cast<std::size_t>(fixed_level.grid.size[2])),
      channel_sums_(sums_.size()) {
  const RegistrationInput& in = *subject.input;
  for (std::size_t c = 0; c < in.fixed.size(); ++c) {
    fixed_.emplace_back(subject.fixed[c], fixed_level, subject.fixed_scale[c], backend);
    moving_.emplace_back(subject.moving[c], moving_level, subject.moving_scale[c], backend);
  }
  if (in.fixed_mask) fixed_mask_ = LevelMask(*in.fixed_mask, fixed_level, backend);
  reference_count_ = static_cast<double>(fixed_level.grid.voxel_count());
  if (in.fixed_mask)
    reference_count_ = std::max<double>(1, static_cast<double>(fixed_mask_.count()));
  if (in.moving_mask) moving_mask_ = LevelMask(*in.moving_mask, moving_level, backend);
}

Affine Objective::moving_voxel_from_fixed_voxel(const Affine& moving_from_fixed) const {
  return moving_level_.grid.voxel_from_world() * moving_from_fixed *
         fixed_level_.grid.world_from_voxel;
}

double Objective::deformable(const Affine& moving_from_fixed, const ops::FieldView& u,
                             const ops::FieldView& gradient, const ops::SlabView<float>& scratch) {
  return evaluate(moving_voxel_from_fixed_voxel(moving_from_fixed), u, gradient, scratch, false,
                  nullptr);
}

Objective::Linear Objective::linear(const Affine& moving_from_fixed, bool value_only) {
  const auto voxels = static_cast<std::size_t>(fixed_level_.grid.voxel_count());
  ops::SlabView<float> scratch;
  if (!backend_.samples_itself()) {
    if (!linear_scratch_)
      linear_scratch_ =
          backend_.allocate_volume(voxels * sizeof(float), fixed_level_.grid.voxel_count());
    scratch = {linear_scratch_.as<float>(), ops::Extent::whole(fixed_level_.grid.size)};
  }
  Linear out;
  const Affine t = moving_voxel_from_fixed_voxel(moving_from_fixed);
  out.loss = !value_only && has_linear_evaluations(t)
                 ? evaluate_linear(t, out)
                 : evaluate(t, {}, {}, scratch, value_only, &out);
  if (value_only) return out;
  // The sums are in voxels: gradient ∇M of the moving level, positions of the fixed level. With
  // q = Vm · (L p + o), p = Wf(i): dL/dL = Vmᵀ Σ ∇M s pᵀ and dL/do = Vmᵀ Σ ∇M s.
  const Affine moving_voxel = moving_level_.grid.voxel_from_world();
  const Affine& fixed_world = fixed_level_.grid.world_from_voxel;
  double voxel[3][4];
  ops::PlaneSums total;
  for (const ops::PlaneSums& s : sums_) total += s;
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) {
      voxel[r][c] = total.gradient[r] * fixed_world.offset[c];
      for (int k = 0; k < 3; ++k) voxel[r][c] += total.moment[r][k] * fixed_world.linear[c][k];
    }
    voxel[r][3] = total.gradient[r];
  }
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < 4; ++c)
      for (int k = 0; k < 3; ++k) out.gradient[r][c] += moving_voxel.linear[k][r] * voxel[k][c];
  return out;
}

double Objective::noise_variance() const {
  return std::sqrt(fixed_[0].noise_variance() * moving_[0].noise_variance());
}

/// Windows whose variances are those of the noise say nothing: ε is kNoiseMargin times the product
/// of the noise variances. Bounded, so that noiseless volumes keep a floor and noise does not
/// silence everything.
float Objective::lncc_epsilon(std::size_t channel) const {
  const double product =
      kNoiseMargin * fixed_[channel].noise_variance() * moving_[channel].noise_variance();
  return static_cast<float>(std::clamp(product, 1e-4, 0.25));
}

ops::ImagePair Objective::pair_of(std::size_t channel, const Affine& t,
                                  const ops::FieldView& u) const {
  ops::ImagePair pair;
  pair.fixed = fixed_[channel].view();
  pair.moving = moving_[channel].view();
  pair.fixed_mask = fixed_mask_.view();
  pair.moving_mask = moving_mask_.view();
  pair.moving_from_fixed = t;
  pair.displacement = u;
  return pair;
}

ops::GradientTarget Objective::target_of(std::size_t channel,
                                         const ops::FieldView& gradient) const {
  ops::GradientTarget target;
  target.field = gradient;
  target.accumulate = channel > 0;
  target.weight = static_cast<float>(subject_.weights[channel]);
  target.symmetric = metric_.symmetric_gradient;
  target.unit = gradient_unit();
  return target;
}

ops::LnccArgs Objective::lncc_args(const ops::ImagePair& pair, const ops::SlabView<float>& warped,
                                   std::size_t channel, const ops::GradientTarget& target) const {
  ops::LnccArgs args;
  args.pair = pair;
  args.warped = warped;
  args.range = all_planes();
  args.radius = metric_.radius;
  args.window = metric_.window;
  args.approximate_gradient = metric_.approximate_gradient;
  args.epsilon = lncc_epsilon(channel);
  args.count = reference_count_;
  args.target = target;
  return args;
}

ops::MiArgs Objective::mi_args(const ops::ImagePair& pair, const ops::SlabView<float>& warped,
                               std::size_t channel, bool swapped,
                               const ops::GradientTarget& target) const {
  const IntensityScale& f = (swapped ? subject_.moving_scale : subject_.fixed_scale)[channel];
  const IntensityScale& m = (swapped ? subject_.fixed_scale : subject_.moving_scale)[channel];
  ops::MiArgs args;
  args.pair = pair;
  args.warped = warped;
  args.range = all_planes();
  args.bins = metric_.bins;
  args.fixed_bins = {f.low, f.high};
  args.moving_bins = {m.low, m.high};
  args.count = reference_count_;
  args.target = target;
  return args;
}

double Objective::channel_loss(const ops::ImagePair& pair, const ops::SlabView<float>& warped,
                               std::size_t channel, bool swapped, const ops::GradientTarget& target,
                               bool value_only) {
  const double weight = subject_.weights[channel];
  if (metric_.kind == MetricKind::mi) {
    const ops::MiArgs args = mi_args(pair, warped, channel, swapped, target);
    ops::JointHistogram histogram;
    backend_.mi_histogram(args, histogram);
    if (!warped) count_ = histogram.total();
    const ops::MiTable table = ops::mutual_information(histogram);
    if (!value_only) backend_.mi_gradient(args, table, channel_sums_);
    return weight * table.loss * count_ / reference_count_;
  }
  if (metric_.kind == MetricKind::lncc) {
    backend_.lncc(lncc_args(pair, warped, channel, target), channel_sums_);
  } else {
    if (!warped) {  // the gradient needs the number of voxels reached
      backend_.warp({pair, {}, all_planes()}, channel_sums_);
      count_ = counted(channel_sums_);
    }
    backend_.mse({pair, warped, all_planes(), count_, target}, channel_sums_);
  }
  if (!warped && metric_.kind == MetricKind::lncc) count_ = counted(channel_sums_);
  double value = 0;
  for (const ops::PlaneSums& s : channel_sums_) value += s.value;
  return weight * value /
         (metric_.kind == MetricKind::mse ? std::max(1.0, count_) : reference_count_);
}

ops::MetricArgs Objective::metric_args(const ops::ImagePair& pair,
                                       const ops::SlabView<float>& warped, std::size_t channel,
                                       bool swapped, const ops::GradientTarget& target) const {
  switch (metric_.kind) {
    case MetricKind::lncc: return lncc_args(pair, warped, channel, target);
    case MetricKind::mi: return mi_args(pair, warped, channel, swapped, target);
    case MetricKind::mse: break;
  }
  return ops::MseArgs{pair, warped, all_planes(), 1, target};
}

std::vector<ops::ChannelArgs> Objective::channel_args(const Affine& moving_from_fixed,
                                                      const ops::FieldView& u,
                                                      const ops::FieldView& gradient) const {
  const Affine t = moving_voxel_from_fixed_voxel(moving_from_fixed);
  std::vector<ops::ChannelArgs> channels;
  for (std::size_t c = 0; c < fixed_.size(); ++c)
    channels.push_back(
        {metric_args(pair_of(c, t, u), {}, c, false, target_of(c, gradient)), std::nullopt});
  return channels;
}

double Objective::channel_loss_of(std::size_t channel,
                                  const ops::StepNumbers::Channel& numbers) const {
  const double weight = subject_.weights[channel];
  if (metric_.kind == MetricKind::mi)
    return weight * numbers.value * numbers.count / reference_count_;
  return weight * numbers.value /
         (metric_.kind == MetricKind::mse ? std::max(1.0, numbers.count) : reference_count_);
}

double Objective::loss_of(const ops::StepNumbers& numbers) const {
  double loss = 0;
  for (std::size_t c = 0; c < numbers.channels.size(); ++c)
    loss += channel_loss_of(c, numbers.channels[c]);
  return loss;
}

bool Objective::has_linear_evaluations(const Affine& t) {
  if (!linear_evaluations_.empty()) return linear_evaluations_.front() != nullptr;
  for (std::size_t c = 0; c < fixed_.size(); ++c) {
    ops::GradientTarget target = target_of(c, {});
    target.symmetric = false;
    target.unit = 1;
    linear_evaluations_.push_back(
        backend_.linear_evaluation(metric_args(pair_of(c, t, {}), {}, c, false, target)));
  }
  return linear_evaluations_.front() != nullptr;
}

double Objective::evaluate_linear(const Affine& t, Linear& linear) {
  sums_.assign(sums_.size(), {});
  double loss = 0;
  for (std::size_t c = 0; c < fixed_.size(); ++c) {
    const ops::StepNumbers::Channel numbers = linear_evaluations_[c]->run(t, channel_sums_);
    count_ = numbers.count;
    loss += channel_loss_of(c, numbers);
    linear.overlap = count_ / reference_count_;
    for (std::size_t z = 0; z < sums_.size(); ++z) sums_[z] += channel_sums_[z];
  }
  return loss;
}

double Objective::evaluate(const Affine& t, const ops::FieldView& u, const ops::FieldView& gradient,
                           const ops::SlabView<float>& scratch, bool value_only, Linear* linear) {
  sums_.assign(sums_.size(), {});
  double loss = 0;
  for (std::size_t c = 0; c < fixed_.size(); ++c) {
    const ops::ImagePair pair = pair_of(c, t, u);
    ops::GradientTarget target = target_of(c, gradient);
    target.wanted = !value_only;
    if (linear != nullptr) {
      target.symmetric = false;
      target.unit = 1;
    }
    channel_sums_.assign(sums_.size(), {});
    if (scratch) {
      backend_.warp({pair, scratch, all_planes()}, channel_sums_);
      count_ = counted(channel_sums_);
    }
    loss += channel_loss(pair, scratch, c, false, target, value_only);
    if (linear != nullptr) linear->overlap = count_ / reference_count_;
    for (std::size_t z = 0; z < sums_.size(); ++z) sums_[z] += channel_sums_[z];
  }
  return loss;
}

namespace {

/// A sampled volume, intensities scaled already, as an image.
ops::ImageView warped_view(const ops::SlabView<float>& slab) {
  ops::ImageView view;
  view.data = slab.data;
  view.extent = slab.extent;
  return view;
}

}  // namespace

ops::ImagePair Objective::to_moving(std::size_t channel, const Affine& t, const Side& fixed_side,
                                    const Side& moving_side) const {
  ops::ImagePair pair;
  pair.fixed = warped_view(fixed_side.scratch);
  pair.moving = moving_[channel].view();
  pair.moving_mask = moving_mask_.view();
  pair.moving_from_fixed = t;
  pair.displacement = moving_side.u;
  return pair;
}

ops::ImagePair Objective::to_fixed(std::size_t channel, const Side& fixed_side,
                                   const Side& moving_side) const {
  ops::ImagePair pair;
  pair.fixed = warped_view(moving_side.scratch);
  pair.moving = fixed_[channel].view();
  pair.moving_mask = fixed_mask_.view();
  pair.displacement = fixed_side.u;
  return pair;
}

std::vector<ops::ChannelArgs> Objective::symmetric_args(const Affine& moving_from_fixed,
                                                        const Side& fixed_side,
                                                        const Side& moving_side) const {
  const Affine t = moving_voxel_from_fixed_voxel(moving_from_fixed);
  std::vector<ops::ChannelArgs> channels;
  for (std::size_t c = 0; c < fixed_.size(); ++c) {
    const auto target = [&](const Side& side) {
      ops::GradientTarget own = target_of(c, side.gradient);
      own.symmetric = false;
      return own;
    };
    const ops::ImagePair there = to_moving(c, t, fixed_side, moving_side),
                         back = to_fixed(c, fixed_side, moving_side);
    channels.push_back(
        {metric_args(there, moving_side.scratch, c, false, target(moving_side)),
         ops::MeetingArgs{there, back, moving_side.scratch, fixed_side.scratch,
                          metric_args(back, fixed_side.scratch, c, true, target(fixed_side))}});
  }
  return channels;
}

double Objective::symmetric(const Affine& moving_from_fixed, const Side& fixed_side,
                            const Side& moving_side) {
  const Affine t = moving_voxel_from_fixed_voxel(moving_from_fixed);
  double loss = 0;
  for (std::size_t c = 0; c < fixed_.size(); ++c) {
    const ops::ImagePair there = to_moving(c, t, fixed_side, moving_side),
                         back = to_fixed(c, fixed_side, moving_side);
    channel_sums_.assign(sums_.size(), {});
    backend_.warp({there, moving_side.scratch, all_planes()}, channel_sums_);
    backend_.warp({back, fixed_side.scratch, all_planes()}, channel_sums_);
    // A voxel counts when both sides reach it.
    count_ = backend_.keep_common(fixed_side.scratch, moving_side.scratch, all_planes());
    ops::GradientTarget target = target_of(c, moving_side.gradient);
    target.symmetric = false;
    loss += channel_loss(there, moving_side.scratch, c, false, target, false);
    target.field = fixed_side.gradient;
    channel_loss(back, fixed_side.scratch, c, true, target, false);
  }
  return loss;
}

}  // namespace gigawarp::solve
