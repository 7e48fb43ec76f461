#!/usr/bin/env bash
# A day of raw JSON, 2 GB of it unless told otherwise, cleaned by a process that may have 512 MiB of memory; with `run`, the
# whole daily run, reports and all.
#
#   benches/large_day.sh [clean|run] [BYTES] [MIB]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

what=${1:-clean}
bytes=${2:-2000000000}
mebibytes=${3:-512}

cargo build --workspace --lib --bins --tests --examples --locked
program="${CARGO_TARGET_DIR:-target}/debug/examples/large_day"
folder=$(mktemp -d "${TMPDIR:-/tmp}/pinlake-large-day.XXXXXX")
trap 'rm -rf "$folder"' EXIT

"$program" make "$folder" "$bytes"
# Memory that is the process's own: heap, stacks, anonymous maps. Past it an allocation fails, and the run with it. The
# engine is told what Lambda's function of that size would be told.
ulimit -d "$((mebibytes * 1024))"
QUERY_MEMORY_BYTES=$((mebibytes * 1024 * 1024 / 4)) "$program" "$what" "$folder"
