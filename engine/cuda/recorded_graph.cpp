#include "cuda/recorded_graph.h"

#include <cstring>

#include "gigawarp/error.h"

namespace gigawarp::cuda {

KeptBlocks::~KeptBlocks() {
  for (const auto& [block, bytes] : blocks_) device_.put_back(block, bytes);
}

KeptBlocks::Use::Use(KeptBlocks& blocks) : device_(blocks.device_) {
  blocks.next_ = 0;
  device_.keep_blocks(&blocks);
}
KeptBlocks::Use::~Use() { device_.keep_blocks(nullptr); }

ops::Array KeptBlocks::take(std::size_t bytes) {
  if (next_ == blocks_.size()) {
    if (device_.recording() != nullptr)
      throw Error(ErrorCode::internal, "A recorded graph asks for memory of its own.", "cuda");
    blocks_.emplace_back(device_.take_out(bytes), bytes);
  }
  const auto [block, size] = blocks_[next_++];
  if (size != bytes)
    throw Error(ErrorCode::internal, "Kept memory is asked for in another order.", "cuda");
  return {static_cast<std::byte*>(block), bytes, [](std::byte*) {}};
}

RecordedGraph::RecordedGraph(Device& device, const std::function<void()>& work) : device_(device) {
  check(cudaStreamBeginCapture(device.stream(), cudaStreamCaptureModeThreadLocal),
        "recording a graph");
  device.set_recording(this);
  try {
    work();
  } catch (...) {
    device.set_recording(nullptr);
    cudaStreamEndCapture(device.stream(), &graph_);
    if (graph_ != nullptr) cudaGraphDestroy(graph_);
    throw;
  }
  device.set_recording(nullptr);
  check(cudaStreamEndCapture(device.stream(), &graph_), "recording a graph");
  const cudaError_t made = cudaGraphInstantiate(&ready_, graph_, 0);
  if (made != cudaSuccess) cudaGraphDestroy(graph_);
  check(made, "making a graph");
}

RecordedGraph::~RecordedGraph() {
  cudaGraphExecDestroy(ready_);
  cudaGraphDestroy(graph_);
}

void RecordedGraph::note_sampler(std::size_t bytes, std::size_t parameters) {
  // What the stream would wait for next is the kernel just launched.
  cudaStreamCaptureStatus status{};
  const cudaGraphNode_t* latest = nullptr;
  std::size_t count = 0;
#if CUDART_VERSION >= 13000
  check(cudaStreamGetCaptureInfo(device_.stream(), &status, nullptr, nullptr, &latest, nullptr,
                                 &count),
        "recording a graph");
#else
  check(cudaStreamGetCaptureInfo_v2(device_.stream(), &status, nullptr, nullptr, &latest, &count),
        "recording a graph");
#endif
  if (status != cudaStreamCaptureStatusActive || count != 1)
    throw Error(ErrorCode::internal, "A recorded graph is not a line of kernels.", "cuda");
  cudaKernelNodeParams kernel{};
  check(cudaGraphKernelNodeGetParams(*latest, &kernel), "recording a graph");
  Sampler& sampler = samplers_.emplace_back();
  sampler.node = *latest;
  sampler.parameters = parameters;
  sampler.first.resize(bytes);
  std::memcpy(sampler.first.data(), kernel.kernelParams[0], bytes);
}

void RecordedGraph::set_pair(const void* pair, std::size_t bytes) {
  for (Sampler& sampler : samplers_) {
    std::memcpy(sampler.first.data(), pair, bytes);
    cudaKernelNodeParams kernel{};
    check(cudaGraphKernelNodeGetParams(sampler.node, &kernel), "changing a graph");
    std::vector<void*> parameters(kernel.kernelParams, kernel.kernelParams + sampler.parameters);
    parameters.front() = sampler.first.data();
    kernel.kernelParams = parameters.data();
    check(cudaGraphExecKernelNodeSetParams(ready_, sampler.node, &kernel), "changing a graph");
  }
}

void RecordedGraph::launch() {
  check(cudaGraphLaunch(ready_, device_.stream()), "starting a graph");
}

}  // namespace gigawarp::cuda
