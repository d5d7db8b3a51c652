#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench.h"
#include "gigawarp/error.h"
#include "shard/communicator.h"
#include "support/bench_arguments.h"

/// bench_table SIZE [DEVICE [REPEATS [METRIC]]]: the table of `gigawarp bench` from the engine
/// alone. SIZE is one number or X,Y,Z; METRIC is lncc, mi or mse, and all of them by default.
/// DEVICE ranks:4 is what `--device mpi` is, of four threads in place of processes: GPU i for rank
/// i with NCCL between them; ranks:cpu:4 on the CPU. Under mpirun mpi, mpi:cuda or mpi:cpu.
namespace {

using gigawarp::bench::Report;
using gigawarp::bench::Row;

void print_head(const Report& report) {
  std::printf(
      "%s; %lld x %lld x %lld voxels; copy %.1f GB/s\n\n%-42s %9s %9s %9s %8s %8s %8s %8s\n",
      report.device.c_str(), static_cast<long long>(report.size[0]),
      static_cast<long long>(report.size[1]), static_cast<long long>(report.size[2]),
      report.copy_gb_per_s, "operation", "ms", "best ms", "ns/voxel", "B/voxel", "GB/s", "of copy",
      "peak B");
}

void print_row(const Row& row) {
  std::printf("%-42s %9.3f %9.3f %9.5f %8.1f %8.1f %7.1f%%", row.operation.c_str(),
              row.milliseconds, row.fastest_milliseconds, row.ns_per_voxel, row.bytes_per_voxel,
              row.gb_per_s, 100 * row.copy_fraction);
  if (row.peak_bytes_per_voxel)
    std::printf(" %8.1f", *row.peak_bytes_per_voxel);
  else
    std::printf(" %8s", "-");
  if (row.waiting_milliseconds > 0) std::printf("  waiting %.3f ms", row.waiting_milliseconds);
  if (row.received_bytes > 0)
    std::printf(", messages %.3f ms, %.2f MB", row.communication_milliseconds,
                row.received_bytes * 1e-6);
  std::printf("\n");
  std::fflush(stdout);
}

/// On all ranks at once; the rows are the same on each.
Report run_on_ranks(gigawarp::bench::Spec spec) {
  const auto communicators = gigawarp::shard::make_thread_communicators(
      std::max(1, std::atoi(spec.device.substr(spec.device.rfind(':') + 1).c_str())));
  spec.device = spec.device.starts_with("ranks:cpu") ? "mpi:cpu" : "mpi:cuda";
  std::vector<Report> reports(communicators.size());
  std::vector<std::exception_ptr> errors(communicators.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < communicators.size(); ++i)
    threads.emplace_back([&, i, own = spec]() mutable {
      own.ranks = communicators[i].get();
      try {
        reports[i] = i == 0 ? run(own, print_head, print_row) : run(own);
      } catch (const gigawarp::Error& error) {
        errors[i] = std::current_exception();
        own.ranks->fail(error.code(), error.what());
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  return reports.front();
}

/// This process is one of several.
Report run_on_processes(gigawarp::bench::Spec spec) {
  const auto communicator = gigawarp::shard::make_process_communicator();
  spec.ranks = communicator.get();
  try {
    if (communicator->is_root()) return run(spec, print_head, print_row);
    run(spec);
    return {};  // the first has said it
  } catch (const gigawarp::Error& error) {
    communicator->fail(error.code(), error.what());
    throw;
  }
}

Report run_as_asked(const gigawarp::bench::Spec& spec) {
  if (spec.device.starts_with("ranks:")) return run_on_ranks(spec);
  if (spec.device.starts_with("mpi")) return run_on_processes(spec);
  return gigawarp::bench::run(spec, print_head, print_row);
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
    const Report report = run_as_asked(spec);
    if (report.rows.empty()) return EXIT_SUCCESS;  // the first of several processes has said it
    std::printf("\n");
    if (report.device_peak_bytes > 0)
      std::printf("%.1f MiB of the device's memory at most, the copy's included. ",
                  static_cast<double>(report.device_peak_bytes) / 1048576);
    std::printf("%.1f MiB of the host's at most. %s\n",
                static_cast<double>(report.peak_resident_bytes) / 1048576, report.note.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
