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

/// Of work(repeat).
Seconds fastest(const std::function<void(int)>& work) {
  Seconds best;
  for (int i = 0; i < kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    const double used = processor_seconds();
    work(i);
    best.processor = std::min(best.processor, processor_seconds() - used);
    best.wall = std::min(
        best.wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
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
/// file.
struct Limits {
  Seconds decode, encode, files, files_read;
  double gigabytes = 0;
};

Limits limits(const std::vector<Bytes>& chunks, const fs::path& folder) {
  const auto n = static_cast<std::int64_t>(chunks.size());
  gigawarp::io::ByteCodec blosc;
  blosc.type_size = 2;
  Bytes all(chunks.size() * kChunkBytes);  // every chunk its own place, as in a volume
  const auto raw = [&](std::int64_t i) {
    return std::span(all).subspan(static_cast<std::size_t>(i) * kChunkBytes, kChunkBytes);
  };
  const auto chunk = [&](std::int64_t i) -> const Bytes& {
    return chunks[static_cast<std::size_t>(i)];
  };
  Limits out;
  out.gigabytes = static_cast<double>(all.size()) / 1e9;
  out.decode = fastest([&](int) {
    parallel_for(n, [&](std::int64_t i) {
      if (!gigawarp::io::decode_chunk({blosc}, chunk(i), raw(i)).empty()) std::abort();
    });
  });
  out.encode = fastest([&](int) {
    parallel_for(n, [&](std::int64_t i) {
      thread_local Bytes packed;
      if (gigawarp::io::encode_chunk({blosc}, raw(i), packed).size() != chunk(i).size())
        std::abort();
    });
  });
  out.files = fastest([&](int repeat) {
    const fs::path files = folder / ("files" + std::to_string(repeat));
    fs::create_directory(files);
    parallel_for(n, [&](std::int64_t i) {
      std::FILE* to = std::fopen((files / std::to_string(i)).c_str(), "wb");
      if (to == nullptr) std::abort();
      std::setbuf(to, nullptr);
      if (std::fwrite(chunk(i).data(), 1, chunk(i).size(), to) != chunk(i).size()) std::abort();
      std::fclose(to);
    });
  });
  out.files_read = fastest([&](int repeat) {
    const fs::path files = folder / ("files" + std::to_string(repeat));
    parallel_for(n, [&](std::int64_t i) {
      thread_local Bytes bytes(2 * kChunkBytes);
      std::FILE* from = std::fopen((files / std::to_string(i)).c_str(), "rb");
      if (from == nullptr) std::abort();
      std::setbuf(from, nullptr);
      if (std::fread(bytes.data(), 1, chunk(i).size(), from) != chunk(i).size()) std::abort();
      std::fclose(from);
    });
  });
  return out;
}

void print(const char* what, double gigabytes, const Seconds& time) {
  std::printf("%-44s %6.2f GB/s %8.3f s/GB processor time\n", what, gigabytes / time.wall,
              time.processor / gigabytes);
}

/// Nothing is removed between the repeats: ext4 is slow to give names away again that have just
/// been freed.
void measure(const fs::path& folder, std::int64_t size) {
  gigawarp::phantom::PhantomSpec spec;
  spec.size = {size, size, size};
  const gigawarp::Volume volume =
      gigawarp::phantom::Phantom(spec).image(gigawarp::phantom::Side::fixed);
  const auto gigabytes = static_cast<double>(volume.bytes()) / 1e9;
  const auto write = [&](int repeat) {
    gigawarp::io::write_image(volume, folder / (std::to_string(repeat) + ".ome.zarr"));
  };
  const Seconds written = fastest(write), replaced = fastest(write);
  const fs::path image = folder / "0.ome.zarr";
  const auto source = gigawarp::io::open_source(image);
  gigawarp::Volume back(volume.grid(), volume.type());
  const Seconds read = fastest([&](int) {
    source->read(0, 0, {{0, 0, 0}, volume.grid().size}, back.data());
  });
  const std::vector<Bytes> chunks = chunks_of(image / "0");
  const Limits limit = limits(chunks, folder);
  std::printf("%lld^3 u16, %zu chunks, %d threads\n", static_cast<long long>(size), chunks.size(),
              gigawarp::available_threads());
  print("read", gigabytes, read);
  print("  blosc alone", limit.gigabytes, limit.decode);
  print("  files alone", limit.gigabytes, limit.files_read);
  print("written, with all levels", gigabytes, written);
  print("  in place of an earlier one", gigabytes, replaced);
  print("  blosc alone, finest level", limit.gigabytes, limit.encode);
  print("  files alone, finest level", limit.gigabytes, limit.files);
  // The coarser levels add a seventh to the voxels that are compressed and written.
  const auto percent = [&](double limit_s, double times, const Seconds& ours) {
    return 100 * limit_s / limit.gigabytes * times * gigabytes / ours.processor;
  };
  const double read_s = limit.decode.processor, written_s = limit.encode.processor;
  std::printf(
      "of the processor time, blosc and (with files): read %.0f (%.0f) %%, written %.0f (%.0f) %%, "
      "counted for the finest level alone %.0f (%.0f) %%\n",
      percent(read_s, 1, read), percent(read_s + limit.files_read.processor, 1, read),
      percent(written_s, 8.0 / 7, written),
      percent(written_s + limit.files.processor, 8.0 / 7, written), percent(written_s, 1, written),
      percent(written_s + limit.files.processor, 1, written));
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
