#include <algorithm>
#include <cstdlib>

#include "gigawarp/error.h"
#include "shard/communicator.h"
#include "shard/placed.h"

namespace gigawarp::shard {

int launched_processes() {
  // From the innermost: OpenMPI's mpirun, those of MPICH's family and srun --mpi=pmi2, srun.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"})
    if (const char* const text = std::getenv(name))  // NOLINT(concurrency-mt-unsafe)
      return std::max(1, std::atoi(text));  // NOLINT(cert-err34-c): zero for what is no number
  return 1;
}

}  // namespace gigawarp::shard

#if defined(GIGAWARP_HAVE_MPI)
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// Ranks that are processes, of one host or several, started by mpirun or Slurm.
namespace gigawarp::shard {
namespace {

constexpr int kData = 1, kFailure = 2;  // tags
constexpr std::size_t kLargestMessage = std::size_t{1} << 30U;
/// How long a failed run waits for the others to write what they still can, and for MPI to end.
constexpr std::chrono::seconds kPatience{20};
/// The first rank gives up first, and says why; then the one that failed; then the others.
constexpr std::chrono::seconds kMorePatience{2};
/// How often who waits looks whether the others of its host are alive.
constexpr std::chrono::milliseconds kLookAround{20};

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw Error(ErrorCode::device_fault,
              "MPI reported an error (" + std::string(what) + ": " + text +
                  "); a run with checkpoints can be resumed.",
              "mpi");
}

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "starting");
    require_all_launched();
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    check(MPI_Comm_dup(MPI_COMM_WORLD, &data_), "making a communicator");
    check(MPI_Comm_dup(MPI_COMM_WORLD, &control_), "making a communicator");
    MPI_Comm_rank(data_, &rank_);
    MPI_Comm_size(data_, &size_);
    MPI_Comm host = MPI_COMM_NULL;
    check(MPI_Comm_split_type(data_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host),
          "finding the ranks of this host");
    MPI_Comm_rank(host, &rank_of_host_);
    host_ = rank_;
    check(MPI_Bcast(&host_, 1, MPI_INT, 0, host), "finding the ranks of this host");
    MPI_Comm_free(&host);
    const Process own{host_, static_cast<int>(getpid())};
    processes_.resize(static_cast<std::size_t>(size_));
    check(MPI_Allgather(&own, sizeof own, MPI_BYTE, processes_.data(), sizeof own, MPI_BYTE, data_),
          "finding the ranks of this host");
    // Containers may hide the processes of one another.
    for (int rank = 0; rank < size_; ++rank) sees_others_ = sees_others_ && is_alive(rank);
  }
  ~MpiCommunicator() override {
    if (!failure_) {
      MPI_Comm_free(&data_);
      MPI_Comm_free(&control_);
      MPI_Finalize();
      return;
    }
    end_after_failure();
  }
  MpiCommunicator(const MpiCommunicator&) = delete;
  MpiCommunicator& operator=(const MpiCommunicator&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  int rank_of_host() const override { return rank_of_host_; }
  int host() const override { return host_; }

  void exchange(std::span<const Message> sends, std::span<const Message> receives) override {
    require_unbroken();
    std::vector<MPI_Request> requests;
    post(sends, receives, requests);
    wait(requests);
  }
  void begin_exchange(std::span<const Message> sends, std::span<const Message> receives) override {
    require_unbroken();
    awaited_.assign(receives.begin(), receives.end());
    const std::vector<Message> copies = placed(sends, outgoing_);
    for (std::size_t i = 0; i < sends.size(); ++i)
      std::copy_n(sends[i].data, sends[i].bytes, copies[i].data);
    post(copies, placed(receives, incoming_), on_their_way_);
    // Short messages leave at once; long ones as soon as MPI hears that they are expected.
    int done = 0;
    check(MPI_Testall(static_cast<int>(on_their_way_.size()), on_their_way_.data(), &done,
                      MPI_STATUSES_IGNORE),
          "sending");
  }
  void finish_exchange() override {
    wait(on_their_way_);
    on_their_way_.clear();
    outgoing_ = {};
    const std::vector<std::byte> arrived = std::exchange(incoming_, {});
    const std::byte* from = arrived.data();
    for (const Message& m : std::exchange(awaited_, {})) {
      std::copy_n(from, m.bytes, m.data);
      from += m.bytes;
    }
  }
  void gather(const void* mine, std::span<const std::size_t> bytes, void* all) override {
    require_unbroken();
    std::vector<int> counts, places;
    int place = 0;
    for (const std::size_t n : bytes) {
      counts.push_back(static_cast<int>(n));
      places.push_back(place);
      place += static_cast<int>(n);
    }
    std::vector<MPI_Request> requests(1);
    check(MPI_Iallgatherv(mine, counts[static_cast<std::size_t>(rank_)], MPI_BYTE, all,
                          counts.data(), places.data(), MPI_BYTE, data_, requests.data()),
          "gathering");
    wait(requests);
  }
  void broadcast(void* data, std::size_t bytes, int root) override {
    require_unbroken();
    in_pieces({root, static_cast<std::byte*>(data), bytes}, [&](std::byte* piece, int n) {
      std::vector<MPI_Request> requests(1);
      check(MPI_Ibcast(piece, n, MPI_BYTE, root, data_, requests.data()), "telling all ranks");
      wait(requests);
    });
  }

  void on_last_words(std::function<void(const Error&)> say) override { say_ = std::move(say); }

  void fail(ErrorCode code, const std::string& sentence) override {
    if (failure_) return;
    failed_here_ = true;
    failure_.emplace(code, sentence, "--device");
    message_ = static_cast<char>('0' + static_cast<int>(code)) + sentence;
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      MPI_Request request = MPI_REQUEST_NULL;
      MPI_Isend(message_.data(), static_cast<int>(message_.size()), MPI_BYTE, peer, kFailure,
                control_, &request);
      MPI_Request_free(&request);  // message_ stays as long as this object
    }
  }

  void require_unbroken() override {
    if (!failure_) hear_of_failure();
    if (failure_) throw Error(*failure_);
  }

 private:
  struct Process {
    int host = 0, id = 0;
  };

  /// With the launcher of another MPI each process is a world of its own, and all would do the
  /// whole run.
  static void require_all_launched() {
    int seen = 1;
    MPI_Comm_size(MPI_COMM_WORLD, &seen);
    const int launched = launched_processes();
    if (seen > 1 || launched <= 1) return;
    MPI_Finalize();
    throw Error(ErrorCode::usage,
                std::to_string(launched) +
                    " processes were started together, but they do not see one another; start them "
                    "with the mpirun of the MPI that Gigawarp was built with (OpenMPI), or with "
                    "srun --mpi=pmix.",
                "--device");
  }

  /// Whether the rank's process is there: of other hosts nothing is known.
  bool is_alive(int rank) const {
    const Process& process = processes_[static_cast<std::size_t>(rank)];
    if (process.host != host_) return true;
    std::ifstream stat("/proc/" + std::to_string(process.id) + "/stat");
    std::string line;
    if (!std::getline(stat, line)) return false;
    const std::size_t name_end = line.rfind(')');  // then a space and the state
    return name_end == std::string::npos || line.size() < name_end + 3 ||
           (line[name_end + 2] != 'Z' && line[name_end + 2] != 'X');
  }

  /// A rank that was killed says nothing; mpirun ends the others a moment later.
  void look_around() {
    for (int rank = 0; rank < size_; ++rank)
      if (!is_alive(rank)) {
        hear_of_failure();  // it may have ended after saying why
        if (failure_) return;
        someone_is_gone_ = true;
        failure_.emplace(ErrorCode::device_fault,
                         "Rank " + std::to_string(rank) +
                             " ended without a word (was it killed, or the memory used up?); what "
                             "its checkpoint holds goes on with --resume.",
                         "--device");
        int first = 0;
        while (first < rank_ && !is_alive(first)) ++first;
        if (first == rank_ && rank_ > 0) say_last_words();
        return;
      }
  }

  void say_last_words() {
    if (const auto say = std::exchange(say_, nullptr)) say(*failure_);
  }

  template <class Body>
  static void in_pieces(const Message& m, const Body& body) {
    for (std::size_t done = 0; done < m.bytes; done += kLargestMessage)
      body(m.data + done, static_cast<int>(std::min(kLargestMessage, m.bytes - done)));
  }

  /// Receives first: what comes then has a place.
  void post(std::span<const Message> sends, std::span<const Message> receives,
            std::vector<MPI_Request>& requests) {
    for (const Message& m : receives)
      in_pieces(m, [&](std::byte* data, int bytes) {
        check(MPI_Irecv(data, bytes, MPI_BYTE, m.peer, kData, data_, &requests.emplace_back()),
              "receiving");
      });
    for (const Message& m : sends)
      in_pieces(m, [&](std::byte* data, int bytes) {
        check(MPI_Isend(data, bytes, MPI_BYTE, m.peer, kData, data_, &requests.emplace_back()),
              "sending");
      });
  }

  void hear_of_failure() {
    int here = 0;
    MPI_Status status;
    check(MPI_Iprobe(MPI_ANY_SOURCE, kFailure, control_, &here, &status), "looking for messages");
    if (here == 0) return;
    int bytes = 0;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    std::string sentence(static_cast<std::size_t>(bytes), ' ');
    check(MPI_Recv(sentence.data(), bytes, MPI_BYTE, status.MPI_SOURCE, kFailure, control_,
                   MPI_STATUS_IGNORE),
          "receiving");
    if (sentence.empty()) return;
    failure_.emplace(static_cast<ErrorCode>(sentence.front() - '0'), sentence.substr(1),
                     "--device");
  }

  /// Does not block inside MPI: a rank that fails must be heard of. What the failed run leaves
  /// pending is never looked at again.
  void wait(std::vector<MPI_Request>& requests) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    Clock::time_point looked = start;
    for (int tries = 0;; ++tries) {
      int done = 0;
      check(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done,
                        MPI_STATUSES_IGNORE),
            "waiting");
      if (done != 0) return;
      if (tries % 64 != 63) continue;
      require_unbroken();
      if (sees_others_ && Clock::now() - looked > kLookAround) {
        looked = Clock::now();
        look_around();
        require_unbroken();
      }
      if (Clock::now() - start < std::chrono::milliseconds(2))
        std::this_thread::yield();
      else  // somebody computes, or is paused
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }

  /// All have come here when the barrier opens: nobody is still writing. MPI may not end by itself
  /// with messages pending; then the process does.
  void end_after_failure() {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    if (someone_is_gone_) return;  // MPI would wait for it; mpirun ends the run
    MPI_Request all = MPI_REQUEST_NULL;
    int done = 0;
    const auto patience =
        rank_ == 0 ? kPatience : kPatience + (failed_here_ ? kMorePatience : 2 * kMorePatience);
    if (MPI_Ibarrier(control_, &all) == MPI_SUCCESS)
      while (done == 0 && Clock::now() - start < patience) {
        MPI_Test(&all, &done, MPI_STATUS_IGNORE);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    const int exit_code = failure_->exit_code();
    if (done == 0) {
      say_last_words();
      MPI_Abort(MPI_COMM_WORLD, exit_code);
    }
    std::thread([exit_code] {
      std::this_thread::sleep_for(kPatience);
      _exit(exit_code);
    }).detach();
    MPI_Finalize();
  }

  MPI_Comm data_ = MPI_COMM_NULL, control_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, rank_of_host_ = 0, host_ = 0;
  std::vector<Process> processes_;  ///< by rank
  std::function<void(const Error&)> say_;
  bool sees_others_ = true;
  bool failed_here_ = false, someone_is_gone_ = false;
  std::optional<Error> failure_;
  std::string message_;
  /// Of the exchange that has begun: in memory of this object, which outlives a run that fails
  /// while messages are on their way.
  std::vector<MPI_Request> on_their_way_;
  std::vector<std::byte> outgoing_, incoming_;
  std::vector<Message> awaited_;
};

}  // namespace

bool has_process_communicator() { return true; }

std::unique_ptr<Communicator> make_process_communicator() {
  return std::make_unique<MpiCommunicator>();
}

}  // namespace gigawarp::shard

#else

namespace gigawarp::shard {

bool has_process_communicator() { return false; }

std::unique_ptr<Communicator> make_process_communicator() {
  throw Error(ErrorCode::usage,
              "This build of Gigawarp was made without MPI; configure it with -DGIGAWARP_MPI=ON to "
              "run one registration over several processes.",
              "--device");
}

}  // namespace gigawarp::shard

#endif
