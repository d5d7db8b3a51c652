#include <array>
#include <cmath>
#include <limits>

#include "base/parallel.h"
#include "io/brick_source.h"
#include "io/nifti.h"
#include "io/transform_io.h"

namespace gigawarp::io {
namespace {

class DisplacementFile final : public VolumeFeed {
 public:
  explicit DisplacementFile(std::unique_ptr<BrickSource> source) : source_(std::move(source)) {}
  const Grid& grid() const override { return source_->info().levels.front().grid; }
  ScalarType type() const override { return ScalarType::f32; }
  int channels() const override { return 3; }
  void read(const Box& box, std::byte* out) const override {
    const std::int64_t voxels = box.voxel_count();
    std::array<float*, 3> d{};
    for (int c = 0; c < 3; ++c) {
      d[static_cast<std::size_t>(c)] = reinterpret_cast<float*>(out) + c * voxels;
      source_->read(0, c, box, reinterpret_cast<std::byte*>(d[static_cast<std::size_t>(c)]));
    }
    const std::int64_t row = box.size[0];
    parallel_for(box.size[1] * box.size[2], [&](std::int64_t r) {
      for (std::int64_t i = r * row; i < (r + 1) * row; ++i) {
        bool good = true;
        for (const float* p : d)
          good = good && std::abs(static_cast<double>(p[i])) <= kLargestDisplacementMm;
        if (good) continue;
        for (float* p : d) p[i] = std::numeric_limits<float>::quiet_NaN();
      }
    });
  }

 private:
  std::unique_ptr<BrickSource> source_;
};

}  // namespace

std::shared_ptr<const VolumeFeed> open_displacement(const std::filesystem::path& path) {
  if (!is_nifti_name(path) || read_nifti_header(path).intent != kNiftiIntentVector) return nullptr;
  check_intent(path);
  std::unique_ptr<BrickSource> source = open_source(path);
  if (source == nullptr || source->info().channels != 3 || source->info().type != ScalarType::f32)
    return nullptr;
  return std::make_shared<DisplacementFile>(std::move(source));
}

}  // namespace gigawarp::io
