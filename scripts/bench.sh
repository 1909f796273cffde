#!/usr/bin/env bash
# The figures; what is measured and how is in docs/BENCHMARKS.md.
#   (nothing)            all of the next four: --rounds N, --quick, --nice=-10, --no-build
#   --works              every kind of request against its floor, and a whole purchase
#   --crowd PEOPLE,…     people who buy and think in between
#   --burst PEOPLE       they join at once, at events that nobody has touched: --events N
#   --rate JOINS         so many a second: latency from the intended time
#   --profile WORK       where the processor time of status, join, enter, hold or pay goes
#   --overload           three times as many joins as are served: --seconds N --parts N --newcomers N --connections N, --floor for a plain object
#   --rules              the rules alone, native: criterion and memory; the rest goes to criterion
#   --objects            what each object takes by itself, without the gateway; holds in calls of 1, 16, 64: --rounds N
#   --start              how long the Worker takes to start: --rounds N
#   --live               how soon seats and places reach thousands of sockets: --seats N,… --places N,…
#   --web                times and frames of the pages in a browser, judged by their budgets
#   --model [FILE]       the model of a whole sale and its price, fed with FILE or the last figures
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

# compile CRATE ARGS...: this crate alone; the Worker is not touched.
compile() {
  CARGO_TERM_COLOR=never logged bench-build cargo build --profile bench-client -p "$@" ||
    { tail -n 20 "$LOGS/bench-build.log" >&2; fail bench "the crate $1 does not compile; $(because bench-build)"; }
}

case "${1:-}" in
  --model)
    shift
    compile load --bin model
    exec target/bench-client/model "$@"
    ;;
  --rules)
    shift
    CARGO_TERM_COLOR=never cargo bench --quiet -p rules --features bench --bench rules -- "$@"
    cargo run --quiet -p rules --profile bench-client --bin memory
    cargo build --quiet -p rules --profile bench-client --bin memory --target wasm32-unknown-unknown
    exec node tests/bench/memory.ts target/wasm32-unknown-unknown/bench-client/memory.wasm
    ;;
esac

build=yes args=()
for arg in "$@"; do
  if [ "$arg" = --no-build ]; then build=; else args+=("$arg"); fi
done
if [ -n "$build" ]; then scripts/build.sh; fi
if [ "${args[0]:-}" = --live ]; then
  compile load --bin pages
  exec node tests/bench/live.ts "${args[@]:1}"
fi
if [ "${args[0]:-}" = --web ]; then
  scripts/build-web.sh
  CHROMIUM_BIN=${CHROMIUM_BIN:-$(browser)} BUDGETS=1 exec node --test --test-concurrency=1 tests/web-budget.test.ts tests/web-live.test.ts tests/web-map.test.ts tests/web-recovery.test.ts
fi
compile load --bin load
case "${args[0]:-}" in
  --profile) exec node tests/bench/profile.ts "${args[@]:1}" ;;
  --overload) exec node tests/bench/overload.ts "${args[@]:1}" ;;
  --objects)
    compile questions --target wasm32-unknown-unknown
    exec node tests/bench/objects.ts "${args[@]:1}"
    ;;
  --start) exec node tests/bench/start.ts "${args[@]:1}" ;;
  *) exec node tests/bench/run.ts ${args[@]+"${args[@]}"} ;;
esac
