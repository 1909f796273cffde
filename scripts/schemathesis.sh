#!/usr/bin/env bash
# schemathesis against the built Worker: every operation of the contract, with a sale's ids and tokens, then with nobody's.
#
#   scripts/schemathesis.sh [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

VERSION=4.32.5
VENV=$TOOLS/schemathesis
seed=${1:-1}

command -v python3 >/dev/null || fail schemathesis "python3 is missing"
if [ "$(cat "$VENV/.version" 2>/dev/null)" != "$VERSION" ]; then
  say schemathesis "setting up $VERSION in .tools/"
  rm -rf "$VENV"
  logged schemathesis-setup python3 -m venv "$VENV" || fail schemathesis "python3 has no venv; see .tools/logs/schemathesis-setup.log"
  logged schemathesis-setup "$VENV/bin/pip" install --disable-pip-version-check "schemathesis==$VERSION" ||
    fail schemathesis "could not be installed: $(because schemathesis-setup)"
  printf '%s\n' "$VERSION" >"$VENV/.version"
fi
scripts/build.sh

folder=$(mktemp -d)
server=''
# The server ends with its input; whatever happens here, it is waited for by its id.
finish() {
  if [ -n "$server" ]; then
    exec {input}>&-
    wait "$server" || true
  fi
  rm -rf "$folder"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

coproc SERVER { exec node tests/schemathesis.ts "$folder"; }
server=$SERVER_PID
input=${SERVER[1]} output=${SERVER[0]}
read -r url WEBHOOK_SECRET <&"$output" || fail schemathesis "the server did not start"
export WEBHOOK_SECRET
say schemathesis "the server and its sale are ready"

# What schemathesis keeps between runs belongs to the run.
run() {
  local pass=$1; shift
  (cd "$folder" && ANSWERS=$folder/$pass.answers.json "$VENV/bin/schemathesis" --no-color --config-file "$pass.toml" run openapi.json --url "$url" \
    --seed "$seed" --generation-database none --continue-on-failure --warnings off \
    --report json --report-json-path "$pass.json" "$@") >"$LOGS/schemathesis-$pass.log" 2>&1
}
mkdir -p "$LOGS"
status=0
run user --phases examples,coverage,fuzzing,stateful --max-examples 40 || status=1
run anyone --phases examples,coverage --max-examples 10 || status=1

node scripts/schemathesis-summary.mjs workers/gateway/src/contract/openapi.json "$folder" user anyone || status=1
if [ "$status" != 0 ]; then
  grep -hA14 '^- ST[0-9]' "$LOGS"/schemathesis-{user,anyone}.log | cut -c1-300 >&2 || true
  fail schemathesis "failed; the whole of it is in .tools/logs/schemathesis-{user,anyone}.log"
fi
say schemathesis "passed"
