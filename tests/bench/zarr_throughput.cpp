// zarr_throughput FOLDER [SIZE] (the folder must not exist): how fast OME-Zarr is read and written,
// beside blosc alone on the same chunks in memory and beside their bytes as plain files. Processor
// time (user + system, all threads) is the figure to compare on a machine that does other things
// too.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "io/chunk_codecs.h"
#include "io/image_io.h"
#include "io/volume_sink.h"
#include "phantom/phantom.h"

namespace {

namespace fs = std::filesystem;
using gigawarp::parallel_for;
using Bytes = std::vector<std::byte>;

constexpr int kRepeats = 5;
constexpr std::size_t kChunkBytes = std::size_t{64} * 64 * 64 * 2;

/// Seconds of the fastest of several repeats.
struct Seconds {
  double wall = std::numeric_limits<double>::max(), processor = wall;
};

double processor_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

/// Takes work(repeat) into account.
void time(Seconds& best, int repeat, const std::function<void(int)>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const double used = processor_seconds();
  work(repeat);
  best.processor = std::min(best.processor, processor_seconds() - used);
  best.wall = std::min(
      best.wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
}

/// The chunks of a level, decoded one after another, and how many there are.
std::vector<Bytes> chunks_of(const fs::path& level) {
  std::vector<Bytes> out;
  for (const auto& entry : fs::recursive_directory_iterator(level)) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with(".")) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    Bytes bytes(entry.file_size());
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.push_back(std::move(bytes));
  }
  return out;
}

/// What the libraries and the disk give: each chunk decoded, encoded, and its bytes put into a
/// file and read from there.
class Limits {
 public:
  Limits(const std::vector<Bytes>& chunks, const fs::path& folder)
      : chunks_(chunks), folder_(folder), all_(chunks.size() * kChunkBytes) {
    blosc_.type_size = 2;
  }
  double gigabytes() const { return static_cast<double>(all_.size()) / 1e9; }
  void measure(int repeat);
  Seconds decode, encode, files, files_read;

 private:
  std::span<std::byte> raw(std::int64_t i) {
    return std::span(all_).subspan(static_cast<std::size_t>(i) * kChunkBytes, kChunkBytes);
  }
  void put(const fs::path& file, const Bytes& chunk) const;
  void get(const fs::path& file, const Bytes& chunk) const;

  const std::vector<Bytes>& chunks_;
  fs::path folder_;
  Bytes all_;  // every chunk its own place, as in a volume
  gigawarp::io::ByteCodec blosc_;
};

void Limits::put(const fs::path& file, const Bytes& chunk) const {
  std::FILE* to = std::fopen(file.c_str(), "wb");
  if (to == nullptr) std::abort();
  std::setbuf(to, nullptr);
  if (std::fwrite(chunk.data(), 1, chunk.size(), to) != chunk.size()) std::abort();
  std::fclose(to);
}

void Limits::get(const fs::path& file, const Bytes& chunk) const {
  thread_local Bytes bytes(2 * kChunkBytes);
  std::FILE* from = std::fopen(file.c_str(), "rb");
  if (from == nullptr) std::abort();
  std::setbuf(from, nullptr);
  if (std::fread(bytes.data(), 1, chunk.size(), from) != chunk.size()) std::abort();
  std::fclose(from);
}

void Limits::measure(int repeat) {
  const fs::path files_folder = folder_ / ("files" + std::to_string(repeat));
  fs::create_directory(files_folder);
  const auto all_chunks = [&](const std::function<void(std::int64_t, const Bytes&)>& work) {
    return [this, work](int) {
      parallel_for(static_cast<std::int64_t>(chunks_.size()),
                   [&](std::int64_t i) { work(i, chunks_[static_cast<std::size_t>(i)]); });
    };
  };
  const auto file = [&](std::int64_t i) { return files_folder / std::to_string(i); };
  time(decode, repeat, all_chunks([this](std::int64_t i, const Bytes& chunk) {
         if (!gigawarp::io::decode_chunk({blosc_}, chunk, raw(i)).empty()) std::abort();
       }));
  time(encode, repeat, all_chunks([this](std::int64_t i, const Bytes& chunk) {
         thread_local Bytes packed;
         if (gigawarp::io::encode_chunk({blosc_}, raw(i), packed).size() != chunk.size())
           std::abort();
       }));
  time(files, repeat, all_chunks([&](std::int64_t i, const Bytes& chunk) { put(file(i), chunk); }));
  time(files_read, repeat,
       all_chunks([&](std::int64_t i, const Bytes& chunk) { get(file(i), chunk); }));
}

