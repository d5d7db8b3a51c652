#!/bin/bash
# Makes one archive that runs on a Linux machine (glibc 2.36 or later) with nothing installed:
#   packaging/bundle.sh                        builds the release preset, writes build/gigawarp-VERSION-linux-ARCH.tar.xz
#   packaging/bundle.sh --architectures 90     with GPU code for these only (default 80-real;90)
#   packaging/bundle.sh --command-line         smaller: without surfaces (OpenVDB) and X11; the verbs are all there
#   packaging/bundle.sh --build FOLDER         of a build that exists, as it is
#   packaging/bundle.sh --folder FOLDER        into a folder, without an archive
# Unpacked anywhere, bin/gigawarp runs: libraries are looked for in lib/, then on the system, then in lib/fallback/.
# In the last are those that belong to the system's drivers and display (OpenGL, X11, fonts), which must be the
# system's own wherever it has them, but which the program needs to start. glibc and NVIDIA's driver are never taken
# along. packaging/check-bundle.sh looks at the outcome and runs it with nothing but glibc beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

build="" folder="" architectures="80-real;90" command_line=no
while [ $# -gt 0 ]; do
  case "$1" in
    --build | --folder | --architectures)
      [ $# -ge 2 ] || { echo "bundle.sh: $1 needs a value." >&2; exit 2; }
      case "$1" in
        --build) build=$2 ;;
        --folder) folder=$2 ;;
        --architectures) architectures=$2 ;;
      esac
      shift 2 ;;
    --command-line) command_line=yes; shift ;;
    *) echo "bundle.sh: unknown option $1; see the head of this file." >&2; exit 2 ;;
  esac
done

if ! command -v patchelf >/dev/null; then packaging/setup.sh --bundle; fi
if [ -z "$build" ]; then
  build=build/release
  cmake --preset release -DGIGAWARP_BUILD_TESTS=OFF "-DCMAKE_CUDA_ARCHITECTURES=$architectures"
  cmake --build --preset release
fi
if [ ! -e "$build/share/gigawarp.1" ]; then cmake --build "$build" --target gigawarp_documents; fi
version=$(sed -n 's/^CMAKE_PROJECT_VERSION:[^=]*=//p' "$build/CMakeCache.txt")
name=gigawarp-$version-linux-$(uname -m)
if [ "$command_line" = yes ]; then name=gigawarp-$version-command-line-linux-$(uname -m); fi

if [ -n "$folder" ]; then
  if [ -e "$folder" ]; then echo "bundle.sh: $folder exists already; remove it or name another folder." >&2; exit 2; fi
  root=$folder
else
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  root=$work/$name
fi
mkdir -p "$root"
root=$(realpath "$root")
cmake --install "$build" --prefix "$root" --strip > /dev/null

# What Qt loads by itself: the platforms (X11, and none), pictures. What is found under lib/gigawarp is the program's own.
qt_plugins=$(dirname "$(dirname "$(dpkg -L libqt6gui6 2>/dev/null | grep -m1 '/platforms/' || find /usr/lib -path '*qt6/plugins/platforms/libqoffscreen.so' -print -quit)")")
plugins=(platforms/libqoffscreen.so)
if [ "$command_line" = no ]; then
  plugins+=(platforms/libqxcb.so xcbglintegrations/libqxcb-egl-integration.so
    platforminputcontexts/libcomposeplatforminputcontextplugin.so platformthemes/libqxdgdesktopportal.so
    imageformats/libqjpeg.so)
else
  rm -f "$root/lib/gigawarp/gigawarp_openvdb.so"
fi
for plugin in "${plugins[@]}"; do
  if [ -e "$qt_plugins/$plugin" ]; then install -D -m 755 "$qt_plugins/$plugin" "$root/lib/qt6/plugins/$plugin"; fi
