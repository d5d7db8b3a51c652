#!/bin/bash
# Takes the pictures of the window in resources/pictures from the real program, offscreen. Needs a build with tests:
#   packaging/pictures.sh [BUILD_FOLDER]        (default: build/dev)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
build=${1:-build/dev}
cmake --build "$build" --target take_pictures
GIGAWARP_PICTURES=resources/pictures "$build/tests/ui/take_pictures" --gtest_brief=1
ls -l resources/pictures
