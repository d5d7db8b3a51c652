#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/bench.h"
#include "gigawarp/error.h"

/// bench_table SIZE [DEVICE [REPEATS]]: the table of `gigawarp bench` from the engine alone. SIZE
/// is one number or X,Y,Z.
namespace {

using gigawarp::bench::Report;
using gigawarp::bench::Row;

gigawarp::Size3 parse_size(const std::string& text) {
  long long x = 0, y = 0, z = 0;
  const int read = std::sscanf(text.c_str(), "%lld,%lld,%lld", &x, &y, &z);
  if (read == 1) y = z = x;
  if (read != 1 && read != 3)
    throw gigawarp::Error(gigawarp::ErrorCode::usage,
                          "The size is one number or X,Y,Z, not \"" + text + "\".", "SIZE");
  return {x, y, z};
}

void print_head(const Report& report) {
  std::printf("%s; %lld x %lld x %lld voxels; copy %.1f GB/s\n\n%-26s %9s %9s %9s %8s %8s %8s\n",
              report.device.c_str(), static_cast<long long>(report.size[0]),
              static_cast<long long>(report.size[1]), static_cast<long long>(report.size[2]),
              report.copy_gb_per_s, "operation", "ms", "best ms", "ns/voxel", "B/voxel", "GB/s",
              "of copy");
}

void print_row(const Row& row) {
  std::printf("%-26s %9.3f %9.3f %9.5f %8.1f %8.1f %7.1f%%\n", row.operation.c_str(),
              row.milliseconds, row.fastest_milliseconds, row.ns_per_voxel, row.bytes_per_voxel,
              row.gb_per_s, 100 * row.copy_fraction);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("Usage: bench_table SIZE [DEVICE [REPEATS]]\n", stderr);
    return EXIT_FAILURE;
  }
  try {
    gigawarp::bench::Spec spec;
    spec.size = parse_size(argv[1]);
    if (argc > 2) spec.device = argv[2];
    if (argc > 3) spec.repeats = std::atoi(argv[3]);
    gigawarp::bench::run(spec, print_head, print_row);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
