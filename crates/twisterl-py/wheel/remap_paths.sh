#!/usr/bin/env bash
# Prints flags of rustc that leave the paths of the machine out of what is built, separated as in CARGO_ENCODED_RUSTFLAGS.
#
# Compilers write the paths of sources into panic messages, and stable Rust cannot leave them out by a profile (`trim-paths`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
separator=$'\x1f' # paths may have spaces
flags=${CARGO_ENCODED_RUSTFLAGS:-}
for pair in "$PWD=twisterl" "$cargo_home/registry/src=crates" "$cargo_home/git/checkouts=crates" "$sysroot=rust"; do
    flags+=${flags:+$separator}--remap-path-prefix=$pair
done
printf '%s' "$flags"
