#!/bin/bash
# Builds the engine alone on a machine with CUDA 12.8 or later, CMake, ninja and g++ 12 or later, and runs the GPU
# tests there. TBB, nlohmann-json and GoogleTest come from build/carry where it exists (packaging/carry.sh makes it).
#   tests/gpu.sh [--sanitize] [--bench SIZE]...
#     --sanitize    also under compute-sanitizer: memcheck, racecheck, initcheck, without whole registrations
#     --bench SIZE  then the table of the benchmark on the GPU at SIZE (one number, or X,Y,Z); may be repeated
# GIGAWARP_GPU_ARCH: architecture to compile for (90). GIGAWARP_TEST_HUGE=1: also volumes beyond 2^31 voxels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
sanitize=no sizes=()
while [ $# -gt 0 ]; do
  case "$1" in
    --sanitize) sanitize=yes ;;
    --bench)
      [ $# -ge 2 ] || { echo "gpu.sh: --bench takes a size." >&2; exit 2; }
      sizes+=("$2")
      shift ;;
    *) echo "gpu.sh: unknown option $1; it takes --sanitize and --bench SIZE." >&2; exit 2 ;;
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
cmake -S . -B "$build" "${configure[@]}" > "$build/configure.log" 2>&1 || { cat "$build/configure.log"; exit 1; }
ninja -C "$build" "-j${GIGAWARP_JOBS:-16}" tests/cuda/all tests/bench/all > "$build/build.log" 2>&1 ||
  { grep -A14 -E 'FAILED|error' "$build/build.log"; exit 1; }
grep -i 'warning' "$build/build.log" || true
tail -1 "$build/build.log"

# A GPU that the tests cannot use is a failure here, not a reason to skip.
if command -v nvidia-smi >/dev/null; then export GIGAWARP_REQUIRE_GPU=1; fi
status=0
step "Tests"
ctest --test-dir "$build/tests/cuda" --output-on-failure 2>&1 | tee "$build/tests.log" || status=1

if [ "$sanitize" = yes ]; then
  # Whole registrations and huge volumes would take hours; every kernel runs in the others.
  export GIGAWARP_TEST_HUGE=0 GTEST_FILTER='-CudaRegistration*:CudaHuge*'
  for tool in memcheck racecheck initcheck; do
    step "compute-sanitizer $tool"
    for test in "$build"/tests/cuda/tst_cuda_*; do
      [ -f "$test" ] && [ -x "$test" ] || continue
      log=$build/$tool-$(basename "$test").log code=0
      timeout 300 compute-sanitizer --tool "$tool" --error-exitcode 9 "$test" --gtest_brief=1 > "$log" 2>&1 || code=$?
      printf '%-28s exit %d: %s\n' "$(basename "$test")" "$code" "$(grep -E '(ERROR|RACECHECK) SUMMARY' "$log" || tail -1 "$log")"
      case $code in 0 | 77) ;; *) status=1; grep -m 20 -E '^=+ +(Invalid|Error|Race|Unini|    at)|FAILED|Failure' "$log" || true ;; esac
    done
  done
fi

for size in ${sizes[@]+"${sizes[@]}"}; do
  step "Benchmark, $size"
  "$build/tests/bench/bench_table" "$size" cuda:0 || status=1
done
step "Done, status $status"
exit "$status"
