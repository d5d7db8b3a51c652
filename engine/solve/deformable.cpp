#include "solve/deformable.h"

#include <algorithm>

#include "base/parallel.h"
#include "math/packed.h"

namespace gigawarp::solve {

GreedyState::GreedyState(const Size3& size, ops::Backend& backend)
    : size_(size), backend_(&backend) {
  const auto n = static_cast<std::size_t>(voxels());
  if (backend.compact()) {
    for (int i = 0; i < 2; ++i)
      fields_[static_cast<std::size_t>(i)] =
          backend.allocate_volume(n * sizeof(math::PackedVector), voxels());
    backend.fill_words(fields_[0].as<std::uint64_t>(), math::kPackedZero, voxels());
    first_ = backend.allocate_volume(n * sizeof(math::PackedMoments), voxels());
    return;
  }
  for (ops::Array& f : fields_) f = backend.allocate_volume(3 * n * sizeof(float), voxels());
  first_ = backend.allocate_volume(3 * n * sizeof(math::Bfloat16), voxels());
  second_ = backend.allocate_volume(n * sizeof(float), voxels());
}

ops::FieldView GreedyState::field(int i) const {
  ops::FieldView view;
  const ops::Array& array = fields_[static_cast<std::size_t>(i)];
  if (backend_->compact()) {
    view.packed = {array.as<std::uint64_t>(), ops::Extent::whole(size_)};
    return view;
  }
  for (int c = 0; c < 3; ++c)
    view.component[c] = {array.as<float>() + c * voxels(), ops::Extent::whole(size_)};
  return view;
}

ops::FieldView GreedyState::direction() const {
  return backend_->compact() ? ops::FieldView{} : field(2);
}

ops::SlabView<float> GreedyState::scratch() const {
  return backend_->samples_itself() ? ops::SlabView<float>{} : field(2).component[0];
}

ops::SlabView<float> GreedyState::symmetric_scratch() {
  if (!backend_->compact()) return field(2).component[0];
  if (!symmetric_scratch_)
    symmetric_scratch_ =
        backend_->allocate_volume(static_cast<std::size_t>(voxels()) * sizeof(float), voxels());
  return {symmetric_scratch_.as<float>(), ops::Extent::whole(size_)};
}

ops::SlabView<math::Bfloat16> GreedyState::first_moment(int axis) const {
  if (backend_->compact()) return {};
  return {first_.as<math::Bfloat16>() + axis * voxels(), ops::Extent::whole(size_)};
}

ops::SlabView<float> GreedyState::second_moment() const {
  if (backend_->compact()) return {};
  return {second_.as<float>(), ops::Extent::whole(size_)};
}

ops::SlabView<std::uint64_t> GreedyState::moments() const {
  if (!backend_->compact()) return {};
  return {first_.as<std::uint64_t>(), ops::Extent::whole(size_)};
}

std::vector<std::pair<std::string, const ops::Array*>> GreedyState::kept() const {
  std::vector<std::pair<std::string, const ops::Array*>> out{{"u", fields_.data()}, {"m", &first_}};
  if (second_) out.emplace_back("v", &second_);
  return out;
}

std::vector<ArrayRef> GreedyState::arrays(const std::string& suffix) const {
  std::vector<ArrayRef> refs;
  for (const auto& [name, array] : kept())
    refs.push_back({name + suffix, array->bytes(),
                    [from = array->data(), backend = backend_](std::size_t begin, std::size_t count,
                                                               std::byte* out) {
                      backend->download(out, from + begin, count);
                    }});
  return refs;
}

void GreedyState::load(CheckpointStore& store, const std::string& suffix) {
  for (const auto& entry : kept()) {
    const auto* array = entry.second;
    store.load(entry.first + suffix, array->bytes(),
               [&](std::size_t begin, std::size_t count, const std::byte* data) {
                 backend_->upload(array->data() + begin, data, count);
               });
  }
}

void GreedyState::keep_displacement_only() {
  fields_[1] = {};
  fields_[2] = {};
  first_ = {};
  second_ = {};
  symmetric_scratch_ = {};
}

Displacement::Displacement(const Size3& size, ops::Backend& backend) {
  const std::int64_t n = size[0] * size[1] * size[2];
  const ops::Extent extent = ops::Extent::whole(size);
  if (backend.compact()) {
    array_ = backend.allocate_volume(static_cast<std::size_t>(n) * sizeof(math::PackedVector), n);
    backend.fill_words(array_.as<std::uint64_t>(), math::kPackedZero, n);
    view_.packed = {array_.as<std::uint64_t>(), extent};
    return;
  }
  array_ = backend.allocate_volume(static_cast<std::size_t>(3 * n) * sizeof(float), n);
  for (int c = 0; c < 3; ++c) view_.component[c] = {array_.as<float>() + c * n, extent};
}

namespace {
/// Words on their way between host and device at once.
constexpr std::int64_t kTransferWords = std::int64_t{1} << 22;
constexpr std::int64_t kTransferBlock = 65536;  ///< of them, per thread at once
}  // namespace

void download_planes(const ops::FieldView& u, ops::ZRange planes, ops::Backend& backend,
                     float* const component[3]) {
  const ops::Extent& e = u.extent();
  const std::int64_t plane = e.nx * e.ny, count = (planes.end - planes.begin) * plane;
  if (!u.packed) {
    for (int c = 0; c < 3; ++c)
      backend.download(component[c], u.component[c].row(0, planes.begin),
                       static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  const std::int64_t share = std::min(kTransferWords, count);
  Buffer words(static_cast<std::size_t>(share) * sizeof(std::uint64_t));
  const auto* from = reinterpret_cast<const std::uint64_t*>(words.data());
  for (std::int64_t done = 0; done < count; done += share) {
    const std::int64_t n = std::min(share, count - done);
    backend.download(words.data(), u.packed.row(0, planes.begin) + done,
                     static_cast<std::size_t>(n) * sizeof(std::uint64_t));
    if (!backend.collects()) continue;
    parallel_for((n + kTransferBlock - 1) / kTransferBlock, [&](std::int64_t block) {
      const std::int64_t end = std::min(n, (block + 1) * kTransferBlock);
      for (std::int64_t i = block * kTransferBlock; i < end; ++i) {
        const math::Float3 v = math::unpack_vector(from[i]);
        component[0][done + i] = v.x;
        component[1][done + i] = v.y;
        component[2][done + i] = v.z;
      }
    });
  }
}

void upload_planes(const float* const component[3], ops::ZRange planes, const ops::FieldView& u,
                   ops::Backend& backend) {
  const ops::Extent& e = u.extent();
  const std::int64_t count = (planes.end - planes.begin) * e.nx * e.ny;
  if (!u.packed) {
    for (int c = 0; c < 3; ++c)
      backend.upload(u.component[c].row(0, planes.begin), component[c],
                     static_cast<std::size_t>(count) * sizeof(float));
    return;
  }
  const std::int64_t share = std::min(kTransferWords, count);
  Buffer words(static_cast<std::size_t>(share) * sizeof(std::uint64_t));
  auto* to = reinterpret_cast<std::uint64_t*>(words.data());
  for (std::int64_t done = 0; done < count; done += share) {
    const std::int64_t n = std::min(share, count - done);
    parallel_for((n + kTransferBlock - 1) / kTransferBlock, [&](std::int64_t block) {
      const std::int64_t end = std::min(n, (block + 1) * kTransferBlock);
      for (std::int64_t i = block * kTransferBlock; i < end; ++i)
        to[i] = math::pack_vector(
            {component[0][done + i], component[1][done + i], component[2][done + i]});
    });
    backend.upload(u.packed.row(0, planes.begin) + done, words.data(),
                   static_cast<std::size_t>(n) * sizeof(std::uint64_t));
  }
}

}  // namespace gigawarp::solve
