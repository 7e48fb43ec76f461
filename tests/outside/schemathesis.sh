#!/usr/bin/env bash
# Everything that the API's OpenAPI document allows, and much that it forbids, asked of a running pipeline: statuses, media
# types, headers and bodies must be as the document says, valid requests taken and others refused, with all checks of
# schemathesis, its examples, boundaries, random and chained requests.
#
#   tests/outside/schemathesis.sh BIN URL [SECONDS]
#
# BIN has schemathesis (requirements-schemathesis.txt). It takes 90 seconds unless told, and prints a seed and, for each
# failure, the request. SEED=… asks the same again.
set -euo pipefail
bin=$1 url=${2%/} seconds=${3:-90}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seed=${SEED:-$RANDOM}

echo "seed $seed; once more: SEED=$seed $0 $*"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH="$here" "$bin/schemathesis" \
  --config-file "$here/schemathesis.toml" run "$url/openapi.json" --url "$url" --checks all --mode all \
  --max-time "$seconds" --seed "$seed" --continue-on-failure --warnings off
