#!/bin/bash
# Collects the window's sentences for translators; needs lupdate (Debian: qt6-l10n-tools).
#   packaging/translate.sh              renews resources/translations/gigawarp.ts and every language there
#   packaging/translate.sh --check     fails when gigawarp.ts lacks a sentence of the window or has one too many
#   packaging/translate.sh LANGUAGE     begins a language: resources/translations/gigawarp_LANGUAGE.ts, for Qt Linguist
# A build that finds lrelease compiles the languages and installs them where the program looks for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lupdate=$(PATH=$PATH:/usr/lib/qt6/bin command -v lupdate) || {
  echo "translate.sh: lupdate is not here; install qt6-l10n-tools" >&2
  exit $([ "${1:-}" = --check ] && echo 77 || echo 1)  # a test that is skipped, or a failure
}
if [ "${1:-}" = --check ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cp resources/translations/gigawarp.ts "$folder/"
  "$lupdate" -silent -I . -locations none -no-obsolete -source-language en ui render -ts "$folder/gigawarp.ts" 2>/dev/null
  diff -u resources/translations/gigawarp.ts "$folder/gigawarp.ts" || {
    echo "translate.sh: run packaging/translate.sh, which collects what is new" >&2
    exit 1
  }
  exit 0
fi
mkdir -p resources/translations
[ $# -eq 0 ] || touch "resources/translations/gigawarp_$1.ts"
for file in resources/translations/gigawarp.ts resources/translations/gigawarp_*.ts; do
  [ "$file" != 'resources/translations/gigawarp_*.ts' ] || continue
  language=$(basename "$file" .ts)
  language=${language#gigawarp}
  language=${language#_}
  "$lupdate" -silent -I . -locations none -no-obsolete -source-language en ${language:+-target-language "$language"} \
    ui render -ts "$file" 2> >(grep -v "lacks Q_OBJECT macro" >&2 || true)
done
