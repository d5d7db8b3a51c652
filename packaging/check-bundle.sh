#!/bin/bash
# Looks at what packaging/bundle.sh made, and fails with the reason:
#   packaging/check-bundle.sh ARCHIVE|FOLDER         no library unresolved, none that must not travel, no path of this
#                                                    machine in it, small enough to be carried (55 MiB as an archive)
#   packaging/check-bundle.sh --run ARCHIVE|FOLDER   also runs it as root in an empty root folder with glibc alone: makes,
#                                                    converts and registers a pair, and opens the window on the result
set -euo pipefail
run=no
if [ "${1:-}" = --run ]; then run=yes; shift; fi
[ $# -eq 1 ] && [ -e "$1" ] || { echo "usage: packaging/check-bundle.sh [--run] ARCHIVE|FOLDER" >&2; exit 2; }
subject=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "check-bundle: $*" >&2; exit 1; }

root=$subject
if [ -f "$subject" ]; then
  bytes=$(stat -c %s "$subject")
  [ "$bytes" -lt $((55 << 20)) ] || fail "$subject has $((bytes >> 20)) MiB; 55 is the limit."
  tar -C "$work" -xf "$subject"
  root=$(echo "$work"/gigawarp-*)
fi
root=$(realpath "$root")
[ -x "$root/bin/gigawarp" ] || fail "$root/bin/gigawarp is missing."

glibc='^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util|mvec|anl)\.so.*)$'
never='^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|cuda|nccl|nvidia.*|nvcuvid)\.so.*)$'
newest=""
count=0
while IFS= read -r -d '' file; do
  count=$((count + 1))
  name=$(basename "$file")
  [[ ! $name =~ $never ]] || fail "$name must not travel."
  dynamic=$(readelf -dW "$file")
  while read -r needed; do
    [[ $needed =~ $glibc ]] || [ -e "$root/lib/$needed" ] || [ -e "$root/lib/fallback/$needed" ] ||
      fail "$name needs $needed, which is not in the bundle."
  done < <(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<< "$dynamic")
  path=$(sed -n 's/.*(RUNPATH).*\[\(.*\)\]/\1/p' <<< "$dynamic")
  [[ $path == *'$ORIGIN'* ]] || fail "$name does not look for libraries in the bundle."
  for folder in ${path//:/ }; do
    case "$folder" in \$ORIGIN* | /lib | /usr/lib | /lib64 | /usr/lib64 | /lib/*-linux-gnu | /usr/lib/*-linux-gnu) ;;
      *) fail "$name looks for libraries in $folder, a folder of the machine that made it." ;;
    esac
  done
  if readelf -SW "$file" | grep -q ' \.debug_info '; then fail "$name is not stripped."; fi
  version=$(readelf -VW "$file" | grep -o 'GLIBC_2\.[0-9]*' | sort -uV | tail -1 || true)
  newest=$(printf '%s\n' "$newest" "$version" | sort -V | tail -1)
done < <(find "$root" -type f \( -name gigawarp -path '*/bin/*' -o -name '*.so' -o -name '*.so.*' \) -print0)
for file in "$root"/lib/fallback/*; do
  if [ -e "$root/lib/$(basename "$file")" ]; then fail "$(basename "$file") is there twice."; fi
done
for file in bin/qt.conf lib/qt6/plugins/platforms/libqoffscreen.so share/gigawarp/fonts/fonts.conf share/doc/gigawarp/LICENSE \
  share/doc/gigawarp/licences/libqt6core6 share/man/man1/gigawarp.1; do
  [ -e "$root/$file" ] || fail "$file is missing."
done
echo "$subject: $count programs and libraries, all resolved; $(du -sm "$root" | cut -f1) MiB unpacked; needs ${newest/_/ }"
if [ "$run" = no ]; then exit 0; fi

[ "$(id -u)" -eq 0 ] || fail "--run changes the root folder and must be run as root."
bare=$work/bare
mkdir -p "$bare"/{dev,proc,tmp,opt,lib64}
dpkg -L libc6 | grep -E '/(ld-linux.*|lib(c|m|dl|rt|pthread|resolv)\.so\.[0-9]*)$' | while read -r file; do
  mkdir -p "$bare$(dirname "$file")"
  cp -L "$file" "$bare$file"
done
cp -L /lib64/ld-linux-*.so.* "$bare/lib64/" 2>/dev/null || true
cp -r "$root" "$bare/opt/gigawarp"
mknod -m 666 "$bare/dev/null" c 1 3
mknod -m 666 "$bare/dev/urandom" c 1 9
# A process of the bare root; nothing but what is set here is in its environment.
inside() {
  unshare --mount --pid --fork bash -c 'mount -t proc proc "$0/proc"; exec env -i HOME=/tmp PATH=/opt/gigawarp/bin "$(command -v chroot)" "$@"' \
    "$bare" "$bare" "$@"
}
inside gigawarp --version
inside gigawarp phantom --out /tmp/pair --size 48
inside gigawarp convert /tmp/pair/moving.nii.gz /tmp/pair/moving.ome.zarr
inside gigawarp register --fixed /tmp/pair/fixed.nii.gz --moving /tmp/pair/moving.ome.zarr --out /tmp/result --preset fast \
  --labels /tmp/pair/moving_labels.nii.gz --fixed-labels /tmp/pair/fixed_labels.nii.gz > "$work/register.txt"
grep -i dice "$work/register.txt" || true
inside gigawarp qc --fixed /tmp/pair/fixed.nii.gz --moving /tmp/pair/moving.ome.zarr --result /tmp/result \
  --sheet /tmp/sheet.png > /dev/null
printf '# vtk DataFile Version 3.0\nface\nASCII\nDATASET POLYDATA\nPOINTS 3 float\n0 0 0 9 0 0 0 9 0\nPOLYGONS 1 4\n3 0 1 2\n' > "$bare/tmp/face.vtk"
inside gigawarp apply --mesh /tmp/face.vtk --mesh-space ras --transform /tmp/result/1Warp.nii.gz --out /tmp/moved.vtk
inside gigawarp --picture /tmp/window.png /tmp/result
mkdir -p build
for picture in sheet window; do cp "$bare/tmp/$picture.png" "build/bundle_$picture.png"; done
echo "$subject runs with glibc alone; pictures: build/bundle_sheet.png, build/bundle_window.png"
