# shellcheck shell=bash disable=SC2034
# What every script here shares: the tools' places and one way of speaking. To be sourced, also by hand:
#   . scripts/env.sh && cargo test -p domain

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOOLS=$ROOT/.tools
LOGS=$TOOLS/logs
MIN_RUST=1.91            # what the worker crate needs
WORKER_BUILD=0.8.7       # goes with the worker crate in Cargo.lock

# Folders that do not exist yet do no harm in a PATH. `.tools/rust` is there only where the set-up had to make a
# toolchain; it must then serve host and wasm builds alike, because two compilers evict each other's caches.
for dir in "$ROOT/node_modules/.bin" "$TOOLS/cargo/bin" "$TOOLS/rust/bin"; do
  case ":$PATH:" in *":$dir:"*) ;; *) PATH=$dir:$PATH ;; esac
done
export PATH

# worker-build downloads these three unless it is told where they are.
export WASM_BINDGEN_BIN=$TOOLS/cargo/bin/wasm-bindgen
export WASM_OPT_BIN=$ROOT/node_modules/.bin/wasm-opt
export ESBUILD_BIN=$ROOT/scripts/bundle.sh

# wrangler: no questions, no telemetry, no look-ups on the network, no tracing of every local request.
export CI=${CI:-1} WRANGLER_SEND_METRICS=false WRANGLER_SEND_ERROR_REPORTS=false WRANGLER_WRITE_LOGS=false
export WRANGLER_HIDE_BANNER=true CLOUDFLARE_CF_FETCH_ENABLED=false X_LOCAL_OBSERVABILITY=false

say()  { printf '%s: %s\n' "$1" "$2"; }
fail() { printf '%s: %s\n' "$1" "$2" >&2; exit 1; }

# logged NAME COMMAND...: runs quietly, keeps the output in .tools/logs/NAME.log.
logged() {
  local name=$1; shift
  mkdir -p "$LOGS"
  "$@" >"$LOGS/$name.log" 2>&1 </dev/null
}

NO_NETWORK='ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|[Cc]ould(n.t| not) (resolve|connect)'
NO_NETWORK+='|[Ff]ailed to (lookup|connect|download)|dns error|Connection refused|Network is unreachable|Temporary failure'
NO_NETWORK+='|[Oo]peration timed out|[Tt]imeout was reached|download of .* failed'
# offline NAME: was it the network that failed in that log?
offline() {
  grep -qE "$NO_NETWORK" "$LOGS/$1.log"
}

# because NAME: the reason in that log, in words that fit into a line.
because() {
  if offline "$1"; then printf 'no network (or the registry does not answer)'; else printf 'it failed'; fi
  printf '; see .tools/logs/%s.log' "$1"
}

# one_at_a_time NAME: the rest of this process waits for any other that prepares or builds this tree.
one_at_a_time() {
  command -v flock >/dev/null || return 0
  mkdir -p "$TOOLS"
  exec 9>"$TOOLS/lock"
  flock -n 9 || { say "$1" "another make is at work in this tree; waiting for it"; flock 9; }
}

# browser: the Chromium of this machine, or nothing.
browser() { command -v chromium || command -v chromium-browser || command -v google-chrome || true; }
