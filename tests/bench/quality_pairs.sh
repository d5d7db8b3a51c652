#!/bin/bash
# The pairs of tests/bench/RESULTS.md, "Accuracy and end to end", for a machine where formats are not built: to hold a
# GPU to the quality of the CPU. Both devices run the same files by tests/bench/register_pair.
#   quality_pairs.sh prepare FOLDER                    writes the files, of GIGAWARP_TEST_DATA (../shared/data): 28 MiB.
#                                                        GIGAWARP_PYTHON (.venv/bin/python) has nibabel and pynrrd
#   quality_pairs.sh run FOLDER REGISTER_PAIR DEVICE   runs every pair and prints a row of a table for each; needs bash,
#                                                        coreutils and gzip. Ends with 1 if a run failed; the others go on
# Bars are those of the list; they are printed, not checked.
set -euo pipefail
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

declare -A source_of=(
  [mni_2mm.raw]=bench/MNI152_T1_2mm.nii.gz
  [head_2mm.raw]=bench/T1_head_2mm.nii.gz
  [mni_brain_1mm.raw]=bench/MNI152_T1_1mm_brain.nii.gz
  [brain_1mm.raw]=bench/t1_brain.nii.gz
  [nv.raw]=labels/nv_T1.nii.gz
  [nv_labels.raw]=labels/nv_aseg.nii.gz
  [vxm.raw]=labels/vxm_T1.nii.gz
  [vxm_labels.raw]=labels/vxm_aseg.nii.gz
  [mouse_1.raw]=mouse/FVB_1.nii.gz
  [mouse_1_labels.raw]=mouse/FVB_1_labels.nii.gz
  [mouse_2.raw]=mouse/FVB_2.nii.gz
  [mouse_2_labels.raw]=mouse/FVB_2_labels.nii.gz
  [mni_2009c.raw]=landmarks/tpl-MNI152NLin2009cAsym_res-01_T1w.nii.gz
  [mni_2009c.txt]=landmarks/tpl-MNI152NLin2009cAsym_afids.fcsv
  [colin27.raw]=landmarks/ch2.nii.gz
  [colin27.txt]=landmarks/tpl-Colin27_afids.fcsv
  [patient_t1.raw]=multimodal/study1_T1W.nii.gz
  [patient_t2.raw]=multimodal/study1_T2W.nii.gz
  [fish_post.raw]=lightsheet/fish1_post.nrrd
  [fish_pre.raw]=lightsheet/fish1_pre.nrrd
  [zbrain.raw]=lightsheet/zbrain-tERK-8bit_xyz5um.nrrd
)

# Calls "$1" NAME BAR ARGUMENTS... for each pair; ARGUMENTS are register_pair's, with DEVICE where that goes.
each_pair() {
  "$1" 'bench 2 mm' 'NCC 0.976, inverse 0.05 mm' mni_2mm.raw head_2mm.raw brain-t1 DEVICE --ncc
  "$1" 'bench 1 mm' 'NCC 0.968' mni_brain_1mm.raw brain_1mm.raw brain-t1 DEVICE --ncc
  "$1" 'nv <- vxm' 'Dice 0.73' nv.raw vxm.raw brain-t1 DEVICE --labels nv_labels.raw vxm_labels.raw
  "$1" 'FVB_1 <- FVB_2' 'Dice 0.90' mouse_1.raw mouse_2.raw brain-t1 DEVICE --labels mouse_1_labels.raw mouse_2_labels.raw
  "$1" '2009c <- Colin27, masked' 'TRE 2.5 mm' mni_2009c.raw colin27.raw brain-t1 DEVICE --masked --landmarks mni_2009c.txt colin27.txt
  "$1" 'T1 <- T2, rigid' '0.5 mm' patient_t1.raw patient_t2.raw brain-cross-modality DEVICE --rigid-recovery
  "$1" 'fish post <- pre' 'picture' fish_post.raw fish_pre.raw lightsheet-atlas DEVICE --ncc
  "$1" 'Z-Brain <- fish' 'picture' zbrain.raw fish_pre.raw lightsheet-atlas DEVICE --ncc
  "$1" 'phantom t1' 'map 0.25 voxel' --phantom 128 --device DEVICE --preset brain-t1 --contrasts t1,t1
  "$1" 'phantom t1-t2' 'map 0.25 voxel' --phantom 128 --device DEVICE --preset brain-cross-modality --contrasts t1,t2
  "$1" 'phantom lightsheet' 'map 0.25 voxel' --phantom 128 --device DEVICE --preset lightsheet-atlas --contrasts lightsheet,lightsheet
  "$1" 'identical 2 mm' '0.01 voxel' mni_2mm.raw mni_2mm.raw brain-t1 DEVICE --identity
}

