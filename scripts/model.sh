#!/usr/bin/env bash
# Every interleaving of the small core, at full bounds. An argument chooses the searches whose name contains it.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
exec cargo run --quiet --release -p model -- "$@"
