#include <gtest/gtest.h>

#include <set>
#include <utility>

#include "cuda/no_gpu.h"

/// What is said where no GPU can be used. Needs none.
namespace gigawarp {
namespace {

bool has(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

TEST(NoGpu, noDriverAndAnOldOneAreTwoThings) {
  const std::string none = cuda::why_no_gpu(cudaErrorInsufficientDriver, 0, 12080);
  EXPECT_TRUE(has(none, "No NVIDIA driver")) << none;
  EXPECT_TRUE(has(none, "CUDA 12.8 or later")) << none;
  const std::string old = cuda::why_no_gpu(cudaErrorInsufficientDriver, 11040, 13000);
  EXPECT_TRUE(has(old, "too old: it supports CUDA 11.4")) << old;
  EXPECT_TRUE(has(old, "built with CUDA 13.0")) << old;
}

TEST(NoGpu, theToolkitIsTheOneOfTheBuild) {
  EXPECT_TRUE(has(cuda::why_no_gpu(cudaErrorInsufficientDriver, 0),
                  "CUDA " + cuda::version_text(CUDART_VERSION)));
}

TEST(NoGpu, onlyAMachineWithoutGpusIsSaidToHaveNone) {
  for (const cudaError_t none : {cudaSuccess, cudaErrorNoDevice})
    EXPECT_EQ(cuda::why_no_gpu(none, 13000), "No NVIDIA GPU was found on this machine.");
  std::set<std::string> sentences;
  const auto others = {
      cudaErrorSystemNotReady, cudaErrorSystemDriverMismatch, cudaErrorCompatNotSupportedOnDevice,
      cudaErrorNotPermitted,   cudaErrorStubLibrary,          cudaErrorDevicesUnavailable,
      cudaErrorUnknown};
  for (const cudaError_t other : others) {
    const std::string sentence = cuda::why_no_gpu(other, 13000);
    EXPECT_TRUE(has(sentence, cudaGetErrorString(other))) << sentence;
    EXPECT_FALSE(has(sentence, "No NVIDIA")) << sentence;
    EXPECT_EQ(sentence.find('.'), sentence.size() - 1) << "one sentence: " << sentence;
    sentences.insert(sentence);
  }
  EXPECT_EQ(sentences.size(), others.size());
}

TEST(NoGpu, anOldCardAForbiddenOneAndAFullOneSayWhatTheyAre) {
  EXPECT_EQ(cuda::why_not_card(7, 5, cudaComputeModeDefault),
            "Its compute capability 7.5 is older than 8.0.");
  EXPECT_EQ(cuda::why_not_card(9, 0, cudaComputeModeProhibited),
            "Its compute mode forbids programs to use it.");
  for (const auto& [major, minor] : {std::pair{8, 0}, std::pair{9, 0}, std::pair{12, 0}})
    EXPECT_EQ(cuda::why_not_card(major, minor, cudaComputeModeDefault), "");
  EXPECT_EQ(cuda::why_not_memory(cudaSuccess, std::size_t{300} << 20U),
            "Only 300 MiB of its memory are free; other programs use the rest.");
  EXPECT_EQ(cuda::why_not_memory(cudaSuccess, std::size_t{40} << 30U), "");
  EXPECT_TRUE(has(cuda::why_not_memory(cudaErrorDevicesUnavailable, 0), "another program"));
}

}  // namespace
}  // namespace gigawarp
