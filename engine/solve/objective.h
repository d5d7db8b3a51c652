#pragma once
#include <memory>
#include <vector>

#include "gigawarp/job.h"
#include "ops/backend.h"
#include "solve/pyramid.h"
#include "solve/registration.h"

namespace gigawarp::solve {

/// The volumes of a run with their intensity scales, shared by all stages.
struct Subject {
  const RegistrationInput* input = nullptr;
  std::vector<IntensityScale> fixed_scale, moving_scale;
  std::vector<double> weights;  ///< of the channels, adding up to one

  std::vector<ResidentImage> fixed, moving;  ///< the channels where the back end reads them

  Subject(const RegistrationInput& in, const std::vector<double>& channel_weights,
          ops::Backend& backend);
  const Grid& fixed_grid() const { return input->fixed[0]->grid(); }
  const Grid& moving_grid() const { return input->moving[0]->grid(); }
};

/// All channels of both volumes at one level, and the loss over them.
class Objective {
 public:
  Objective(const Subject& subject, const MetricSpec& metric, const LevelGrid& fixed_level,
            const LevelGrid& moving_level, ops::Backend& backend);

  const LevelGrid& fixed_level() const { return fixed_level_; }
  const LevelGrid& moving_level() const { return moving_level_; }
  /// T for a world transform.
  Affine moving_voxel_from_fixed_voxel(const Affine& moving_from_fixed) const;

  /// Loss and dL/du into `gradient`, divided by gradient_unit(); `scratch` is one float per level
  /// voxel, or absent where the back end samples itself.
  double deformable(const Affine& moving_from_fixed, const ops::FieldView& u,
                    const ops::FieldView& gradient, const ops::SlabView<float>& scratch);

  /// Of SyN; scratch is one float per voxel.
  struct Side {
    ops::FieldView u, gradient;
    ops::SlabView<float> scratch;
  };

  /// The same as the part of a step that a back end queues (ops::StepArgs::channels), and the loss
  /// once that is done. Only for back ends that sample themselves.
  std::vector<ops::ChannelArgs> channel_args(const Affine& moving_from_fixed,
                                             const ops::FieldView& u,
                                             const ops::FieldView& gradient) const;
  std::vector<ops::ChannelArgs> symmetric_args(const Affine& moving_from_fixed,
                                               const Side& fixed_side,
                                               const Side& moving_side) const;
  double loss_of(const ops::StepNumbers& numbers) const;

  /// Both volumes warped to a common middle on the fixed level's grid: F(i + u_f(i)) against
  /// M(T(i + u_m(i))). Gradients with respect to both.
  double symmetric(const Affine& moving_from_fixed, const Side& fixed_side,
                   const Side& moving_side);

  /// Voxels the loss is averaged over: all of the fixed level, or those of the fixed mask. Voxels
  /// that the moving volume does not reach count with zero (MI, LNCC): were they left out of the
  /// mean, a transform could gain by pushing dull background out of the overlap. MSE, where zero is
  /// a reward, averages over the voxels reached.
  double reference_count() const { return reference_count_; }

  /// What the numbers in gradient fields stand for; see ops::GradientTarget::unit.
  double gradient_unit() const { return backend_.compact() ? 1.0 / reference_count_ : 1.0; }

  /// Geometric mean of the two volumes' noise variances, first channel, in unit deviations squared.
  double noise_variance() const;

  struct Linear {
    double loss = 0;
    double overlap = 0;  ///< share of the fixed voxels that count
    /// dL/d(moving world from fixed world), row by row: 3 × (linear 3, offset 1).
    double gradient[3][4] = {};
  };
  /// Loss, and its gradient unless `value_only`, for a world transform without a field.
  Linear linear(const Affine& moving_from_fixed, bool value_only = false);

 private:
  float lncc_epsilon(std::size_t channel) const;
  ops::ZRange all_planes() const { return {0, fixed_level_.grid.size[2]}; }
  ops::ImagePair pair_of(std::size_t channel, const Affine& t, const ops::FieldView& u) const;
  /// Where channel `channel` leaves its gradient.
  ops::GradientTarget target_of(std::size_t channel, const ops::FieldView& gradient) const;
  /// Both ways between the middle and the volumes of a channel.
  ops::ImagePair to_moving(std::size_t channel, const Affine& t, const Side& fixed_side,
                           const Side& moving_side) const;
  ops::ImagePair to_fixed(std::size_t channel, const Side& fixed_side,
                          const Side& moving_side) const;
  ops::MetricArgs metric_args(const ops::ImagePair& pair, const ops::SlabView<float>& warped,
                              std::size_t channel, bool swapped,
                              const ops::GradientTarget& target) const;
  /// The arguments of one channel's metric. `swapped`: the moving volume is the pair's fixed one.
  ops::LnccArgs lncc_args(const ops::ImagePair& pair, const ops::SlabView<float>& warped,
                          std::size_t channel, const ops::GradientTarget& target) const;
  ops::MiArgs mi_args(const ops::ImagePair& pair, const ops::SlabView<float>& warped,
                      std::size_t channel, bool swapped, const ops::GradientTarget& target) const;
  /// Metric of one channel whose warped volume is in `warped`; returns the weighted loss.
  double channel_loss(const ops::ImagePair& pair, const ops::SlabView<float>& warped,
                      std::size_t channel, bool swapped, const ops::GradientTarget& target,
                      bool value_only);
  /// evaluate() of a linear stage where the back end has it in one piece.
  double evaluate_linear(const Affine& t, Linear& linear);
  /// Loss of one channel from what a back end leaves of it; weighted.
  double channel_loss_of(std::size_t channel, const ops::StepNumbers::Channel& numbers) const;
  /// Makes them, where there are any.
  bool has_linear_evaluations(const Affine& t);
  double evaluate(const Affine& t, const ops::FieldView& u, const ops::FieldView& gradient,
                  const ops::SlabView<float>& scratch, bool value_only, Linear* linear);

  const Subject& subject_;
  MetricSpec metric_;
  LevelGrid fixed_level_, moving_level_;
  ops::Backend& backend_;
  std::vector<LevelImage> fixed_, moving_;
  LevelMask fixed_mask_, moving_mask_;
  std::vector<ops::PlaneSums> sums_, channel_sums_;
  ops::Array linear_scratch_;
  std::vector<std::unique_ptr<ops::LinearEvaluation>> linear_evaluations_;  ///< of each channel
  double count_ = 0, reference_count_ = 1;
};

}  // namespace gigawarp::solve
