#!/bin/bash
# Builds the engine alone on a machine with CUDA 12.8 or later, CMake, ninja and g++ 12 or later, runs the GPU tests
# there and, with no option, prints the table of the benchmark at 512 on cuda:0; all in less than ten minutes. TBB, nlohmann-json and GoogleTest come from build/carry where it exists (packaging/carry.sh makes it).
#   tests/gpu.sh [--no-tests] [--sanitize[=TOOL,...]] [--bench "SIZE [DEVICE [REPEATS [METRIC]]]"]... [--register "ARGUMENTS"]...
#                [--mpirun "N bench_table|register_pair ARGUMENTS"]...
#     --no-tests    builds and measures only
#     --sanitize    also under compute-sanitizer: memcheck, racecheck, initcheck or the tools named, without whole
#                     registrations
#     --bench       then the table at SIZE instead (one number, or X,Y,Z) on cuda:0 or DEVICE (cuda:0,1: both
#                     together; ranks:2: as two ranks with NCCL between them); may be repeated
#     --register    then whole registrations by build/gpu/tests/bench/register_pair; may be repeated. ARGUMENTS are
#                     FIXED.raw MOVING.raw PRESET DEVICE [REPEATS]     (tests/bench/to_raw.py makes the files)
#                     --synthetic SIZE --device cuda:0 --metric mi     (a made-up pair with a known map; its source says more)
#     --mpirun      then N processes of one of the two programs, with mpi:cuda among their arguments: a GPU for each, and
#                   NCCL between them. OpenMPI must be here, or in build/carry (packaging/carry.sh --mpi)
# GIGAWARP_GPU_ARCH: architecture to compile for (90). GIGAWARP_TEST_HUGE=1: also volumes beyond 2^31 voxels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests=yes sanitize=no tools=(memcheck racecheck initcheck) benches=() registrations=() mpiruns=()
if [ $# -eq 0 ]; then benches=(512); fi
while [ $# -gt 0 ]; do
  case "$1" in
    --no-tests) tests=no ;;
    --sanitize) sanitize=yes ;;
    --sanitize=*)
      sanitize=yes
      IFS=, read -ra tools <<< "${1#*=}"
      for tool in "${tools[@]}"; do
        case "$tool" in memcheck | racecheck | initcheck) ;; *) echo "gpu.sh: no such tool: $tool." >&2; exit 2 ;; esac
      done ;;
    --bench)
      [ $# -ge 2 ] || { echo "gpu.sh: --bench takes a size." >&2; exit 2; }
      benches+=("$2")
      shift ;;
    --register)
      [ $# -ge 2 ] || { echo "gpu.sh: --register takes the arguments of register_pair as one word." >&2; exit 2; }
      registrations+=("$2")
      shift ;;
    --mpirun)
      [[ "${2:-}" =~ ^[1-9][0-9]*\ (bench_table|register_pair)\  ]] ||
        { echo "gpu.sh: --mpirun takes a number, bench_table or register_pair, and its arguments as one word." >&2; exit 2; }
      mpiruns+=("$2")
      shift ;;
    *) echo "gpu.sh: unknown option $1; it takes --no-tests, --sanitize, --bench SIZE, --register ARGUMENTS and --mpirun ARGUMENTS." >&2; exit 2 ;;
  esac
  shift
done
export PATH=/usr/local/cuda/bin:$PATH
command -v nvcc >/dev/null || { echo "gpu.sh: nvcc is neither in the PATH nor in /usr/local/cuda/bin." >&2; exit 1; }

step() { printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60)); }
build=build/gpu
mkdir -p "$build"

step "Build"
nvidia-smi --query-gpu=name,driver_version,memory.total,memory.used --format=csv,noheader || true
configure=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DGIGAWARP_WITH_APP=OFF -DGIGAWARP_CUDA=ON
  "-DCMAKE_CUDA_ARCHITECTURES=${GIGAWARP_GPU_ARCH:-90}")
if [ -d build/carry ]; then
  carry=$PWD/build/carry
  configure+=("-DCMAKE_PREFIX_PATH=$carry")
  for name in TBB GTest; do configure+=("-D${name}_DIR=$(find "$carry" -type d -name "$name" -path '*/cmake/*')"); done
  configure+=("-Dnlohmann_json_DIR=$carry/share/cmake/nlohmann_json")
