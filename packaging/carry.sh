#!/bin/bash
# Collects what the engine and its tests need beyond a compiler (TBB, nlohmann-json, GoogleTest) from this machine's
# packages into build/carry, for machines without a package manager or network: tests/gpu.sh finds it there. Debian's
# glibc is older than that of the machines in question, so its libraries run there.
#   packaging/carry.sh [--mpi]      --mpi: OpenMPI too, for tests/gpu.sh --mpirun; 30 MB instead of 5
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
packages=(libtbb-dev libtbb12 libtbbmalloc2 libtbbbind-2-5 nlohmann-json3-dev libgtest-dev)
case "${1:-}" in
  '') ;;
  --mpi) packages+=(libopenmpi-dev libopenmpi3 openmpi-bin openmpi-common libpmix2 libhwloc15 libevent-core-2.1-7 libevent-pthreads-2.1-7 libudev1) ;;
  *) echo "carry.sh: unknown option $1; it takes --mpi." >&2; exit 2 ;;
esac
target=build/carry

command -v dpkg-query >/dev/null || { echo "carry.sh: this collects Debian packages; dpkg-query is not here." >&2; exit 1; }
rm -rf "$target"
mkdir -p "$target"
for package in "${packages[@]}"; do
  files=$(dpkg-query -L "$package" 2>/dev/null) ||
    { echo "carry.sh: $package is not installed; run packaging/setup.sh first." >&2; exit 1; }
  while read -r file; do
    case "$file" in
      /usr/share/doc/* | *.pc) continue ;;
      */openmpi/*.a | */fortran/* | *mpifh* | *usempi*.so* | *java*.so* | *oshmem*.so*) continue ;;  # for other languages
      /usr/include/* | /usr/lib/* | /usr/share/cmake/* | /usr/share/openmpi/* | /usr/share/pmix*) ;;
      /usr/bin/orterun | /usr/bin/orted) ;;
      *) continue ;;
    esac
    [ -d "$file" ] && continue
    mkdir -p "$target$(dirname "${file#/usr}")"
    cp -L "$file" "$target${file#/usr}"  # links do not travel everywhere
  done <<< "$files"
done
du -sh "$target"
