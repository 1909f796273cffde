#!/usr/bin/env bash
# Gets what the project needs and the machine lacks. Each step looks first, so a second run says nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

for file in Cargo.toml Cargo.lock package-lock.json; do
  [ -f "$file" ] || fail setup "$file is missing: this is not a whole checkout"
done
command -v cargo >/dev/null || fail setup "no cargo: install Rust $MIN_RUST or newer (https://rustup.rs)"
for command in node npm; do
  command -v "$command" >/dev/null || fail setup "no $command: install Node.js 20 or newer (https://nodejs.org)"
done

one_at_a_time setup
scripts/setup-wasm.sh
scripts/setup-tools.sh
scripts/setup-node.sh