void print(const char* what, double gigabytes, const Seconds& time) {
  std::printf("%-44s %6.2f GB/s %8.3f s/GB processor time\n", what, gigabytes / time.wall,
              time.processor / gigabytes);
}

/// All of it in turn, so that what else the machine does bears upon all alike. Nothing is removed
/// between the repeats: ext4 is slow to give names away again that have just been freed.
void measure(const fs::path& folder, std::int64_t size) {
  gigawarp::phantom::PhantomSpec spec;
  spec.size = {size, size, size};
  const gigawarp::Volume volume =
      gigawarp::phantom::Phantom(spec).image(gigawarp::phantom::Side::fixed);
  const auto gigabytes = static_cast<double>(volume.bytes()) / 1e9;
  const auto write = [&](int repeat) {
    gigawarp::io::write_image(volume, folder / (std::to_string(repeat) + ".ome.zarr"));
  };
  Seconds written, replaced, read;
  time(written, 0, write);
  const fs::path image = folder / "0.ome.zarr";
  const std::vector<Bytes> chunks = chunks_of(image / "0");
  Limits limit(chunks, folder);
  gigawarp::Volume back(volume.grid(), volume.type());
  for (int repeat = 1; repeat <= kRepeats; ++repeat) {
    time(written, repeat, write);
    time(replaced, repeat, write);
    const auto source = gigawarp::io::open_source(image);
    time(read, repeat, [&](int) {
      source->read(0, 0, {{0, 0, 0}, volume.grid().size}, back.data());
    });
    limit.measure(repeat);
  }
  std::printf("%lld^3 u16, %zu chunks, %d threads\n", static_cast<long long>(size), chunks.size(),
              gigawarp::available_threads());
  print("read", gigabytes, read);
  print("  blosc alone", limit.gigabytes(), limit.decode);
  print("  files alone", limit.gigabytes(), limit.files_read);
  print("written, with all levels", gigabytes, written);
  print("  in place of an earlier one", gigabytes, replaced);
  print("  blosc alone, finest level", limit.gigabytes(), limit.encode);
  print("  files alone, finest level", limit.gigabytes(), limit.files);
  // The coarser levels add a seventh to the voxels that are compressed and written.
  const auto percent = [&](const char* what, const Seconds& ours, const Seconds& codec,
                           const Seconds& files, double times) {
    const double scale = 100 * times * gigabytes / limit.gigabytes() / ours.processor;
    std::printf("%-44s %3.0f %%, with files %3.0f %%\n", what, scale * codec.processor,
                scale * (codec.processor + files.processor));
  };
  std::printf("of the processor time, what blosc alone takes:\n");
  percent("read", read, limit.decode, limit.files_read, 1);
  percent("written", written, limit.encode, limit.files, 8.0 / 7);
  percent("  in place of an earlier one", replaced, limit.encode, limit.files, 8.0 / 7);
  percent("  counted for the finest level alone", written, limit.encode, limit.files, 1);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("Usage: zarr_throughput FOLDER [SIZE]\n", stderr);
    return EXIT_FAILURE;
  }
  try {
    if (!fs::create_directory(argv[1])) throw std::runtime_error("The folder is there already.");
    measure(argv[1], argc > 2 ? std::atoll(argv[2]) : 512);
    fs::remove_all(argv[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