prepare() {
  local folder=$1 data=${GIGAWARP_TEST_DATA:-$repository/../shared/data}
  local python=${GIGAWARP_PYTHON:-$repository/.venv/bin/python} file
  [ -d "$data" ] || { echo "quality_pairs.sh: there is no folder $data; set GIGAWARP_TEST_DATA to the one with the pairs." >&2; exit 1; }
  mkdir -p "$folder"
  for file in "${!source_of[@]}"; do
    "$python" "$repository/tests/bench/to_raw.py" "$data/${source_of[$file]}" "$folder/$file"
    # AFIDs 29 and 30 are defined otherwise on Colin27.
    if [ "$file" = colin27.txt ]; then sed -i -E '/^(29|30) /d' "$folder/$file"; fi
    gzip -1nf "$folder/$file"
  done
  du -sh "$folder"
}

# What a pattern's groups matched in $output, or "-".
found() {
  if [[ $output =~ $1 ]]; then echo "${2:-}${BASH_REMATCH[1]}${BASH_REMATCH[2]:+, ${BASH_REMATCH[2]}}${3:-}"; else echo "${4--}"; fi
}

measure() {
  local name=$1 bar=$2 word output result="" arguments=()
  shift 2
  for word in "$@"; do
    case "$word" in
      DEVICE) arguments+=("$device") ;;
      *.raw | *.txt)
        [ -f "$unpacked/$word" ] || gzip -dc "$folder/$word.gz" > "$unpacked/$word" ||
          { echo "quality_pairs.sh: $folder lacks $word.gz; quality_pairs.sh prepare makes it." >&2; exit 1; }
        arguments+=("$unpacked/$word") ;;
      *) arguments+=("$word") ;;
    esac
  done
  if ! output=$("$program" "${arguments[@]}" 2>&1); then
    echo "| $name | $bar | failed: ${output##*$'\n'} | | | | |"
    status=1
  else
    result+=$(found 'Dice of [0-9]+ labels ([0-9.]+)' ', Dice ' '' '')
    result+=$(found 'landmarks ([0-9.]+) mm' ', TRE ' ' mm' '')
    result+=$(found ', NCC (-?[0-9.]+)' ', NCC ' '' '')
    result+=$(found 'error of the result: mean ([0-9.]+)' ', map ' ' voxel' '')
    result+=$(found 'at most ([0-9.]+) voxels from the identity' ', ' ' voxel' '')
    result+=$(found 'missed by ([0-9.]+) mm' ', ' ' mm' '')
    echo "| $name | $bar | ${result#, } | $(found 'folds ([0-9]+)') | $(found 'logarithm ([0-9.]+)') | $(found 'inverse error mean ([0-9.]+), largest ([0-9.]+)' '' ' mm') | $(found 'whole run ([0-9.]+) s') |"
    [ -n "$result" ] || status=1
  fi
  rm -f "$unpacked"/*
}

run() {
  folder=$1 program=$2 device=$3 status=0
  unpacked=$(mktemp -d)
  trap 'rm -rf "$unpacked"' EXIT
  echo "| pair, on $device | bar | measured | folds | SD log J | inverse error, mean and largest | seconds |"
  echo "|---|---|---|---|---|---|---|"
  each_pair measure
  exit "$status"
}

case "${1:-} $#" in
  'prepare 2') prepare "$2" ;;
  'run 4') run "$2" "$3" "$4" ;;
  *) sed -n '2,8s/^# \?//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
