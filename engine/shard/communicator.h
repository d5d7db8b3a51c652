#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gigawarp/error.h"

/// How the ranks of one registration talk. All ranks call the same functions in the same order with
/// matching sizes; nobody asks what the others are about to do, because every rank runs the same
/// solver on the same numbers.
namespace gigawarp::shard {

/// Bytes that go to, or come from, another rank. Messages between two ranks match in order.
struct Message {
  int peer = 0;
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// Carries parts of arrays between ranks. Definitions: over a communicator's own messages (host
/// memory), through host memory (any other), NCCL (GPU to GPU).
///
/// An exchange has two ends, so that work goes on in between: whoever writes what others want
/// writes that first, begins the exchange, and writes the rest while the messages travel
/// (RankBackend). On a GPU neither call waits: NCCL has a stream of its own, and events order the
/// two.
class Exchange {
 public:
  virtual ~Exchange() = default;
  /// All ranks at once. What is sent is as the back end leaves it with the work asked for so far.
  /// Until finish(), work that is asked for must not touch what is received, nor overwrite what is
  /// sent.
  virtual void begin(std::span<const Message> sends, std::span<const Message> receives) = 0;
  /// When it returns, what the back end is asked for from then on finds the received bytes, and may
  /// overwrite those sent. Ends the latest begin(); of this rank alone.
  virtual void finish() = 0;
  virtual void operator()(std::span<const Message> sends, std::span<const Message> receives) {
    begin(sends, receives);
    finish();
  }
  /// How long messages have travelled since the last call, whether or not anybody waited for them.
  /// All work must be done. What was before the first call may be missing.
  virtual double take_seconds() = 0;
  virtual std::string name() const = 0;
};

class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Between host memories.
  virtual void exchange(std::span<const Message> sends, std::span<const Message> receives) = 0;
  /// The same in two parts: what is sent may be overwritten at once, what is received is there
  /// after finish_exchange(), which waits for it and for nothing else. One at a time; in between
  /// there are no other exchanges.
  virtual void begin_exchange(std::span<const Message> sends,
                              std::span<const Message> receives) = 0;
  virtual void finish_exchange() = 0;
  /// Every rank's `mine` (bytes[rank] of them) one after another in `all`, on every rank.
  virtual void gather(const void* mine, std::span<const std::size_t> bytes, void* all) = 0;
  /// Rank `root`'s bytes on every rank.
  virtual void broadcast(void* data, std::size_t bytes, int root) = 0;
  /// Ends the run on all ranks: whoever waits in a call above, or makes one later, gets an
  /// Error with the code and sentence of the rank that called this first. Waits for nobody.
  virtual void fail(ErrorCode code, const std::string& sentence) = 0;
  /// Throws what calls above would throw after a failure. Of this rank alone.
  virtual void require_unbroken() = 0;
  /// What says the sentence of a failure where the rank that would say it, the first, cannot any
  /// more. Called at most once, in the destructor or as a call above throws.
  virtual void on_last_words(std::function<void(const Error& error)> /*say*/) {}
  /// This rank's number among those of its host, by which it takes a GPU.
  virtual int rank_of_host() const { return rank(); }

  /// The host of this rank, by the lowest rank there.
  virtual int host() const { return 0; }

  bool is_root() const { return rank() == 0; }
  void barrier() {
    std::vector<std::byte> all(static_cast<std::size_t>(size()));
    const std::vector<std::size_t> ones(all.size(), 1);
    constexpr std::byte kNothing{};
    gather(&kNothing, ones, all.data());
  }
  /// One value of every rank, in the order of ranks.
  template <class T>
  std::vector<T> values(const T& mine) {
    std::vector<T> all(static_cast<std::size_t>(size()));
    const std::vector<std::size_t> bytes(all.size(), sizeof(T));
    gather(&mine, bytes, all.data());
    return all;
  }
};

/// Ranks that are threads of this process: for tests, and for GPUs of one process. The members may
/// outlive one another's use but not this object.
std::vector<std::unique_ptr<Communicator>> make_thread_communicators(int size);

/// The ranks that mpirun or Slurm started, if they did; the calling process alone otherwise.
/// Definition: MPI where the build has it (GIGAWARP_MPI); else throws Error{usage} saying so.
/// Throws it too where several were started and do not see one another: the launcher is another
/// MPI's. May be asked for once; MPI ends with the object.
std::unique_ptr<Communicator> make_process_communicator();
/// How many processes mpirun or Slurm says it started together with this one; one where nobody did.
int launched_processes();
/// Whether this build has make_process_communicator().
bool has_process_communicator();

/// Messages of the communicator itself; arrays must lie in host memory.
std::unique_ptr<Exchange> make_host_exchange(Communicator& communicator);

}  // namespace gigawarp::shard
