#!/usr/bin/env bash
# The whole platform on this machine. Arguments go to `wrangler dev` last, so the caller's win.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

# Of the arguments, this script needs three: where to look for a server that is there already, and where the database is.
port=8787 ip=127.0.0.1 state=.wrangler/state option=''
for arg in "$@"; do
  case $arg in
    --*=*) option=${arg%%=*} value=${arg#*=} ;;
    -*) option=$arg; continue ;;
    *) value=$arg ;;
  esac
  case $option in
    --port) port=$value ;;
    --ip) ip=$value ;;
    --persist-to) state=$value ;;
  esac
  option=''
done

# wrangler does not take such an option twice.
defaults=()
default() {
  local name=$1 value=$2; shift 2
  case " $* " in *" $name "* | *" $name="*) ;; *) defaults+=("$name" "$value") ;; esac
}
default --port "$port" "$@"
default --ip "$ip" "$@"
default --persist-to "$state" "$@"
# The only variable set here: the Worker has development's other defaults, secrets too, in its own code. A later --var of
# the same key wins, and every --var wins over wrangler.toml and .dev.vars.
defaults+=(--var ENVIRONMENT:development)

[ -f wrangler.toml ] || fail dev "wrangler.toml is missing: this is not a whole checkout"
# Before the build, which may take minutes; without node the set-up will say so.
if command -v node >/dev/null; then
  trouble=$(node -e '
    const [port, host] = process.argv.slice(1);
    if (!/^\d+$/.test(port) || port > 65535) { console.log(`"${port}" is not a port`); process.exit(); }
    require("net").createServer()
      .on("error", (e) => console.log(e.code === "EADDRINUSE" ? `port ${port} is in use; choose another: make dev ARGS="--port ${+port + 1}"` : `cannot listen on ${host}:${port} (${e.code})`))
      .listen({ port: +port, host }, function () { this.close(); });' "$port" "$ip")
  [ -z "$trouble" ] || fail dev "$trouble"
fi

scripts/build.sh
scripts/build-web.sh

# The stamp lies in the state folder and goes with it.
stamp=$state/.development-data
want=$(cat wrangler.toml migrations/*.sql seeds/development.sql 2>/dev/null | cksum || true)
if [ ! -d "$state/v3/d1" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$want" ]; then
  mkdir -p "$state" 2>/dev/null || fail dev "cannot write to $state"
  logged d1 wrangler d1 migrations apply DB --local --persist-to "$state" ||
    fail dev "the migrations do not apply to $state; see .tools/logs/d1.log"
  if [ -f seeds/development.sql ]; then
    logged seed wrangler d1 execute DB --local --persist-to "$state" --yes --file seeds/development.sql ||
      fail dev "seeds/development.sql does not apply to $state; see .tools/logs/seed.log"
  fi
  printf '%s\n' "$want" >"$stamp"
  say dev "migrations and development data are in $state"
fi

# Workers of the same name find each other through this folder; two platforms on one machine must not.
mkdir -p "$state/registry"
WRANGLER_REGISTRY_PATH=$(cd "$state/registry" && pwd)
export WRANGLER_REGISTRY_PATH
exec wrangler dev "${defaults[@]}" "$@"
