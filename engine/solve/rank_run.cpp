#include "solve/rank_run.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/parallel.h"
#include "gigawarp/device.h"
#include "gigawarp/error.h"
#include "gigawarp/volume.h"
#include "ops/rank_parts.h"
#include "shard/device_exchange.h"
#include "shard/rank_backend.h"
#include "solve/found_fields.h"

namespace gigawarp::solve {
namespace {

/// A position as bytes; all ranks run the same program.
std::string packed(const Position& position) {
  std::string out;
  const auto add = [&](const void* data, std::size_t bytes) {
    out.append(static_cast<const char*>(data), bytes);
  };
  const auto add_number = [&](std::uint64_t n) { add(&n, sizeof n); };
  for (const int n : {position.stage, position.level, position.iteration}) add(&n, sizeof n);
  for (const auto& [name, numbers] : position.numbers) {
    add_number(name.size());
    add(name.data(), name.size());
    add_number(numbers.size());
    add(numbers.data(), numbers.size() * sizeof(double));
  }
  return out;
}

Position unpacked(const std::string& bytes) {
  Position position;
  std::size_t at = 0;
  const auto take = [&](void* to, std::size_t n) {
    if (n > 0) std::memcpy(to, bytes.data() + at, n);
    at += n;
  };
  const auto take_number = [&] {
    std::uint64_t n = 0;
    take(&n, sizeof n);
    return static_cast<std::size_t>(n);
  };
  for (int* n : {&position.stage, &position.level, &position.iteration}) take(n, sizeof *n);
  while (at < bytes.size()) {
    std::string name(take_number(), ' ');
    take(name.data(), name.size());
    std::vector<double> numbers(take_number());
    take(numbers.data(), numbers.size() * sizeof(double));
    position.numbers[name] = std::move(numbers);
  }
  return position;
}

/// The CUDA number of this rank's GPU, whether or not it is there.
int gpu_of(const shard::Communicator& communicator) {
  int seen = 0;
  while (!ops::gpu_identity(seen).empty()) ++seen;
  return gpu_number(communicator.rank_of_host(), seen);
}

/// Why this rank has no GPU; empty when it has.
std::string lacks_gpu(int number) {
  const std::string id = "cuda:" + std::to_string(number);
  std::string why = "this host has no GPU " + id + " for it";
  for (const DeviceInfo& gpu : ops::list_gpus({number})) {
    if (gpu.id == id && gpu.usable) return {};
    if ((gpu.id == id || gpu.id == "cuda") && !gpu.why_not.empty()) why = gpu.why_not;
  }
  if (why.back() == '.') why.pop_back();
  return why;
}

/// Of every rank; empty for those without a usable GPU.
std::vector<std::string> identities_of_all(const std::string& own,
                                           shard::Communicator& communicator) {
  std::array<char, 64> mine{};
  std::copy_n(own.begin(), std::min(own.size(), mine.size()), mine.begin());
  std::vector<std::string> all;
  for (const auto& one : communicator.values(mine))
    all.push_back(one == std::array<char, 64>{} ? std::string()
                                                : std::string(one.begin(), one.end()));
  return all;
}

ops::RankParts parts_of(const std::string& chosen, const shard::Communicator& communicator,
                        std::uint64_t memory_bytes) {
  return chosen == "mpi:cuda" ? ops::make_cuda_rank(gpu_of(communicator), memory_bytes)
                              : ops::make_host_rank();
}

}  // namespace

std::size_t first_without_gpu(const std::vector<std::string>& identities) {
  for (std::size_t r = 0; r < identities.size(); ++r) {
    const auto before = identities.begin() + static_cast<std::ptrdiff_t>(r);
    if (identities[r].empty() || std::find(identities.begin(), before, identities[r]) != before)
      return r;
  }
  return identities.size();
}

std::string chosen_rank_device(const std::string& device, shard::Communicator& communicator) {
  return choose_rank_device(device, communicator).device;
}

DeviceChoice choose_rank_device(const std::string& device, shard::Communicator& communicator) {
  if (device == "mpi:cpu") return {device, {}};
  const int number = gpu_of(communicator);
  std::string lack = lacks_gpu(number);
  const std::vector<std::string> all =
      identities_of_all(lack.empty() ? ops::gpu_identity(number) : "", communicator);
  const std::size_t rank = first_without_gpu(all);
  if (rank == all.size()) return {"mpi:cuda", {}};
  const bool none = std::all_of(all.begin(), all.end(), [](const auto& id) { return id.empty(); });
  if (device == "mpi" && none)
    return {"mpi:cpu", "No rank has a GPU to use; rank " + std::to_string(communicator.rank()) +
                           " says: " + lack + "."};
  if (lack.empty())
    lack = "the only GPU that it sees, cuda:" + std::to_string(number) +
           ", is the one of a rank before it";
  std::vector<char> text(200, 0);
  if (static_cast<std::size_t>(communicator.rank()) == rank)
    std::copy_n(lack.begin(), std::min(lack.size(), text.size() - 1), text.begin());
  communicator.broadcast(text.data(), text.size(), static_cast<int>(rank));
  throw Error(ErrorCode::device_fault,
              "Rank " + std::to_string(rank) + " has no GPU to use (" + text.data() +
                  "); start as many ranks on a host as it has GPUs, or choose --device mpi:cpu.",
              "--device");
}

std::vector<RankDevice> rank_devices(const std::string& chosen, shard::Communicator& communicator,
                                     std::uint64_t memory_bytes) {
  struct Told {
    char name[32] = {};
    int host = 0;
    double host_available = 0, gpu_free = 0, budget = 0;
  } own;
  std::string name = "cpu";
  own.host = communicator.host();
  own.host_available = static_cast<double>(available_memory_bytes());
  own.budget = static_cast<double>(memory_bytes);
  if (chosen == "mpi:cuda") {
    const int number = gpu_of(communicator);
    name = "cuda:" + std::to_string(number);
    for (const DeviceInfo& gpu : ops::list_gpus({number}))
      if (gpu.id == name) own.gpu_free = static_cast<double>(gpu.free_bytes);
  }
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), 31), own.name);
  const std::vector<Told> all = communicator.values(own);
  const bool budgets =
      std::all_of(all.begin(), all.end(), [](const Told& told) { return told.budget > 0; });
  std::vector<RankDevice> devices;
  for (const Told& told : all) {
    const auto there = std::count_if(all.begin(), all.end(),
                                     [&](const Told& other) { return other.host == told.host; });
    // What one rank of a host sees as available is not the sum: the first of them speaks for all.
    const double host_available = all[static_cast<std::size_t>(told.host)].host_available;
    RankDevice device;
    device.name = "rank " + std::to_string(devices.size()) + " (" + told.name + ")";
    device.host = told.host;
    device.host_available = host_available;
    device.available_bytes =
        chosen == "mpi:cuda" ? told.gpu_free : host_available / static_cast<double>(there);
    const double bounded =
        told.budget > 0 ? std::min(told.budget, device.available_bytes) : device.available_bytes;
    if (chosen == "mpi:cuda")
      device.memory_bytes = bounded;
    else if (budgets)
      device.memory_bytes = told.budget;
    device.available_bytes = bounded;
    devices.push_back(device);
  }
  return devices;
}

