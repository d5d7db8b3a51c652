#!/bin/bash
# Takes pictures of the window in its main states from the real program, offscreen, and renews those that the README
# shows. Needs a build with tests:
#   packaging/pictures.sh [BUILD_FOLDER [PICTURE_FOLDER]]        (default: build/dev, build/pictures)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build/dev}
pictures=${2:-build/pictures}
mkdir -p "$pictures"
cmake --build "$build" --target take_pictures
GIGAWARP_PICTURES=$pictures "$build/tests/ui/take_pictures" --gtest_brief=1
for name in run results dark 3d review; do cp "$pictures/desktop_$name.png" resources/pictures/; done
ls -l "$pictures"
