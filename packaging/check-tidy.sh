#!/bin/bash
# clang-tidy over our .cpp files, findings are errors. A file whose compilation inputs have not changed since it was
# last found clean is not looked at again.
#   packaging/check-tidy.sh BUILD_FOLDER [FILE...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export build=$1
shift
files=("$@")
if [ ${#files[@]} -eq 0 ]; then mapfile -t files < <(git ls-files 'engine/*.cpp' 'render/*.cpp' 'ui/*.cpp' 'app/*.cpp' 'plugins/*.cpp'); fi
export clean=build/.tidy-clean
mkdir -p "$clean"
shared=$(cat .clang-tidy $(git ls-files 'engine/*.h' 'render/*.h' 'ui/*.h' 'app/*.h') | sha256sum)
export shared
check() {
  local key
  key=$( (echo "$shared"; cat "$1") | sha256sum | cut -d' ' -f1)
  [ -e "$clean/$key" ] && return 0
  local findings
  if findings=$(clang-tidy -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option "$1" 2>/dev/null); then
    touch "$clean/$key"
  else
    printf '%s\n' "$findings"
    return 1
  fi
}
export -f check
printf '%s\0' "${files[@]}" | xargs -0 -n1 -P"$(nproc)" bash -c 'check "$0"'
echo "clang-tidy: ${#files[@]} files are clean"
