#!/usr/bin/env bash
# web/ → web/dist: the pages that the Worker serves as assets. By content: a second run builds nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

STAMP=$TOOLS/web.stamp
MODULES=web/node_modules/.installed

packages=$(cat web/package.json web/package-lock.json | cksum)
if [ "$(cat "$MODULES" 2>/dev/null)" != "$packages" ]; then
  say web "npm ci"
  logged web-npm npm --prefix web ci --loglevel=error --fetch-retry-mintimeout=2000 --fetch-retry-maxtimeout=10000 ||
    fail web "the packages could not be installed: $(because web-npm)"
  printf '%s\n' "$packages" >"$MODULES"
fi

fingerprint() {
  find web scripts/build-web.sh \( -name node_modules -o -name dist \) -prune -o -type f -print0 |
    LC_ALL=C sort -z | xargs -0 cksum | cksum
}
want=$(fingerprint)
if [ -f web/dist/index.html ] && [ "$(cat "$STAMP" 2>/dev/null)" = "$want" ]; then exit 0; fi

say web "building the pages"
rm -f "$STAMP"
(cd web && logged web-build node_modules/.bin/vite build) || { cat "$LOGS/web-build.log" >&2; fail web "failed; see .tools/logs/web-build.log"; }
[ -f web/dist/index.html ] || fail web "vite wrote no web/dist/index.html; see .tools/logs/web-build.log"
printf '%s\n' "$want" >"$STAMP"
first=$(grep -oE '(src|href)="/assets/[^"]*"' web/dist/index.html | sed -E 's|.*="/(.*)"|web/dist/\1|')
# shellcheck disable=SC2086
say web "web/dist, first load $(for file in $first; do gzip -9c "$file" | wc -c; done | awk '{ n += $1 } END { printf "%.1f", n / 1000 }') KB compressed"
