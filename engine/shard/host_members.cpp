#include "gigawarp/volume.h"
#include "ops/grid_members.h"

namespace gigawarp::ops {
namespace {

/// The host's own memory: nobody in particular holds it.
class HostMemory final : public GlobalMemory {
 public:
  std::size_t granularity() const override { return 64; }
  Array allocate(const std::vector<std::size_t>& borders) override {
    auto buffer = std::make_shared<Buffer>(borders.back());
    std::byte* data = buffer->data();
    return {data, borders.back(), [buffer](std::byte*) mutable { buffer.reset(); }};
  }
};

}  // namespace

GridMembers make_host_members(int count) {
  GridMembers members;
  for (int i = 0; i < count; ++i) {
    members.backends.push_back(make_cpu_backend());
    members.names.push_back("cpu slab " + std::to_string(i));
    members.shares.push_back(1.0 / count);
  }
  members.memory = std::make_unique<HostMemory>();
  return members;
}

}  // namespace gigawarp::ops
