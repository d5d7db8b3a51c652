#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "gigawarp/device.h"
#include "ops/backend.h"

namespace gigawarp::test {

/// The first usable GPU's back end, with `budget` bytes of its memory (0: all), or null and the
/// reason.
inline std::unique_ptr<ops::Backend> make_gpu(std::string& why_not, std::uint64_t budget = 0) {
  for (const DeviceInfo& device : list_devices()) {
    if (!device.id.starts_with("cuda")) continue;
    why_not = device.why_not;
    if (device.usable) return ops::make_cuda_backend(std::stoi(device.id.substr(5)), budget);
  }
  return nullptr;
}

/// Cases that need a GPU; without one they are skipped and say why, or fail where there must be one
/// (GIGAWARP_REQUIRE_GPU=1, set by tests/gpu.sh).
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string why_not = "No CUDA device was listed.";
    gpu_ = make_gpu(why_not);
    const char* required = std::getenv("GIGAWARP_REQUIRE_GPU");
    if (gpu_ == nullptr && required != nullptr && std::string(required) == "1") FAIL() << why_not;
    if (gpu_ == nullptr) GTEST_SKIP() << why_not;
    cpu_ = ops::make_cpu_backend();
  }
  std::unique_ptr<ops::Backend> gpu_, cpu_;
};

/// Cases over the GPUs that the parameter names, some perhaps several times.
class GpusTest : public GpuTest, public testing::WithParamInterface<std::vector<int>> {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (gpu_ == nullptr) return;
    int usable = 0;
    for (const DeviceInfo& gpu : ops::list_gpus()) usable += gpu.usable ? 1 : 0;
    const int wanted = 1 + *std::max_element(GetParam().begin(), GetParam().end());
    if (usable < wanted)
      GTEST_SKIP() << "This takes " << wanted << " GPUs, and there are " << usable << ".";
  }
};

}  // namespace gigawarp::test
