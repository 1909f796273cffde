#!/usr/bin/env bash
# What worker-build calls to bundle, in the folder that it builds in: esbuild, with our entry in place of the one that it wrote.
set -euo pipefail
scripts=$(cd "$(dirname "$0")" && pwd)
cp "$scripts/../workers/gateway/entry.js" shim.js
exec "$scripts/../node_modules/.bin/esbuild" "$@"
