#!/usr/bin/env bash
# Hostile input at scale: scripts/fuzz.sh [CASES [SEED]]
#
# CASES for each target (100000 where not said; a history is one case of up to 23 inputs), SEED to repeat a run (a new one
# where not said). A target fails with the shortest input that it was found to fail on.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

export FUZZ_CASES=${1:-100000}
export FUZZ_SEED=${2:-$(od -An -N6 -tu8 /dev/urandom | tr -d ' ')}
export RUST_BACKTRACE=0
log=$LOGS/fuzz.log
mkdir -p "$LOGS"

say fuzz "building"
cargo test --quiet -p fuzz -p gateway --lib --tests --no-run || fail fuzz "does not compile"

say fuzz "$FUZZ_CASES cases for each target, seed $FUZZ_SEED"
status=0
nice cargo test --quiet -p fuzz --test hostile -- --nocapture >"$log" 2>&1 || status=$?
nice cargo test --quiet -p gateway --lib -- hostile --nocapture >>"$log" 2>&1 || status=$?

# Of lines `fuzz NAME inputs=… accepted=… refused=… ms=… input_bytes=… peak_bytes=…`.
awk '
  /^\.*fuzz [a-z-]+ inputs=/ {
    for (i = 3; i <= NF; i++) { split($i, pair, "="); of[pair[1]] = pair[2] }
    if (!targets++) printf "%-24s %10s %10s %10s %8s %14s %12s\n", "target", "inputs", "accepted", "refused", "seconds", "input bytes", "peak bytes"
    printf "%-24s %10d %10d %10d %8.1f %14.0f %12d\n", $2, of["inputs"], of["accepted"], of["refused"], of["ms"] / 1000, of["input_bytes"], of["peak_bytes"]
    inputs += of["inputs"]; accepted += of["accepted"]; refused += of["refused"]; seconds += of["ms"] / 1000; bytes += of["input_bytes"]
    if (of["peak_bytes"] > peak) peak = of["peak_bytes"]
  }
  END { printf "%-24s %10d %10d %10d %8.1f %14.0f %12d\n", targets + 0 " targets", inputs, accepted, refused, seconds, bytes, peak }
' "$log"

if [ "$status" != 0 ]; then
  grep -aE '^[a-z-]+ \(FUZZ_SEED=|^input: |panicked at|^error' "$log" | sort -u | cut -c1-2000 | head -40 >&2
  fail fuzz "failed; the whole log is .tools/logs/fuzz.log, repeat it with: scripts/fuzz.sh $FUZZ_CASES $FUZZ_SEED"
fi
say fuzz "passed"
