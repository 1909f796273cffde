#!/usr/bin/env bash
# To Cloudflare's network: the database's migrations first, then the Worker. Options go to `wrangler deploy` (--dry-run).
# The database and the queues are made once, by hand; the database's id differs between accounts and comes from outside.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

for name in CLOUDFLARE_API_TOKEN CLOUDFLARE_ACCOUNT_ID D1_DATABASE_ID JWT_SECRET PAYMENT_WEBHOOK_SECRET; do
  [ -n "${!name:-}" ] || fail deploy "$name is not set"
done
scripts/build.sh

# Beside wrangler.toml, because its paths are relative to where it lies.
config=wrangler.deploy.toml secrets=$(mktemp)
trap 'rm -f "$config" "$secrets"' EXIT
sed -E "s/^( *database_id *= *).*/\1\"$D1_DATABASE_ID\"/" wrangler.toml >"$config"
grep -qF "$D1_DATABASE_ID" "$config" || fail deploy "wrangler.toml has no line database_id = …"
# Through a file: arguments can be read by every process of the machine.
node -p 'JSON.stringify(Object.fromEntries(["JWT_SECRET", "PAYMENT_WEBHOOK_SECRET", "METRICS_TOKEN"]
  .filter((name) => process.env[name]).map((name) => [name, process.env[name]])))' >"$secrets"

case " $* " in
  *" --dry-run "*) ;;
  *) wrangler d1 migrations apply DB --remote --config "$config" ;;
esac
wrangler deploy --config "$config" --secrets-file "$secrets" \
  --var ENVIRONMENT:production ${ALLOWED_ORIGINS:+--var "ALLOWED_ORIGINS:$ALLOWED_ORIGINS"} "$@"
