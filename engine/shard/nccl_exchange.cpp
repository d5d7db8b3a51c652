#include "gigawarp/error.h"
#include "shard/device_exchange.h"

#if defined(GIGAWARP_HAVE_NCCL_HEADER)
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <nccl.h>

#include <cstdlib>
#include <utility>
#include <vector>

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
      : NcclExchange(communicator, parts.device, static_cast<cudaStream_t>(parts.stream)) {
    ncclUniqueId id{};
    if (communicator.is_root()) nccl_.check(nccl_.get_unique_id(&id), "starting");
    communicator.broadcast(&id, sizeof id, 0);
    check_cuda(cudaSetDevice(device_), "choosing the device");
    nccl_.check(nccl_.init_rank(&nccl_communicator_, communicator.size(), id, communicator.rank()),
                "joining the ranks");
    // Messages take few multiprocessors, and those as soon as a kernel's blocks leave one: others
    // wait for them.
    int least = 0, greatest = 0;
    check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest), "making a stream");
    check_cuda(cudaStreamCreateWithPriority(&messages_, cudaStreamNonBlocking, greatest),
               "making a stream");
    for (cudaEvent_t* event : {&ready_, &arrived_})
      check_cuda(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "making an event");
    parts.look_while_waiting([this] { look(); });
  }
  ~NcclExchange() override {
    cudaSetDevice(device_);
    if (nccl_communicator_ != nullptr) nccl_.destroy(nccl_communicator_);
    if (messages_ != nullptr) cudaStreamDestroy(messages_);
    for (cudaEvent_t event : {ready_, arrived_})
      if (event != nullptr) cudaEventDestroy(event);
    for (const Span& span : spans_) {
      cudaEventDestroy(span.from);
      cudaEventDestroy(span.to);
    }
  }
  NcclExchange(const NcclExchange&) = delete;
  NcclExchange& operator=(const NcclExchange&) = delete;

  void begin(std::span<const Message> sends, std::span<const Message> receives) override {
    try {
      communicator_.require_unbroken();
      begun_ = !sends.empty() || !receives.empty();
      if (!begun_) return;
      check_cuda(cudaSetDevice(device_), "choosing the device");
      // What is sent is written, and what is received not needed any more, when the back end's
      // stream has come to here.
      check_cuda(cudaEventRecord(ready_, stream_), "marking what is to be sent");
      check_cuda(cudaStreamWaitEvent(messages_, ready_, 0), "waiting for what is to be sent");
      timed([&] { start(sends, receives); });
      check_cuda(cudaEventRecord(arrived_, messages_), "marking what arrives");
    } catch (...) {
      abort();
      throw;
    }
  }
  void finish() override {
    if (!std::exchange(begun_, false)) return;
    check_cuda(cudaSetDevice(device_), "choosing the device");
    check_cuda(cudaStreamWaitEvent(stream_, arrived_, 0), "waiting for what arrives");
  }
  double take_seconds() override {
    is_timed_ = true;
    check_cuda(cudaSetDevice(device_), "choosing the device");
    double seconds = 0;
    const std::size_t used = std::exchange(used_spans_, 0);
    for (const Span& span : std::span(spans_).first(used)) {
      float milliseconds = 0;
      check_cuda(cudaEventSynchronize(span.to), "taking the time");
      check_cuda(cudaEventElapsedTime(&milliseconds, span.from, span.to), "taking the time");
      seconds += static_cast<double>(milliseconds) * 1e-3;
    }
    return seconds;
  }
  std::string name() const override { return "NCCL"; }

 private:
  /// Joins nobody yet. What the other constructor makes goes with it when that fails half-way.
  NcclExchange(Communicator& communicator, int device, cudaStream_t stream)
      : communicator_(communicator), device_(device), stream_(stream) {}

  struct Span {
    cudaEvent_t from = nullptr, to = nullptr;
  };

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
        result = nccl_.send(m.data, m.bytes, ncclInt8, m.peer, nccl_communicator_, messages_);
    for (const Message& m : receives)
      if (all_well())
        result = nccl_.receive(m.data, m.bytes, ncclInt8, m.peer, nccl_communicator_, messages_);
    const ncclResult_t end = nccl_.group_end();  // in any case: in an open group abort only queues
    nccl_.check(result, "sending and receiving");
    nccl_.check(end, "exchanging");
  }

  /// By the stream of the messages: from when what is sent is there.
  template <class Body>
  void timed(const Body& body) {
    if (!is_timed_) {
      body();
      return;
    }
    if (used_spans_ == spans_.size()) {
      Span& span = spans_.emplace_back();
      for (cudaEvent_t* event : {&span.from, &span.to})
        check_cuda(cudaEventCreate(event), "making an event");
    }
    const Span& span = spans_[used_spans_++];
    check_cuda(cudaEventRecord(span.from, messages_), "taking the time");
    body();
    check_cuda(cudaEventRecord(span.to, messages_), "taking the time");
  }

  /// Ends what is on the stream of the messages: unwinding waits for it (the back end's stream
  /// does, and is synchronised), and a peer that failed sends nothing.
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
  cudaStream_t stream_;                     ///< the back end's
  cudaStream_t messages_ = nullptr;         ///< of all that NCCL does, in one order on all ranks
  cudaEvent_t ready_ = nullptr;             ///< what is sent
  cudaEvent_t arrived_ = nullptr;           ///< what is received
  ncclComm_t nccl_communicator_ = nullptr;  ///< null after a failure
  bool begun_ = false, is_timed_ = false;
  std::vector<Span> spans_;  ///< the first `used_spans_` since the last take_seconds()
  std::size_t used_spans_ = 0;
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
