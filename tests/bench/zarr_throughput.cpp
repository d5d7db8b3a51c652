// zarr_throughput FOLDER [SIZE]: how fast OME-Zarr is read and written, beside blosc alone on the
// same chunks in memory.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <limits>
#include <span>
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

double fastest_seconds(const std::function<void()>& work) {
  double best = std::numeric_limits<double>::max();
  for (int i = 0; i < kRepeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    best = std::min(
        best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

/// The files of the finest level, as they are.
std::vector<Bytes> chunks_of(const fs::path& image) {
  std::vector<Bytes> out;
  for (const auto& entry : fs::recursive_directory_iterator(image / "0")) {
    if (!entry.is_regular_file() || entry.path().filename().string().starts_with(".")) continue;
    std::ifstream stream(entry.path(), std::ios::binary);
    Bytes bytes(entry.file_size());
    stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    out.push_back(std::move(bytes));
  }
  return out;
}

void measure(const fs::path& folder, std::int64_t size) {
  gigawarp::phantom::PhantomSpec spec;
  spec.size = {size, size, size};
  const gigawarp::Volume volume =
      gigawarp::phantom::Phantom(spec).image(gigawarp::phantom::Side::fixed);
  const auto gigabytes = static_cast<double>(volume.bytes()) / 1e9;
  const fs::path image = folder / "throughput.ome.zarr";
  const double written = fastest_seconds([&] { gigawarp::io::write_image(volume, image); });
  const auto source = gigawarp::io::open_source(image);
  gigawarp::Volume back(volume.grid(), volume.type());
  const double read = fastest_seconds([&] {
    source->read(0, 0, {{0, 0, 0}, volume.grid().size}, back.data());
  });
  const std::vector<Bytes> chunks = chunks_of(image);
  gigawarp::io::ByteCodec blosc;
  blosc.type_size = 2;
  const auto n = static_cast<std::int64_t>(chunks.size());
  Bytes all(static_cast<std::size_t>(n) *
            kChunkBytes);  // every chunk its own place, as in a volume
  const auto for_chunks = [&](const std::function<void(const Bytes&, std::span<std::byte>)>& body) {
    return fastest_seconds([&] {
      parallel_for(n, [&](std::int64_t i) {
        const auto c = static_cast<std::size_t>(i);
        body(chunks[c], std::span(all).subspan(c * kChunkBytes, kChunkBytes));
      });
    });
  };
  const double decoded = for_chunks([&](const Bytes& chunk, std::span<std::byte> raw) {
    if (!gigawarp::io::decode_chunk({blosc}, chunk, raw).empty()) std::abort();
  });
  const double encoded = for_chunks([&](const Bytes& chunk, std::span<std::byte> raw) {
    if (!gigawarp::io::decode_chunk({blosc}, chunk, raw).empty()) std::abort();
    if (gigawarp::io::encode_chunk({blosc}, raw).empty()) std::abort();
  });
  const auto chunk_gigabytes = static_cast<double>(n * kChunkBytes) / 1e9;
  const double decoder = chunk_gigabytes / decoded;
  const double encoder = chunk_gigabytes / std::max(1e-9, encoded - decoded);
  std::printf(
      "%lld^3 u16, %lld chunks, %d threads\nread    %5.2f GB/s, blosc alone %5.2f GB/s: %3.0f %%\n"
      "written %5.2f GB/s with all levels, blosc alone on the finest %5.2f GB/s: %3.0f %%\n",
      static_cast<long long>(size), static_cast<long long>(n), gigawarp::available_threads(),
      gigabytes / read, decoder, 100 * gigabytes / read / decoder, gigabytes / written, encoder,
      100 * gigabytes / written / encoder);
  fs::remove_all(image);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("Usage: zarr_throughput FOLDER [SIZE]\n", stderr);
    return EXIT_FAILURE;
  }
  try {
    measure(argv[1], argc > 2 ? std::atoll(argv[2]) : 512);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
