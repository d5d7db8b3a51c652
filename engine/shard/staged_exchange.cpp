#include <cstdlib>
#include <string>

#include "shard/device_exchange.h"

namespace gigawarp::shard {
namespace {

class StagedExchange final : public Exchange {
 public:
  StagedExchange(Communicator& communicator, ops::Backend& backend)
      : communicator_(communicator), backend_(backend) {}

  void operator()(std::span<const Message> sends, std::span<const Message> receives) override {
    std::vector<std::byte> out(bytes_of(sends)), in(bytes_of(receives));
    const std::vector<Message> out_messages = placed(sends, out),
                               in_messages = placed(receives, in);
    for (std::size_t i = 0; i < sends.size(); ++i)
      backend_.download(out_messages[i].data, sends[i].data, sends[i].bytes);
    communicator_.exchange(out_messages, in_messages);
    for (std::size_t i = 0; i < receives.size(); ++i)
      backend_.upload(receives[i].data, in_messages[i].data, receives[i].bytes);
  }
  std::string name() const override { return "host memory"; }

 private:
  static std::size_t bytes_of(std::span<const Message> messages) {
    std::size_t sum = 0;
    for (const Message& m : messages) sum += m.bytes;
    return sum;
  }
  static std::vector<Message> placed(std::span<const Message> messages,
                                     std::vector<std::byte>& memory) {
    std::vector<Message> out;
    std::size_t place = 0;
    for (const Message& m : messages) {
      out.push_back({m.peer, memory.data() + place, m.bytes});
      place += m.bytes;
    }
    return out;
  }

  Communicator& communicator_;
  ops::Backend& backend_;
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
