#!/bin/bash
# Installs what is missing to build Gigawarp on Debian 12 (or a like system with apt-get), as root or with sudo.
#   packaging/setup.sh           what the program needs
#   packaging/setup.sh --bundle  also what makes an archive of it that runs elsewhere
#   packaging/setup.sh --tests   also the checkers, and the test packages of Python in .venv
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(g++ cmake ninja-build ccache git ca-certificates
  qt6-base-dev libgl-dev libinsighttoolkit5-dev libhdf5-dev libgdcm-dev libtbb-dev nlohmann-json3-dev libcli11-dev
  libspdlog-dev libssl-dev libdeflate-dev libcurl4-gnutls-dev libtiff-dev zlib1g-dev libblosc-dev
  libzstd-dev liblz4-dev libboost-dev libgtest-dev fonts-dejavu-core
  libvtk9-dev libopenvdb-dev libboost-iostreams-dev libglew-dev libegl-dev libgl1-mesa-dri)
bundle=(patchelf xz-utils binutils)
with_tests=no
for argument in "$@"; do
  case "$argument" in
    --tests) with_tests=yes ;;
    --bundle) packages+=("${bundle[@]}") ;;
    *) echo "setup.sh: unknown option $argument; it takes --bundle, --tests or nothing." >&2; exit 2 ;;
  esac
done
if [ "$with_tests" = yes ]; then
  packages+=("${bundle[@]}" clang-format lld python3 python3-venv groff-base zsh fish desktop-file-utils appstream qt6-l10n-tools
    openmpi-bin libopenmpi-dev)
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then as_root=(sudo); fi

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "setup.sh: apt-get is not here; install these by hand: ${missing[*]}" >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
    echo "setup.sh: these packages are missing and need root or sudo: ${missing[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if [ "$with_tests" = yes ]; then
  wanted=$(sha256sum packaging/test-requirements.txt | cut -d' ' -f1)
  if [ "$(cat .venv/requirements.sha256 2>/dev/null)" != "$wanted" ]; then
    echo "setup: making .venv with the test packages of Python"
    rm -rf .venv
    /usr/bin/python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r packaging/test-requirements.txt
    echo "$wanted" > .venv/requirements.sha256
  fi
fi

if command -v nvcc >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
  echo "setup: CUDA toolkit found; GPU code is compiled"
else
  echo "setup: CUDA toolkit absent; this build runs on the CPU only"
fi
