#!/usr/bin/env bash
# Fuzzes the targets one after the other, each for so many seconds (660 unless told):
#
#   fuzz/run.sh [SECONDS] [TARGET…]
#
# Needs a nightly toolchain and cargo-fuzz (`rustup toolchain install nightly`, `cargo install cargo-fuzz --locked`).
# SANITIZER=none builds and runs faster than the default, `address`. What is found is put into fuzz/artifacts/<target>/, and
# the script ends with 1; README.md says what to do with it. Inputs that reach something new go to fuzz/corpus/<target>/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${1:-660}
shift || true
sanitizer=${SANITIZER:-address}
# `kpl`, `cleaning`, `definitions` and `raw_objects` need no more than crates/dataset: their features are left out, so that
# they need not wait for the whole stack.
light=(cleaning definitions kpl raw_objects)
stack=(routes gzip kinesis kafka)
targets=("$@")
((${#targets[@]} > 0)) || targets=("${light[@]}" "${stack[@]}")

python3 seeds.py corpus
failed=()
for target in "${targets[@]}"; do
  features=()
  [[ " ${stack[*]} " == *" $target "* ]] && features=(--features stack)
  dictionary=dictionaries/records.dict
  [[ $target == definitions ]] && dictionary=dictionaries/definitions.dict
  mkdir -p "corpus/$target" "artifacts/$target"
  cargo +nightly fuzz build --sanitizer "$sanitizer" "${features[@]}" "$target"
  # An input takes some ten milliseconds at worst. Memory that a small input makes grow is a finding.
  "target/x86_64-unknown-linux-gnu/release/$target" "corpus/$target" "regressions/$target" \
    -max_total_time="$seconds" -dict="$dictionary" -artifact_prefix="artifacts/$target/" \
    -rss_limit_mb=2048 -malloc_limit_mb=256 -timeout=20 -print_final_stats=1 || failed+=("$target")
done
if ((${#failed[@]} > 0)); then
  echo "something was found: ${failed[*]}; see $PWD/artifacts"
  exit 1
fi
