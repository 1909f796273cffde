#!/usr/bin/env bash
# workers/gateway → workers/gateway/build/index.js. One release build serves dev and test.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
scripts/setup.sh
one_at_a_time build

OUT=workers/gateway/build
STAMP=$TOOLS/build.stamp

# By content, not by time: switching branches back and forth builds nothing. Compiled-in files from elsewhere
# (include_str!) are known from what cargo wrote down in the last build.
sources() {
  find domain actors workers migrations Cargo.toml Cargo.lock package-lock.json scripts/build.sh scripts/bundle.sh \
    \( -name build -o -name target -o -name node_modules \) -prune -o -type f -print 2>/dev/null
  sed -n "s|^.*: ||; s| $ROOT/|\n|g; s|^$ROOT/||; p" target/wasm32-unknown-unknown/release/gateway.d 2>/dev/null | tr ' ' '\n'
}
each_source() { sources | sort -u | tr '\n' '\0' | xargs -0 "$@" 2>/dev/null || true; }
fingerprint() { { rustc -vV; each_source cksum; } | cksum; }

want=$(fingerprint)
if [ -f "$OUT/index.js" ] && [ -f "$OUT/index_bg.wasm" ] && [ -f "$OUT/named.wasm" ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$want" ]; then exit 0; fi
rm -f "$STAMP"

say build "compiling the Worker (a minute or two from cold)"
began=$SECONDS
touch "$TOOLS/build.began"
# What /version answers. No part of the fingerprint: a commit alone compiles nothing again.
if commit=$(git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null); then export GIT_COMMIT=$commit; fi
if ! CARGO_TERM_COLOR=never RUST_BACKTRACE=0 logged build worker-build --release workers/gateway; then
  grep -q '^error.*could not compile' "$LOGS/build.log" || ! offline build ||
    fail build "no network (or the registry does not answer); see .tools/logs/build.log"
  grep -vE '^(\[INFO\]| *(Compiling|Downloaded|Downloading|Blocking|Updating|Locking|Fresh) )' "$LOGS/build.log" >&2 || true
  fail build "failed; the compiler's words are above and in .tools/logs/build.log"
fi
if [ ! -f "$OUT/index.js" ] || [ ! -f "$OUT/index_bg.wasm" ]; then fail build "worker-build wrote no $OUT/index.js; see .tools/logs/build.log"; fi
# A tenth of the compressed module are the names of functions. They are for `make bench ARGS=--profile`, not for a deployment.
mv "$OUT/index_bg.wasm" "$OUT/named.wasm"
"$WASM_OPT_BIN" "$OUT/named.wasm" --strip-debug -o "$OUT/index_bg.wasm" || fail build "wasm-opt could not take out the names"
# Taken anew, since cargo may just have written its list of sources for the first time; but not if one was edited meanwhile.
[ -n "$(each_source sh -c 'find "$@" -newer .tools/build.began' sh)" ] || fingerprint >"$STAMP"
say build "$OUT, wasm $(($(wc -c <"$OUT/index_bg.wasm") / 1024)) KB, compressed $(($(gzip -9c "$OUT/index_bg.wasm" | wc -c) / 1024)) KB, in $((SECONDS - began)) s"
