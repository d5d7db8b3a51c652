#include "gigawarp/error.h"
#include "shard/device_exchange.h"

#if defined(GIGAWARP_HAVE_NCCL_HEADER)
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>

#include <cstdlib>
#include <utility>

namespace gigawarp::shard {
namespace {

constexpr const char* kInstead =
    "; install it (Debian and Ubuntu: libnccl2), name the file in GIGAWARP_NCCL, set "
    "GIGAWARP_EXCHANGE=host to go through host memory, or run the GPUs of one machine in one "
    "process with --device cuda:all.";

/// The functions used, found at run time: the library is large and often absent.
class Nccl {
 public:
  Nccl() {
    const char* const named = std::getenv("GIGAWARP_NCCL");  // NOLINT(concurrency-mt-unsafe)
    const std::string file = named != nullptr ? named : "libnccl.so.2";
    library_ = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);  // stays until the process ends
    if (library_ == nullptr)
      throw Error(
          ErrorCode::device_fault,
          "NCCL, which carries data between GPUs of several processes, was not found as \"" + file +
              "\"" + kInstead,
          "--device");
    find("ncclGetUniqueId", get_unique_id);
    find("ncclCommInitRank", init_rank);
    find("ncclCommDestroy", destroy);
    find("ncclCommAbort", abort);
    find("ncclCommGetAsyncError", async_error);
    find("ncclGroupStart", group_start);
    find("ncclGroupEnd", group_end);
    find("ncclSend", send);
    find("ncclRecv", receive);
    find("ncclGetErrorString", error_string);
  }
  void check(ncclResult_t result, const char* what) const {
    if (result == ncclSuccess || result == ncclInProgress) return;
    throw Error(ErrorCode::device_fault,
                "NCCL reported an error (" + std::string(what) + ": " + error_string(result) +
                    "); a run with checkpoints can be resumed.",
                "--device");
  }

  decltype(&ncclGetUniqueId) get_unique_id = nullptr;
  decltype(&ncclCommInitRank) init_rank = nullptr;
  decltype(&ncclCommDestroy) destroy = nullptr;
  decltype(&ncclCommAbort) abort = nullptr;
  decltype(&ncclCommGetAsyncError) async_error = nullptr;
  decltype(&ncclGroupStart) group_start = nullptr;
  decltype(&ncclGroupEnd) group_end = nullptr;
  decltype(&ncclSend) send = nullptr;
  decltype(&ncclRecv) receive = nullptr;
  decltype(&ncclGetErrorString) error_string = nullptr;

 private:
  template <class Function>
  void find(const char* name, Function& function) {
    function = reinterpret_cast<Function>(dlsym(library_, name));
    if (function == nullptr)
      throw Error(ErrorCode::device_fault,
                  "The NCCL found has no " + std::string(name) + " and is too old" + kInstead,
                  "--device");
  }
  void* library_ = nullptr;
};

void check_cuda(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  throw Error(ErrorCode::device_fault,
              "The GPU reported an error (" + std::string(what) + ": " +
                  cudaGetErrorString(status) + "); a run with checkpoints can be resumed.",
              "--device");
}

class NcclExchange final : public Exchange {
 public:
  NcclExchange(Communicator& communicator, const ops::RankParts& parts)
      : communicator_(communicator),
        device_(parts.device),
        stream_(static_cast<cudaStream_t>(parts.stream)) {
    ncclUniqueId id{};
    if (communicator.is_root()) nccl_.check(nccl_.get_unique_id(&id), "starting");
    communicator.broadcast(&id, sizeof id, 0);
    check_cuda(cudaSetDevice(device_), "choosing the device");
    nccl_.check(nccl_.init_rank(&nccl_communicator_, communicator.size(), id, communicator.rank()),
                "joining the ranks");
    parts.look_while_waiting([this] { look(); });
  }
  ~NcclExchange() override {
    if (nccl_communicator_ == nullptr) return;
    cudaSetDevice(device_);
    nccl_.destroy(nccl_communicator_);
  }
  NcclExchange(const NcclExchange&) = delete;
  NcclExchange& operator=(const NcclExchange&) = delete;

  void operator()(std::span<const Message> sends, std::span<const Message> receives) override {
    try {
      communicator_.require_unbroken();
      if (sends.empty() && receives.empty()) return;
      check_cuda(cudaSetDevice(device_), "choosing the device");
      start(sends, receives);
    } catch (...) {
      abort();
      throw;
    }
  }
  std::string name() const override { return "NCCL"; }

 private:
  void start(std::span<const Message> sends, std::span<const Message> receives) {
    if (nccl_communicator_ == nullptr)
      throw Error(ErrorCode::device_fault,
                  "The exchange between GPUs has failed before; a run with checkpoints can be "
                  "resumed.",
                  "--device");
    nccl_.check(nccl_.group_start(), "exchanging");
    ncclResult_t result = ncclSuccess;
    const auto all_well = [&] { return result == ncclSuccess || result == ncclInProgress; };
    for (const Message& m : sends)
      if (all_well())
        result = nccl_.send(m.data, m.bytes, ncclInt8, m.peer, nccl_communicator_, stream_);
    for (const Message& m : receives)
      if (all_well())
        result = nccl_.receive(m.data, m.bytes, ncclInt8, m.peer, nccl_communicator_, stream_);
    const ncclResult_t end = nccl_.group_end();  // in any case: in an open group abort only queues
    nccl_.check(result, "sending and receiving");
    nccl_.check(end, "exchanging");
  }

  /// Ends what is on the stream: unwinding synchronises it, and a peer that failed sends nothing.
  void abort() noexcept {
    if (nccl_communicator_ == nullptr) return;
    cudaSetDevice(device_);
    nccl_.abort(std::exchange(nccl_communicator_, nullptr));
  }

  /// While the host waits for the stream, where what a rank that failed was to send never comes.
  void look() {
    try {
      ncclResult_t state = ncclSuccess;
      if (nccl_communicator_ != nullptr) {
        nccl_.check(nccl_.async_error(nccl_communicator_, &state), "exchanging");
        nccl_.check(state, "exchanging");
      }
      communicator_.require_unbroken();
    } catch (...) {
      abort();
      throw;
    }
  }

  Nccl nccl_;
  Communicator& communicator_;
  const int device_;
  cudaStream_t stream_;
  ncclComm_t nccl_communicator_ = nullptr;  ///< null after a failure
};

}  // namespace

std::unique_ptr<Exchange> make_nccl_exchange(Communicator& communicator,
                                             const ops::RankParts& parts) {
  // NVLink multicast hangs on some machines. Arrays are open to their own GPU alone, so that no
  // other may write there directly.
  setenv("NCCL_NVLS_ENABLE", "0", 0);         // NOLINT(concurrency-mt-unsafe)
  setenv("NCCL_P2P_DIRECT_DISABLE", "1", 0);  // NOLINT(concurrency-mt-unsafe)
  return std::make_unique<NcclExchange>(communicator, parts);
}

}  // namespace gigawarp::shard

#else

namespace gigawarp::shard {

std::unique_ptr<Exchange> make_nccl_exchange(Communicator& /*communicator*/,
                                             const ops::RankParts& /*parts*/) {
  throw Error(
      ErrorCode::device_fault,
      "This build of Gigawarp was made without NCCL's header, so ranks cannot exchange data "
      "between GPUs; build it where nccl.h is, or set GIGAWARP_EXCHANGE=host.",
      "--device");
}

}  // namespace gigawarp::shard

#endif
