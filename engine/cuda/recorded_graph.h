#pragma once
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include "cuda/support.h"

namespace gigawarp::cuda {

/// Blocks of memory that one user takes in the same order again and again, and that stay where they
/// are in between: a graph knows their addresses.
class KeptBlocks {
 public:
  explicit KeptBlocks(Device& device) : device_(device) {}
  ~KeptBlocks();
  KeptBlocks(const KeptBlocks&) = delete;
  KeptBlocks& operator=(const KeptBlocks&) = delete;

  /// While it lives, Device::allocate() takes from there, from the first block on.
  class Use {
   public:
    explicit Use(KeptBlocks& blocks);
    ~Use();
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Device& device_;
  };
  /// The next block; a new one where there are no more.
  ops::Array take(std::size_t bytes);

 private:
  Device& device_;
  std::vector<std::pair<void*, std::size_t>> blocks_;
  std::size_t next_ = 0;
};

/// Work of a device's stream as a CUDA graph, which starts with one call, whatever it consists of.
/// Its kernels do what they did when it was recorded, but for the pair that the samplers among them
/// take: a kernel whose first parameter begins with a DevicePair, told by note_sampler().
class RecordedGraph {
 public:
  /// Records what `work` queues, which neither waits nor allocates outside KeptBlocks. Nothing
  /// runs.
  RecordedGraph(Device& device, const std::function<void()>& work);
  ~RecordedGraph();
  RecordedGraph(const RecordedGraph&) = delete;
  RecordedGraph& operator=(const RecordedGraph&) = delete;

  /// From the next launch on the samplers take the `bytes` of this pair.
  void set_pair(const void* pair, std::size_t bytes);
  void launch();

  /// The kernel just launched is a sampler with so many parameters, the first of so many bytes.
  void note_sampler(std::size_t bytes, std::size_t parameters);

 private:
  struct Sampler {
    cudaGraphNode_t node = nullptr;
    std::size_t parameters = 0;
    std::vector<std::byte> first;
  };

  Device& device_;
  cudaGraph_t graph_ = nullptr;
  cudaGraphExec_t ready_ = nullptr;
  std::vector<Sampler> samplers_;
};

/// To be called right after the launch of such a kernel.
template <class First, class... Others>
void note_sampler(Device& device, void (* /*kernel*/)(First, Others...)) {
  if (RecordedGraph* graph = device.recording())
    graph->note_sampler(sizeof(First), 1 + sizeof...(Others));
}

}  // namespace gigawarp::cuda
