#!/bin/bash
# Collects the window's sentences for translators; needs lupdate (Debian: qt6-l10n-tools).
#   packaging/translate.sh              renews resources/translations/gigawarp.ts and every language there
#   packaging/translate.sh LANGUAGE     begins a language: resources/translations/gigawarp_LANGUAGE.ts, for Qt Linguist
# A build that finds lrelease compiles the languages and installs them where the program looks for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
lupdate=$(PATH=$PATH:/usr/lib/qt6/bin command -v lupdate) || {
  echo "translate.sh: lupdate is not here; install qt6-l10n-tools" >&2
  exit 1
}
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
