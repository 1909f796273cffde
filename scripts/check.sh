#!/usr/bin/env bash
# Everything that can be said about the sources without running them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh
scripts/setup.sh
one_at_a_time check

# rustfmt and clippy are those of the machine's own toolchain, the same lints everywhere. Beside a toolchain of
# .tools/rust they need a target folder of their own.
own_path=$PATH
if [ -d "$TOOLS/rust" ]; then
  own_path=${PATH//"$TOOLS/rust/bin:"/}
  export CARGO_TARGET_DIR=$ROOT/target/lint
fi
lint() { PATH=$own_path cargo "$@"; }
for part in fmt clippy; do
  lint "$part" --version >/dev/null 2>&1 || fail check "no cargo $part: run: rustup component add rustfmt clippy"
done

say check rustfmt
lint fmt --all --check || fail check "not formatted; run: cargo fmt --all"

say check clippy
lint clippy --quiet --workspace --all-targets -- -D warnings || fail check "clippy (host)"
# Its benchmark needs a feature, and is not compiled without.
lint clippy --quiet -p rules --features bench --all-targets -- -D warnings || fail check "clippy (benchmark of the rules)"
if PATH=$own_path rustc --print target-libdir --target wasm32-unknown-unknown | xargs -I{} test -d {}; then
  lint clippy --quiet -p gateway --target wasm32-unknown-unknown -- -D warnings || fail check "clippy (wasm32)"
else
  say check "clippy for the host only: this machine's own toolchain has no wasm32 target (the build uses another)"
fi

for pure in domain actors; do
say check "$pure is pure"
# With features, because chrono is allowed as a calendar but not as a clock.
impure='^(worker|worker-.*|wasm-bindgen.*|js-sys|web-sys|getrandom|rand|fastrand|jiff|tokio|mio|reqwest|hyper|ureq|uuid|ring|iana-time-zone) '
impure+='|^(chrono|time) feature "(clock|now|local-offset|wasmbind|wasm-bindgen)"'
if found=$(cargo tree --quiet -p "$pure" --edges normal,build,features --target all --prefix none | sort -u | grep -E "$impure"); then
  printf '%s\n' "$found" >&2
  fail check "$pure depends on a clock, randomness, I/O or the platform"
fi
impure='std::(fs|net|env|process|thread)\b|SystemTime|Instant::now|thread_rng|thread_local!|\bRandomState\b'
if found=$(grep -rnE "$impure" "$pure/src" --include='*.rs' | grep -vE '^[^:]+:[0-9]+: *//'); then
  printf '%s\n' "$found" >&2
  fail check "$pure reads a clock, randomness or the outside world"
fi
say check "$pure has no circle of imports"
node scripts/circles.mjs "$pure" || fail check "$pure has a circle of imports between its files"
done

say check "mutants find their places"
node tests/mutants/check.mjs || fail check "a deliberate fault of tests/mutants/list.mjs has lost its place"

scripts/build-web.sh
for project in tests web; do
  [ -f "$project/tsconfig.json" ] || continue
  say check "types of $project/"
  tsc --noEmit -p "$project" || fail check "types of $project/"
done

echo "check passed"
