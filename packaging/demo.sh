#!/bin/bash
# Sets up, builds, registers a pair and shows figures and a picture.
#   packaging/demo.sh                   a brain-like pair made on the spot
#   packaging/demo.sh FIXED MOVING      two volumes of yours
# Results go to out-demo/ (change with OUT=…).
set -euo pipefail
if [ $# -ne 0 ] && [ $# -ne 2 ]; then
  echo "usage: packaging/demo.sh [FIXED MOVING]" >&2
  exit 2
fi
inputs=()
for file in "$@"; do inputs+=("$(realpath "$file")"); done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${OUT:-out-demo}

packaging/setup.sh
cmake --preset release -DGIGAWARP_BUILD_TESTS=OFF > /tmp/gigawarp-configure.log 2>&1 \
  || { cat /tmp/gigawarp-configure.log; exit 1; }
grep -E '^-- CUDA' /tmp/gigawarp-configure.log || true
cmake --build --preset release --target gigawarp
gigawarp=build/release/bin/gigawarp

scored=()
if [ ${#inputs[@]} -eq 0 ]; then
  echo "Making a brain-like pair of 128 x 128 x 128 voxels"
  "$gigawarp" phantom --out "$out/pair" --size 128
  inputs=("$out/pair/fixed.nii.gz" "$out/pair/moving.nii.gz")
  scored=(--labels "$out/pair/moving_labels.nii.gz" --fixed-labels "$out/pair/fixed_labels.nii.gz"
          --landmarks "$out/pair/landmarks_fixed.csv" "$out/pair/landmarks_moving.csv")
fi
"$gigawarp" register --fixed "${inputs[0]}" --moving "${inputs[1]}" --out "$out/result" --overwrite "${scored[@]}"
"$gigawarp" qc --fixed "${inputs[0]}" --moving "${inputs[1]}" --result "$out/result" --sheet "$out/picture.png" \
  > "$out/qc.txt"
echo "Picture: $(realpath "$out/picture.png")"
