#!/usr/bin/env bash
# Chooses, from fuzz/corpus/<target>, few small inputs that together lead to all places that the corpus leads to, and keeps
# the smallest of them in fuzz/regressions/<target>: fuzz/distill.sh [KIB-PER-TARGET] [TARGET…]. After fuzz/run.sh.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

files_in() {
  find "$1" -type f | wc -l
}

kib=${1:-60}
shift || true
targets=("$@")
((${#targets[@]} > 0)) || targets=(cleaning definitions kpl raw_objects routes gzip kinesis kafka)

for target in "${targets[@]}"; do
  chosen=$(mktemp -d)
  "target/x86_64-unknown-linux-gnu/release/$target" -set_cover_merge=1 -use_counters=0 "$chosen" "corpus/$target" 2>/dev/null
  mkdir -p "regressions/$target"
  # A name that is no hash is a person's, of an input that found something.
  find "regressions/$target" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
  taken=0
  while read -r size file; do
    ((taken + size <= kib * 1024)) || break
    cp "$chosen/$file" "regressions/$target/"
    taken=$((taken + size))
  done < <(find "$chosen" -type f -printf '%s %f\n' | sort -n)
  echo "$target: $(files_in "$chosen") inputs lead everywhere, $(files_in "regressions/$target") are kept in $taken bytes"
  rm -rf "$chosen"
done
