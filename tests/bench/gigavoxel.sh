#!/bin/sh
# A pair of gigavoxels from files to files: phantom, register, apply, with the split of the time. For a machine with a
# GPU and an unpacked bundle:
#   tests/bench/gigavoxel.sh GIGAWARP [FOLDER [SIZE [DEVICE [LEVELS [OPTIONS]]]]]
# GIGAWARP is the program; OPTIONS go to register, such as --no-inverse where the disk is small. The default pair, 1760x1760x1280 u16 as OME-Zarr, takes 16 GB of disk, its warp and inverse
# 95 GB more. A pair that is there already is used again.
set -eu
gigawarp=$1
folder=${2:-gigavoxel}
size=${3:-1760,1760,1280}
device=${4:-cuda:0}
levels=${5:-8x200,4x150,2x100,1x50}
options=${6:-}
timed() {
  echo "== $*"
  if [ -x /usr/bin/time ]; then
    /usr/bin/time -f '   %e s wall clock, %U s user, %S s system, %M KiB at most' "$@"
  else
    time "$@"
  fi
}
mkdir -p "$folder"
[ -f "$folder/pair/phantom.json" ] ||
  timed "$gigawarp" phantom --out "$folder/pair" --size "$size" --moving-contrast t2 --format ome.zarr --no-warp
"$gigawarp" plan --fixed "$folder/pair/fixed.ome.zarr" --moving "$folder/pair/moving.ome.zarr" \
  --preset brain-cross-modality --levels "$levels" --device "$device" --out "$folder/result" --uncompressed $options || true
timed "$gigawarp" register --fixed "$folder/pair/fixed.ome.zarr" --moving "$folder/pair/moving.ome.zarr" \
  --preset brain-cross-modality --levels "$levels" --device "$device" --out "$folder/result" --uncompressed \
  --format ome.zarr --overwrite --progress lines $options
python3 - "$folder/result/result.json" <<'END'
import json, sys
result = json.load(open(sys.argv[1]))
s = result["provenance"]["seconds"]
transfer = s["upload"] + s["download"]
stages = sum(level["seconds"] for level in result["levels"])
print("== split of the time, seconds")
print(f"   read      {s['read_files']:8.1f}   decoding of files, all threads' time together where images are read at once")
print(f"   transfer  {transfer:8.1f}   up {s['upload']:.1f}, down {s['download']:.1f}")
print(f"   compute   {stages:8.1f}   of the levels; {s['register']:.1f} with upload, intensities, inverse")
print(f"   write     {s['write_files']:8.1f}   compressing and writing; {s['write']:.1f} with warping and measuring")
print(f"   total     {s['total']:8.1f}")
for level in result["levels"]:
    print(f"   {level['stage']} at {level['shrink']}: {level['iterations']} iterations, {level['seconds']:.2f} s")
print("  ", result["measures"], result["notes"])
END
timed "$gigawarp" apply --transform "$folder/result/1Warp.nii" "$folder/result/0GenericAffine.mat" \
  --input "$folder/pair/moving.ome.zarr" --reference "$folder/pair/fixed.ome.zarr" --out "$folder/applied.ome.zarr"
