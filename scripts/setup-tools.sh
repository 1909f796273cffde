#!/usr/bin/env bash
# worker-build and the wasm-bindgen command, under .tools/cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

BIN=$TOOLS/cargo/bin
# The command refuses a module made by any other version of the crate.
WASM_BINDGEN=$(awk '/^name = "wasm-bindgen"$/ { getline; gsub(/version = |"/, ""); print; exit }' Cargo.lock)
[ -n "$WASM_BINDGEN" ] || fail wasm-bindgen "not in Cargo.lock: this is not a whole checkout"

is_version() { [ -x "$1" ] && [ "$("$1" --version 2>/dev/null | awk '{ print $NF }')" = "$2" ]; }

# tool CRATE COMMAND VERSION [OPTION...]
tool() {
  local crate=$1 command=$2 version=$3 there; shift 3
  if is_version "$BIN/$command" "$version"; then return; fi
  rm -f "$BIN/$command"
  if there=$(command -v "$command") && is_version "$there" "$version"; then
    mkdir -p "$BIN" && ln -s "$there" "$BIN/$command"
    say "$command" "$version, the one this machine has"
    return
  fi
  say "$command" "installing $version (a few minutes, once)"
  # A registry that lags may lack a crate which the tool's own lock file names; then any that fits will do.
  install "$command" --locked "$crate@$version" "$@" ||
    { ! offline "$command" && install "$command" "$crate@$version" "$@"; } ||
    fail "$command" "$version could not be installed: $(because "$command")"
  say "$command" "$version"
}

# One target folder for both, since they share most of their dependencies. They are worth no slow optimisation.
install() {
  local name=$1; shift
  CARGO_TARGET_DIR=$TOOLS/cargo-target CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 logged "$name" cargo install --force --root "$TOOLS/cargo" "$@"
}

tool worker-build worker-build "$WORKER_BUILD"
# TLS is for its test runner only, which is not used here.
tool wasm-bindgen-cli wasm-bindgen "$WASM_BINDGEN" --no-default-features
rm -rf "$TOOLS/cargo-target"
