#!/bin/bash
# Everything from set-up to the last test; needs nothing installed but apt-get. Real volumes are looked for in
# ../shared/data, or where GIGAWARP_TEST_DATA says; tests that need them are reported as skipped without.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
phases=() phase="" phase_started=$SECONDS
end_phase() {
  [ -z "$phase" ] || phases+=("$(printf '%3d:%02d  %s' $(((SECONDS - phase_started) / 60)) $(((SECONDS - phase_started) % 60)) "$phase")")
  phase_started=$SECONDS
}
step() {
  end_phase
  phase=$1
  printf '\n== %s (%d:%02d)\n' "$1" $((SECONDS / 60)) $((SECONDS % 60))
}
jobs=$(nproc)

step "Set-up"
packaging/setup.sh --tests
if [ -z "${GIGAWARP_TEST_DATA:-}" ] && [ -d ../shared/data ]; then GIGAWARP_TEST_DATA=$(realpath ../shared/data); fi
export GIGAWARP_TEST_DATA=${GIGAWARP_TEST_DATA:-}
echo "real volumes: ${GIGAWARP_TEST_DATA:-none, tests that need them are skipped}"

step "Format"
packaging/check-format.sh

build() {  # preset: configure and build, quietly unless something is wrong
  local log=build/$1.log
  mkdir -p build
  cmake --preset "$1" -DGIGAWARP_DEBUG_INFO=-g1 -DCMAKE_CUDA_ARCHITECTURES=90 > "$log" 2>&1 || { cat "$log"; exit 1; }
  grep -E '^-- CUDA' "$log" || true
  cmake --build --preset "$1" --parallel "$jobs" > "$log" 2>&1 || { grep -A12 -E 'FAILED|error' "$log"; exit 1; }
  tail -1 "$log"
}

step "Build, warnings are errors"
build dev

step "clang-tidy"
packaging/check-tidy.sh build/dev

for preset in asan tsan; do
  step "Engine under the sanitizers of $preset"
  build "$preset"
  # Whole runs out of core and over ranks take more than five minutes each here; they run below.
  ctest --test-dir "build/$preset" --output-on-failure --parallel "$jobs" --quiet -E 'tst_(streamed_runs|ranks)' \
    -O "build/$preset-tests.log" || { cat "build/$preset-tests.log"; exit 1; }
  sed -n '/% tests passed/,$p' "build/$preset-tests.log"
done

step "All tests"
status=0
ctest --test-dir build/dev --output-on-failure --parallel "$jobs" 2>&1 | tee build/tests.log | sed '/% tests passed/,$d' || status=$?
end_phase
printf '\n== Minutes per phase\n'
printf '%s\n' "${phases[@]}" "$(printf '%3d:%02d  in all' $((SECONDS / 60)) $((SECONDS % 60)))" ""
sed -n '/% tests passed/,$p' build/tests.log
exit "$status"
