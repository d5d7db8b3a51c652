#!/bin/bash
# clang-tidy over our .cpp files, findings are errors. A file whose compilation inputs have not changed since it was
# last found clean is not looked at again.
#   packaging/check-tidy.sh BUILD_FOLDER [FILE...]
# The clang-tidy of packaging/test-requirements.txt: since 22 it matches our own declarations only, where Debian's 14
# goes through those of every header of Qt, ITK and the standard library, which took three quarters of its time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export build=$1
shift
# The binary itself: the script that pip installs beside it starts Python for every file.
tidy=$(.venv/bin/python -c 'import clang_tidy; print(clang_tidy.__path__[0])' 2>/dev/null || true)/data/bin/clang-tidy
[ -x "$tidy" ] || { echo "check-tidy.sh: clang-tidy is not in .venv; packaging/setup.sh --tests installs it" >&2; exit 1; }
export tidy
[ -f "$build/compile_commands.json" ] || { echo "check-tidy.sh: $build is not configured" >&2; exit 1; }
files=("$@")
if [ ${#files[@]} -eq 0 ]; then mapfile -t files < <(git ls-files 'engine/*.cpp' 'render/*.cpp' 'ui/*.cpp' 'app/*.cpp' 'plugins/*.cpp'); fi
# A file that this build does not compile (stand-ins for what is absent, or the other way round) has no flags to check with.
compiled=()
for file in "${files[@]}"; do
  if grep -qF "\"$PWD/$file\"" "$build/compile_commands.json"; then compiled+=("$file"); else echo "clang-tidy: $file is not part of $build"; fi
done
export clean=build/.tidy-clean
mkdir -p "$clean"
shared=$(cat .clang-tidy packaging/check-tidy.sh packaging/test-requirements.txt packaging/tidy/* $(git ls-files 'engine/*.h' 'render/*.h' 'ui/*.h' 'app/*.h' 'plugins/*.h') | sha256sum)
export shared
check() {
  local key findings
  key=$( (echo "$shared"; cat "$1") | sha256sum | cut -d' ' -f1)
  [ -e "$clean/$key" ] && return 0
  # Warnings are GCC's to make errors of; clang has others, also of foreign headers.
  if findings=$("$tidy" -p "$build" --quiet --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-error \
                  --extra-arg-before=-include --extra-arg-before="$PWD/packaging/tidy/itk_as_gcc.h" \
                  --extra-arg-before=-include --extra-arg-before="$PWD/packaging/tidy/boost_enums.h" "$1" 2>&1); then
    touch "$clean/$key"
  else
    grep -vE "^(Suppressed )?[0-9]+ warnings|^Use -header-filter" <<< "$findings"
    return 1
  fi
}
export -f check
printf '%s\0' "${compiled[@]}" | xargs -0 -n1 -P"$(nproc)" bash -c 'check "$0"'
echo "clang-tidy: ${#compiled[@]} files are clean"