std::shared_ptr<RankDevices> make_rank_devices(const std::string& chosen,
                                               shard::Communicator& communicator,
                                               std::uint64_t memory_bytes) {
  ops::RankParts parts = parts_of(chosen, communicator, memory_bytes);
  if (parts.device < 0)
    parts.memory_bytes = rank_devices(chosen, communicator, memory_bytes)
                             .at(static_cast<std::size_t>(communicator.rank()))
                             .memory_bytes;
  auto devices = std::make_shared<RankDevices>();
  devices->exchange = shard::make_exchange(communicator, parts);
  devices->backend = shard::make_rank_backend(std::move(parts), communicator, *devices->exchange);
  return devices;
}

RegistrationOutput register_on_ranks(const RegistrationInput& input, const JobSpec& job,
                                     const RunControl& control, shard::Communicator& communicator) {
  const auto devices = make_rank_devices(job.device, communicator, job.memory_bytes);
  ops::Backend& backend = *devices->backend;
  RankStore store(communicator, control.checkpoints);
  RunControl own;
  own.stop = control.stop;
  if (communicator.is_root()) own = control;
  if (backend.any(control.checkpoints != nullptr)) own.checkpoints = &store;
  own.leave_fields = backend.as_the_first(control.leave_fields ? 1 : 0) != 0;
  RegistrationOutput output = register_volumes(input, job, own, backend);
  output.device = job.device;
  if (job.device == "mpi:cpu") output.device_peak_bytes = 0;
  if (!own.leave_fields) return output;
  backend.serve_downloads();
  if (!communicator.is_root()) {  // its part of the fields has been asked for
    output.forward = output.inverse = nullptr;
    return output;
  }
  for (auto* feed : {&output.forward, &output.inverse})
    if (*feed != nullptr) *feed = kept_with(devices, *feed);
  output.release = [devices] { devices->backend->end_service(); };
  return output;
}

std::optional<Position> RankStore::position() {
  std::string bytes;
  bool exists = false;
  if (own_ != nullptr)
    if (const auto position = own_->position()) {
      bytes = packed(*position);
      exists = true;
    }
  std::uint64_t size = exists ? bytes.size() + 1 : 0;
  communicator_.broadcast(&size, sizeof size, 0);
  if (size == 0) return std::nullopt;
  bytes.resize(size - 1);
  communicator_.broadcast(bytes.data(), bytes.size(), 0);
  return unpacked(bytes);
}

void RankStore::save(const Position& position, std::span<const ArrayRef> arrays) {
  if (own_ != nullptr) {
    own_->save(position, arrays);
    return;
  }
  Buffer piece(communicator_.is_root() ? kArrayPiece : 1);  // nobody keeps it
  for (const ArrayRef& array : arrays)
    for_each_piece(array.bytes, [&](std::size_t begin, std::size_t count) {
      array.read(begin, count, communicator_.is_root() ? piece.data() : nullptr);
    });
}

void RankStore::load(const std::string& name, std::size_t bytes, const ArraySink& sink) {
  Buffer piece(std::max<std::size_t>(1, std::min(kArrayPiece, bytes)));
  const auto hand_on = [&](std::size_t begin, std::size_t count) {
    communicator_.broadcast(piece.data(), count, 0);
    sink(begin, count, piece.data());
  };
  if (own_ == nullptr) {
    for_each_piece(bytes, hand_on);
    return;
  }
  own_->load(name, bytes, [&](std::size_t begin, std::size_t count, const std::byte* data) {
    std::memcpy(piece.data(), data, count);
    hand_on(begin, count);
  });
}

}  // namespace gigawarp::solve
