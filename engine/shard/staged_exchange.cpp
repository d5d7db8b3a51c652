#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "shard/device_exchange.h"
#include "shard/host_watch.h"
#include "shard/placed.h"

namespace gigawarp::shard {
namespace {

class StagedExchange final : public Exchange {
 public:
  StagedExchange(Communicator& communicator, ops::Backend& backend)
      : communicator_(communicator), backend_(backend) {}

  void begin(std::span<const Message> sends, std::span<const Message> receives) override {
    watch_.time([&] {
      std::vector<std::byte> out;
      const std::vector<Message> out_messages = placed(sends, out);
      for (std::size_t i = 0; i < sends.size(); ++i)
        backend_.download(out_messages[i].data, sends[i].data, sends[i].bytes);
      received_.assign(receives.begin(), receives.end());
      communicator_.begin_exchange(out_messages, placed(receives, in_));
    });
  }
  void finish() override {
    watch_.time([&] {
      communicator_.finish_exchange();
      const std::vector<std::byte> arrived = std::exchange(in_, {});
      const std::byte* from = arrived.data();
      for (const Message& m : std::exchange(received_, {})) {
        backend_.upload(m.data, from, m.bytes);
        from += m.bytes;
      }
    });
  }
  double take_seconds() override { return watch_.take(); }
  std::string name() const override { return "host memory"; }

 private:
  Communicator& communicator_;
  ops::Backend& backend_;
  std::vector<Message> received_;  ///< of the exchange that has begun ...
  std::vector<std::byte> in_;      ///< ... and where they arrive
  HostWatch watch_;
};

}  // namespace

std::unique_ptr<Exchange> make_staged_exchange(Communicator& communicator, ops::Backend& backend) {
  return std::make_unique<StagedExchange>(communicator, backend);
}

std::unique_ptr<Exchange> make_exchange(Communicator& communicator, ops::RankParts& parts) {
  if (parts.device < 0) return make_host_exchange(communicator);
  const char* const way = std::getenv("GIGAWARP_EXCHANGE");  // NOLINT(concurrency-mt-unsafe)
  if (communicator.size() == 1 || (way != nullptr && std::string(way) == "host"))
    return make_staged_exchange(communicator, *parts.backend);
  return make_nccl_exchange(communicator, parts);
}

}  // namespace gigawarp::shard
