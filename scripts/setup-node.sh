#!/usr/bin/env bash
# The npm packages: Node 24 itself, wrangler with the Workers runtime, esbuild, wasm-opt, TypeScript.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

# Inside node_modules, so that whatever removes or half-fills that folder removes the stamp as well.
STAMP=node_modules/.installed
want=$(cat package.json package-lock.json | cksum)
[ "$(cat "$STAMP" 2>/dev/null)" = "$want" ] && exit 0

say "node packages" "npm ci"
logged npm npm ci --loglevel=error --fetch-retry-mintimeout=2000 --fetch-retry-maxtimeout=10000 || fail "node packages" "could not be installed: $(because npm)"
[ "$(node --version | sed 's/^v\([0-9]*\).*/\1/')" -ge 22 ] ||
  fail "node packages" "the packaged Node 24 does not run here ($(node --version) instead): install Node.js 22 or newer"
printf '%s\n' "$want" >"$STAMP"
say "node packages" "ready (node $(node --version), wrangler $(wrangler --version 2>/dev/null | tail -n 1))"
