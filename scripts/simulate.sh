#!/usr/bin/env bash
# Sales from seeds: simulate.sh [--seeds N [--from N] | --seed N | --crowd PEOPLE | --wasm N]. See docs/VERIFICATION.md.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
scripts/setup.sh

build() { cargo build --quiet --profile simulation -p simulation "$@"; }
if [ "${1:-}" != --wasm ]; then
  say simulate "compiling" >&2
  build --bin simulate
  exec "$ROOT/target/simulation/simulate" "$@"
fi

# The same seeds, natively and as WebAssembly under Node: the hashes must be the same.
seeds=${2:-50}
say simulate "compiling, for this machine and for wasm32" >&2
build --bin simulate
build --lib --target wasm32-unknown-unknown
exec node scripts/simulate-wasm.mjs "$ROOT/target/wasm32-unknown-unknown/simulation/simulation.wasm" "$ROOT/target/simulation/simulate" "$seeds"