fi
# Of several processes: OpenMPI as it is installed, or from build/carry, where nothing is in the place it was built for.
mpirun=(mpirun --allow-run-as-root --oversubscribe --bind-to none)
if [ ${#mpiruns[@]} -gt 0 ]; then
  configure+=(-DGIGAWARP_MPI=ON)
  if [ -x build/carry/bin/orterun ]; then
    libraries=$carry/lib/x86_64-linux-gnu
    chmod +x "$carry"/bin/*
    export OPAL_PREFIX=$carry PMIX_PREFIX=$libraries/pmix2 LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} PATH=$carry/bin:$PATH
    # One host, no ssh, and no complaints about components for networks that are not carried.
    export OMPI_MCA_plm=isolated OMPI_MCA_btl=self,vader OMPI_MCA_pml=ob1 OMPI_MCA_mca_base_component_show_load_errors=0 PMIX_MCA_pcompress_base_silence_warning=1
    mpirun[0]=$carry/bin/orterun
    configure+=("-DMPI_C_HEADER_DIR=$libraries/openmpi/include" -DMPI_C_LIB_NAMES=mpi "-DMPI_mpi_LIBRARY=$libraries/openmpi/lib/libmpi.so"
      -DMPI_C_COMPILER=MPI_C_COMPILER-NOTFOUND -DMPI_SKIP_COMPILER_WRAPPER=ON)
  fi
fi
cmake -S . -B "$build" "${configure[@]}" > "$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
targets=(tests/bench/all)
if [ "$tests$sanitize" != nono ]; then targets+=(tests/cuda/all); fi
ninja -C "$build" "-j${GIGAWARP_JOBS:-16}" "${targets[@]}" > "$build/build.log" 2>&1 ||
  { grep -A14 -E 'FAILED|error' "$build/build.log"; exit 1; }
grep -i 'warning' "$build/build.log" || true
tail -1 "$build/build.log"

# A GPU that the tests cannot use is a failure here, not a reason to skip.
if command -v nvidia-smi >/dev/null; then export GIGAWARP_REQUIRE_GPU=1; fi
status=0
if [ "$tests" = yes ]; then
  step "Tests"
  ctest --test-dir "$build/tests/cuda" --output-on-failure 2>&1 | tee "$build/tests.log" || status=1
fi

if [ "$sanitize" = yes ]; then
  # Whole registrations and huge volumes would take hours; every kernel runs in the others.
  export GIGAWARP_TEST_HUGE=0 GTEST_FILTER='-CudaRegistration*:CudaHuge*:CudaWindows.chunks*'
  GTEST_FILTER+=':*CudaGrid.affine*:*CudaGrid.greedy*:*CudaGrid.syn*:*CudaGrid.small*:*CudaGrid.aQuarter*'
  GTEST_FILTER+=':*CudaGrid.wholeIterations*:*CudaGrid.iterationsBy*:*CudaGrid.aStopped*:*CudaGrid.timesAre*'
  GTEST_FILTER+=':*CudaRanks.aRankThatFails*'  # NCCL is ended with kernels on their way, which is no error of ours
  for tool in "${tools[@]}"; do
    step "compute-sanitizer $tool"
    for test in "$build"/tests/cuda/tst_cuda_*; do
      [ -f "$test" ] && [ -x "$test" ] || continue
      case "$test" in *registration | *huge) continue ;; esac  # nothing of them is left by the filter
      # Races in shared memory are a kernel's own, and several devices take minutes to say nothing new.
      case "$tool $test" in racecheck*grid | racecheck*ranks) continue ;; esac
      # NCCL asks the driver for what this one lacks, and goes on without.
      options=(); case "$test" in *ranks) options=(--report-api-errors no) ;; esac
      # The sweeps of a repair wait for one another on the device, which racecheck slows beyond measure: one tiny
      # volume shows them all; the other kernels of queued iterations run in the other tests.
      filter=$GTEST_FILTER; case "$tool $test" in racecheck*steps) filter='*foldsOfATinyVolume*:*linearEvaluationsFollow*' ;; esac
      log=$build/$tool-$(basename "$test").log code=0 began=$SECONDS
      GTEST_FILTER=$filter timeout 180 compute-sanitizer --tool "$tool" ${options[@]+"${options[@]}"} --error-exitcode 9 "$test" --gtest_brief=1 > "$log" 2>&1 || code=$?
      printf '%-28s %3d s, exit %d: %s\n' "$(basename "$test")" $((SECONDS - began)) "$code" "$(grep -E '(ERROR|RACECHECK) SUMMARY' "$log" || tail -1 "$log")"
      case $code in 0 | 77) ;; *) status=1; grep -m 20 -E '^=+ +(Invalid|Error|Race|Unini|    at)|FAILED|Failure' "$log" || true ;; esac
    done
  done
fi

for bench in ${benches[@]+"${benches[@]}"}; do
  step "Benchmark, $bench"
  read -ra words <<< "$bench"
  if [ ${#words[@]} -eq 1 ]; then words+=(cuda:0); fi
  "$build/tests/bench/bench_table" "${words[@]}" || status=1
done
for registration in ${registrations[@]+"${registrations[@]}"}; do
  step "Registration, $registration"
  read -ra words <<< "$registration"
  "$build/tests/bench/register_pair" "${words[@]}" || status=1
done
for run in ${mpiruns[@]+"${mpiruns[@]}"}; do
  step "Processes, $run"
  read -ra words <<< "$run"
  "${mpirun[@]}" -n "${words[0]}" "$build/tests/bench/${words[1]}" "${words[@]:2}" || status=1
done
step "Done, status $status"
exit "$status"
