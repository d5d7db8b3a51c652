#include "solve/deformable.h"

namespace gigawarp::solve {

GreedyState::GreedyState(const Size3& size) : size_(size) {
  const auto voxels = static_cast<std::size_t>(size[0] * size[1] * size[2]);
  for (Buffer& f : fields_) f = Buffer(3 * voxels * sizeof(float));
  first_ = Buffer(3 * voxels * sizeof(math::Bfloat16));
  second_ = Buffer(voxels * sizeof(float));
}

ops::FieldView GreedyState::field(int i) const {
  ops::FieldView view;
  auto* data =
      reinterpret_cast<float*>(const_cast<std::byte*>(fields_[static_cast<std::size_t>(i)].data()));
  for (int c = 0; c < 3; ++c)
    view.component[c] = {data + c * size_[0] * size_[1] * size_[2], ops::Extent::whole(size_)};
  return view;
}

ops::SlabView<math::Bfloat16> GreedyState::first_moment(int axis) const {
  auto* data = reinterpret_cast<math::Bfloat16*>(const_cast<std::byte*>(first_.data()));
  return {data + axis * size_[0] * size_[1] * size_[2], ops::Extent::whole(size_)};
}

ops::SlabView<float> GreedyState::second_moment() const {
  return {reinterpret_cast<float*>(const_cast<std::byte*>(second_.data())),
          ops::Extent::whole(size_)};
}

std::vector<ArrayRef> GreedyState::arrays(const std::string& suffix) const {
  return {{"u" + suffix, fields_[0].data(), fields_[0].bytes()},
          {"m" + suffix, first_.data(), first_.bytes()},
          {"v" + suffix, second_.data(), second_.bytes()}};
}

void GreedyState::keep_displacement_only() {
  fields_[1] = Buffer();
  fields_[2] = Buffer();
  first_ = Buffer();
  second_ = Buffer();
}

void GreedyState::load(CheckpointStore& store, const std::string& suffix) {
  store.load("u" + suffix, fields_[0].data(), fields_[0].bytes());
  store.load("m" + suffix, first_.data(), first_.bytes());
  store.load("v" + suffix, second_.data(), second_.bytes());
}

}  // namespace gigawarp::solve
