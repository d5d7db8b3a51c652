#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/bench.h"
#include "support/bench_arguments.h"

/// bench_table SIZE [DEVICE [REPEATS [METRIC]]]: the table of `gigawarp bench` from the engine
/// alone. SIZE is one number or X,Y,Z; METRIC is lncc, mi or mse, and all of them by default.
namespace {

using gigawarp::bench::Report;
using gigawarp::bench::Row;

void print_head(const Report& report) {
  std::printf(
      "%s; %lld x %lld x %lld voxels; copy %.1f GB/s\n\n%-35s %9s %9s %9s %8s %8s %8s %8s\n",
      report.device.c_str(), static_cast<long long>(report.size[0]),
      static_cast<long long>(report.size[1]), static_cast<long long>(report.size[2]),
      report.copy_gb_per_s, "operation", "ms", "best ms", "ns/voxel", "B/voxel", "GB/s", "of copy",
      "peak B");
}

void print_row(const Row& row) {
  std::printf("%-35s %9.3f %9.3f %9.5f %8.1f %8.1f %7.1f%% %8.1f", row.operation.c_str(),
              row.milliseconds, row.fastest_milliseconds, row.ns_per_voxel, row.bytes_per_voxel,
              row.gb_per_s, 100 * row.copy_fraction, row.peak_bytes_per_voxel);
  if (row.waiting_milliseconds > 0) std::printf("  waiting %.3f ms", row.waiting_milliseconds);
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fputs("Usage: bench_table SIZE [DEVICE [REPEATS [METRIC]]]\n", stderr);
    return EXIT_FAILURE;
  }
  try {
    gigawarp::bench::Spec spec;
    spec.size = gigawarp::test::parse_size(argv[1]);
    if (argc > 2) spec.device = argv[2];
    if (argc > 3) spec.repeats = std::atoi(argv[3]);
    if (argc > 4) spec.metrics = {gigawarp::test::parse_metric(argv[4])};
    const Report report = gigawarp::bench::run(spec, print_head, print_row);
    if (report.device_peak_bytes > 0)
      std::printf("\n%.1f MiB of GPU memory, %.1f MiB of the host's at most. %s\n",
                  static_cast<double>(report.device_peak_bytes) / 1048576,
                  static_cast<double>(report.peak_resident_bytes) / 1048576, report.note.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
