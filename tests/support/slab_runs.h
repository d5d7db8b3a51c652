#pragma once
#include <random>
#include <string>
#include <vector>

#include "ops/backend.h"
#include "solve/registration.h"
#include "support/output_bytes.h"
#include "support/scene.h"

/// What the tests of one registration over several devices and over several ranks do alike.
namespace gigawarp::test {

/// Of devices or ranks, for pairs whose slabs are thinner than any halo with eight.
inline constexpr int kSlabCounts[] = {1, 2, 3, 5, 8};

inline JobSpec job_of(const std::vector<StageSpec>& stages,
                      Initialisation how = Initialisation::identity) {
  JobSpec job;
  job.stages = stages;
  job.initialisation = how;
  return job;
}

inline std::string run_on(ops::Backend& backend, const solve::RegistrationInput& input,
                          const JobSpec& job, const solve::RunControl& control = {}) {
  return bytes_of(solve::register_volumes(input, job, control, backend));
}

/// The maps of a run; a resumed one does not report all levels again.
inline std::string fields_of(solve::RegistrationOutput out) {
  out.levels.clear();
  return bytes_of(out);
}

/// A stage that stops at no level early.
inline StageSpec whole_stage(StageKind kind, MetricKind metric, std::vector<LevelSpec> levels) {
  StageSpec s = stage(kind, metric, std::move(levels));
  s.convergence_slope = 0;
  return s;
}

/// Two volumes that a quarter turn, or another, and a bend bring together.
struct TurnedPair {
  TurnedPair(const Size3& fixed_size, const Size3& moving_size, double spacing, const Affine& turn)
      : fixed(volume_of(fixed_size, spacing, [&](const Vec3& p) { return turn(bend(p)); })),
        moving(volume_of(moving_size, spacing, [](const Vec3& p) { return p; })),
        initial(turn) {}
  solve::RegistrationInput input() const {
    solve::RegistrationInput in;
    in.fixed = {&fixed};
    in.moving = {&moving};
    in.initial = initial;
    return in;
  }
  Volume fixed, moving;
  Affine initial;
};

/// Wants to see a run after every few iterations, and keeps the bytes of what it is shown.
class KeptPreviews final : public solve::PreviewSink {
 public:
  bool due() override { return ++asked_ % 3 == 0; }
  std::int64_t largest_voxels() const override { return 5000; }
  void show(const Affine& moving_from_fixed, const DisplacementField* displacement_mm) override {
    ++shown_;
    bytes_.append(reinterpret_cast<const char*>(&moving_from_fixed), sizeof moving_from_fixed);
    if (displacement_mm == nullptr) return;
    ++fields_;
    const Volume& v = displacement_mm->volume();
    bytes_.append(reinterpret_cast<const char*>(v.data()), v.bytes());
  }
  const std::string& bytes() const { return bytes_; }
  int shown() const { return shown_; }
  int fields() const { return fields_; }

 private:
  int asked_ = 0, shown_ = 0, fields_ = 0;
  std::string bytes_;
};

/// A rough field, with many folds: three components one after another.
inline std::vector<float> rough_field(const Size3& n) {
  std::mt19937 random(11);
  std::uniform_real_distribution<float> uniform(-0.9F, 0.9F);
  std::vector<float> u(static_cast<std::size_t>(3 * n[0] * n[1] * n[2]));
  for (float& v : u) v = uniform(random);
  return u;
}

inline ops::FieldView view_of(float* data, const Size3& n) {
  ops::FieldView v;
  for (int c = 0; c < 3; ++c)
    v.component[c] = {data + c * n[0] * n[1] * n[2], ops::Extent::whole(n)};
  return v;
}

}  // namespace gigawarp::test
