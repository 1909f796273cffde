#!/usr/bin/env bash
# The figures. What is measured, and how, is in tests/load.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
[ -x tests/load/bench ] || fail bench "nothing to measure yet: tests/load/bench comes with the load tests"
scripts/build.sh
exec tests/load/bench "$@"