done
printf '[Paths]\nPrefix = ..\nPlugins = lib/qt6/plugins\nTranslations = share/qt6/translations\n' > "$root/bin/qt.conf"
for translation in "$root"/share/gigawarp/translations/*.qm; do  # Qt's own words in the languages of the window
  [ -e "$translation" ] || continue
  own=$(basename "$translation" .qm)
  file=/usr/share/qt6/translations/qtbase_${own#gigawarp_}.qm
  if [ -e "$file" ]; then install -D -m 644 "$file" "$root/share/qt6/translations/$(basename "$file")"; fi
done
install -D -m 644 -t "$root/share/gigawarp/fonts" resources/fonts/fonts.conf \
  /usr/share/fonts/truetype/dejavu/DejaVuSans{,-Bold,Mono}.ttf

# Libraries: what ldd finds for the program and everything that is loaded later. (CMake's GET_RUNTIME_DEPENDENCIES
# says the same after ten times as long.)
unset LD_LIBRARY_PATH
needed_by() { ldd "$@" | sed -n 's/^\t\(\S*\) => \(\/\S*\) .*/\2/p' | sort -u; }
glibc='^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|mvec|anl|nsl|BrokenLocale|thread_db)\.so.*|libnss_.*)$'
never='^lib(cuda|nccl|nvidia.*|nvcuvid)\.so'
system='^lib(EGL|GL|GLX|OpenGL|GLdispatch|GLU|gbm|drm|wayland-.*|X11|X11-xcb|xcb|fontconfig|freetype|expat|z|dbus-1|systemd|stdc\+\+|gcc_s)\.so'
mapfile -t programs < <(printf '%s\n' "$root/bin/gigawarp"; find "$root/lib" -name '*.so')
missing=$(ldd "${programs[@]}" | grep 'not found' || true)
if [ -n "$missing" ]; then echo "bundle.sh: libraries are missing on this machine:" "$missing" >&2; exit 1; fi
mapfile -t libraries < <(needed_by "${programs[@]}")
seeds=()
for library in "${libraries[@]}"; do
  if [[ $(basename "$library") =~ $system ]]; then seeds+=("$library"); fi
done
# What a library of the system needs is the system's as well: no mixture of old and new below a driver.
declare -A of_system
for library in "${seeds[@]}" $(needed_by "${seeds[@]}"); do of_system[$(basename "$library")]=1; done
mkdir -p "$root/lib/fallback"
packages=()
for library in "${libraries[@]}"; do
  file=$(basename "$library")
  if [[ $file =~ $glibc || $file =~ $never ]]; then continue; fi
  target=$root/lib
  if [ -n "${of_system[$file]:-}" ]; then target=$root/lib/fallback; fi
  cp -L "$library" "$target/$file"
  chmod 755 "$target/$file"
  packages+=("$library" "$(realpath "$library")" "${library#/usr}" "/usr${library}")
done

# Licences of what is taken along: Debian's copyright files.
mkdir -p "$root/share/doc/gigawarp/licences"
for package in $(dpkg -S "${packages[@]}" 2>/dev/null | sed 's/[:,].*//' | sort -u) fonts-dejavu-core; do
  copyright=/usr/share/doc/$package/copyright
  if [ -e "$copyright" ]; then cp -L "$copyright" "$root/share/doc/gigawarp/licences/$package"; fi
done

on_system=/lib/$(uname -m)-linux-gnu:/usr/lib/$(uname -m)-linux-gnu:/lib64:/usr/lib64:/lib:/usr/lib
find "$root/bin" "$root/lib" -type f \( -name gigawarp -o -name '*.so*' \) -print0 | while IFS= read -r -d '' file; do
  strip --strip-unneeded "$file" 2>/dev/null || true
  to_lib=\$ORIGIN/$(realpath --relative-to "$(dirname "$file")" "$root/lib")
  path=$to_lib:$on_system:$to_lib/fallback
  case "$file" in "$root"/lib/fallback/*) path=$on_system:\$ORIGIN ;; esac
  patchelf --set-rpath "$path" "$file"
done

packaging/check-bundle.sh "$root"
if [ -n "$folder" ]; then exit 0; fi
archive=build/$name.tar.xz
tar -C "$work" --owner=0 --group=0 --sort=name -cf - "$name" | xz -T0 -9 > "$archive.part"
mv "$archive.part" "$archive"
packaging/check-bundle.sh "$archive"
