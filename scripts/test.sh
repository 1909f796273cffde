#!/usr/bin/env bash
# Every test: cargo's on the host, then those of tests/ through the built Worker. The last line is their sum.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

passed=0 failed=0
mkdir -p "$LOGS"
SUMMARY=$TOOLS/test-summary
rm -f "$SUMMARY"

# A runner that breaks without naming a failed test counts as one: the sum must not look clean.
# add RUNNER EXIT PASSED FAILED
add() {
  local broken=0
  if [ "$2" != 0 ] && [ "$4" = 0 ]; then broken=1; say "$1" "broke off (exit $2)"; fi
  passed=$((passed + $3)) failed=$((failed + $4 + broken))
}
finish() {
  if [ $((passed + failed)) = 0 ]; then say test "no test ran"; fi
  echo "$passed passed, $failed failed" | tee "$SUMMARY"
  [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

if ! scripts/build.sh || ! scripts/build-web.sh; then add build 1 0 0; finish; exit; fi

say test "cargo test --workspace"
log=$LOGS/cargo-test.log status=0
CARGO_TERM_COLOR=never cargo test --quiet --workspace --no-fail-fast 2>&1 | tee "$log" || status=$?
read -r p f <<<"$(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed;.*/\1 \2/p' "$log" |
  awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')"
# A test binary that aborts prints no result; only cargo's closing count of targets has it.
targets=$(sed -n 's/^error: \([0-9]*\) targets\{0,1\} failed:$/\1/p' "$log" | tail -n 1)
if [ -n "$targets" ]; then f=$((f + targets - $(grep -c '^test result: FAILED' "$log" || true))); fi
add "cargo test" "$status" "$p" "$f"

files=()
while IFS= read -r file; do files+=("$file"); done < <(find tests -name node_modules -prune -o -name '*.test.ts' -print 2>/dev/null | LC_ALL=C sort)
if [ ${#files[@]} -gt 0 ]; then
  say test "node --test (${#files[@]} files)"
  counts=$TOOLS/node-test-counts status=0 p=0 f=0
  rm -f "$counts"
  CHROMIUM_BIN=${CHROMIUM_BIN:-$(browser)} \
    node --test --test-concurrency=2 --test-timeout=600000 \
    --test-reporter=spec --test-reporter-destination=stdout \
    --test-reporter=./scripts/test-counts.mjs --test-reporter-destination="$counts" \
    "${files[@]}" || status=$?
  if [ -s "$counts" ]; then read -r p f <"$counts"; elif [ "$status" = 0 ]; then status=70; fi
  add "node --test" "$status" "$p" "$f"
fi
finish
