#!/usr/bin/env bash
# A Rust compiler with the standard library of wasm32-unknown-unknown.
# rustup is the way; where it cannot download, Debian's rustc-web with a standard library built from its sources.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/env.sh

TARGET=wasm32-unknown-unknown
MADE=$TOOLS/rust
BY_HAND="run: rustup target add $TARGET"

version_of() { "$1" --version 2>/dev/null | awk '{ sub(/-.*/, "", $2); print $2 }'; }
new_enough() { [ "$(printf '%s\n' "$MIN_RUST" "$1" | sort -V | head -n 1)" = "$MIN_RUST" ]; }
has_target() {
  local lib
  lib=$("$1" --print target-libdir --target "$TARGET" 2>/dev/null) && compgen -G "$lib/libcore-*.rlib" >/dev/null
}

debian_toolchain() {
  local hands_off="$BY_HAND (it failed here; see .tools/logs/rustup.log)"
  command -v apt-get >/dev/null || fail "wasm target" "missing; $hands_off"
  local packages=(rustc-web cargo-web rust-web-src rust-web-llvm) lld
  if ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    [ "$(id -u)" = 0 ] || fail "wasm target" "missing; $hands_off, or as root: apt-get install ${packages[*]}"
    say "wasm target" "rustup cannot get it here; installing Debian's rustc-web"
    apt "${packages[@]}" || fail "wasm target" "missing; rustup: $(because rustup); apt-get: $(because apt)"
  fi
  lld=$(basename "$(readlink /usr/bin/rust-lld)")
  if ! command -v "$lld" >/dev/null; then
    apt "$lld" || fail "wasm target" "the linker $lld is missing: $(because apt)"
  fi
  new_enough "$(version_of /usr/bin/rustc)" ||
    fail "wasm target" "Debian's rustc $(version_of /usr/bin/rustc) is older than $MIN_RUST; $BY_HAND"
  say "wasm target" "building the standard library from Debian's sources (half a minute)"
  standard_library
  say "wasm target" "ready (Debian's rustc $(version_of /usr/bin/rustc), under .tools/rust)"
}

apt() {
  export DEBIAN_FRONTEND=noninteractive
  logged apt apt-get -o DPkg::Lock::Timeout=300 update || return 1
  logged apt apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

# A sysroot of our own: Debian's host library linked, ours for wasm beside it. Nothing outside the project is written.
standard_library() {
  local new=$MADE.new host lib
  rm -rf "$new" && mkdir -p "$new/build/src" "$new/bin"
  host=$(/usr/bin/rustc -vV | sed -n 's/^host: //p')
  printf '[package]\nname = "empty"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n' >"$new/build/Cargo.toml"
  : >"$new/build/src/lib.rs"
  # Without the bitcode in it, link-time optimisation of our own crates fails.
  logged wasm-std env -C "$new/build" -u RUSTUP_TOOLCHAIN -u CARGO_TARGET_DIR -u CARGO_ENCODED_RUSTFLAGS \
    RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes \
    /usr/bin/cargo build -Zbuild-std=std,panic_abort,panic_unwind,proc_macro --target "$TARGET" --release ||
    fail "wasm target" "the standard library did not build: $(because wasm-std)"
  lib=$new/sysroot/lib/rustlib
  mkdir -p "$lib/$TARGET/lib"
  ln -s "$(/usr/bin/rustc --print sysroot)/lib/rustlib/$host" "$lib/$host"
  find "$new/build/target/$TARGET/release/deps" \( -name '*.rlib' -o -name '*.rmeta' \) ! -name 'libempty*' \
    -exec cp {} "$lib/$TARGET/lib/" \;
  rm -rf "$new/build"
  local tool
  for tool in rustc rustdoc; do
    printf '#!/bin/sh\nexec /usr/bin/%s --sysroot "$(dirname "$0")/../sysroot" "$@"\n' "$tool" >"$new/bin/$tool"
    chmod +x "$new/bin/$tool"
  done
  ln -s /usr/bin/cargo "$new/bin/cargo"
  version_of /usr/bin/rustc >"$new/version"
  rm -rf "$MADE" && mv "$new" "$MADE"
}

if [ -d "$MADE" ]; then
  # A library fits only the compiler that built it, and Debian's may have been upgraded since.
  if [ "$(cat "$MADE/version" 2>/dev/null)" = "$(version_of /usr/bin/rustc)" ] && has_target "$MADE/bin/rustc"; then exit 0; fi
  debian_toolchain
  exit 0
fi

found=$(version_of rustc)
[ -n "$found" ] || fail "wasm target" "no working rustc: install Rust $MIN_RUST or newer (https://rustup.rs)"
if new_enough "$found"; then
  has_target rustc && exit 0
  if command -v rustup >/dev/null; then
    say "wasm target" "rustup target add $TARGET"
    limit=(); command -v timeout >/dev/null && limit=(timeout 90)
    if logged rustup ${limit[@]+"${limit[@]}"} rustup target add "$TARGET" && has_target rustc; then
      say "wasm target" "ready (rustc $found)"
      exit 0
    fi
  else
    mkdir -p "$LOGS" && echo "there is no rustup on this machine" >"$LOGS/rustup.log"
  fi
else
  BY_HAND="rustc $found is older than $MIN_RUST; run: rustup update stable && rustup target add $TARGET"
fi
debian_toolchain
