#!/usr/bin/env bash
# The whole gate: everything that CI checks, from a bare checkout and from any folder, in one command.
#
# Stops at the first step that fails. Builds what it needs by itself: the Rust workspace in its dev profile, a virtual
# environment in .venv (Mojo's compiler among the rest), the Python wheel. Needs cargo (with rustfmt and clippy), a C
# linker, and Python >= 3.11 with venv; the network only while something is not there yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=.venv/bin/python
skipped=()
steps=0

fail() {
    printf '\ncheck.sh: FAILED after %d s: %s\n' "$SECONDS" "$*" >&2
    exit 1
}

# step TITLE COMMAND...: runs one check under a header that shows the time elapsed.
step() {
    local title=$1
    shift
    printf '\n== %4d s  %s\n' "$SECONDS" "$title"
    "$@" || fail "$title (command: $*)"
    steps=$((steps + 1))
}

require() { # COMMAND HINT
    command -v "$1" >/dev/null || fail "$1 not found; $2"
}

rust_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

# Invariant 1: core builds for wasm32 without its default features. Takes the toolchain's own target where it is
# installed (rustup target add wasm32-unknown-unknown), or Debian's compiler, which builds the standard library itself.
wasm() {
    local linker args=(
        build --package twisterl-core --no-default-features --target wasm32-unknown-unknown --locked
        --target-dir "$target/wasm"
        # Only whether it builds is of interest, so that nothing is optimised.
        --config 'profile.dev.opt-level=0' --config 'profile.dev.package."*".opt-level=0'
    )
    linker=$(compgen -G '/usr/bin/wasm-ld*' | head -n 1 || true)
    if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
        cargo "${args[@]}"
    elif [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust/library ] && [ -n "$linker" ]; then
        RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker \
            /usr/bin/cargo "${args[@]}" -Z build-std=std,panic_abort
    else
        echo "SKIPPED: no compiler for wasm32-unknown-unknown; rustup target add wasm32-unknown-unknown"
        skipped+=("wasm32 build")
    fi
}

# The environment is made once, and again when pyproject.toml changes.
environment() {
    local stamp=.venv/dev-extras.toml
    cmp -s pyproject.toml "$stamp" && return
    [ -x "$python" ] || python3 -m venv .venv || return
    "$python" - <<'PY' | xargs -d '\n' "$python" -m pip install --quiet --disable-pip-version-check || return
import pathlib, tomllib
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
print(*project["optional-dependencies"]["dev"], sep="\n")
PY
    cp pyproject.toml "$stamp"
}

# The wheel is built in the dev profile, so that it shares what the Rust tests compiled.
wheel() {
    local wheels=$target/wheels
    rm -rf "$wheels"
    "$python" -m maturin build --locked --profile dev --interpreter "$python" --out "$wheels" || return
    "$python" -m pip install --quiet --disable-pip-version-check --force-reinstall --no-deps --no-index "$wheels"/*.whl
}

# The Mojo port, where there is a Mojo: compiler and standard library come from PyPI.
mojo_port() {
    case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Linux aarch64" | "Darwin arm64") ;;
    *)
        echo "SKIPPED: there is no Mojo for $(uname -s) on $(uname -m)"
        skipped+=("Mojo")
        return
        ;;
    esac
    "$python" -m pip install --quiet --disable-pip-version-check --requirement mojo/requirements.txt || return
    local PATH=$PWD/.venv/bin:$PATH
    mblack --check --quiet --line-length 120 mojo || { echo "run: mojo format --line-length 120 mojo"; return 1; }
    mkdir -p "$target/mojo" || return
    # One program each, several at a time: in a program of several, some modules find none of their tests.
    printf '%s\0' mojo/tests/test_*.mojo |
        xargs -0 -n 1 -P "$(getconf _NPROCESSORS_ONLN)" bash -c 'mojo_tests "$@"' "$target/mojo"
}

# Compiles and runs one file of Mojo tests into the folder $0; what it prints comes at its end, in one piece.
mojo_tests() {
    local program=$0/$(basename "$1" .mojo) said
    said=$(mojo build --Werror -I mojo/src -o "$program" "$1" 2>&1 && "$program" 2>&1)
    local status=$?
    printf '%s\n' "$said"
    return "$status"
}
export -f mojo_tests

# The Mojo port's path for accelerators, compiled for one by name; its tests run on the processor in its place.
mojo_accelerator() {
    if [ "$(uname -s)" != Linux ]; then
        echo "SKIPPED: only tried on Linux"
        skipped+=("Mojo on accelerators")
        return
    fi
    "$python" -m pip install --quiet --disable-pip-version-check --requirement mojo/gpu/requirements.txt || return
    local PATH=$PWD/.venv/bin:$PATH
    mkdir -p "$target/mojo/gpu_tests" || return
    printf '%s\0' train_puzzle benchmark tests/test_forward |
        xargs -0 -I {} -P "$(getconf _NPROCESSORS_ONLN)" mojo build --Werror -I mojo/src -I mojo/gpu \
            --target-accelerator sm_90 -o "$target/mojo/gpu_{}" mojo/gpu/{}.mojo || return
    "$target/mojo/gpu_tests/test_forward"
}

require cargo "install Rust from https://rustup.rs"
require cc "install a C linker (Debian: gcc)"
require python3 "install Python 3.11 or newer"
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python >= 3.11 with venv is needed (Debian: python3-venv), found $(python3 --version)"
# Where cargo builds: target/, unless its configuration or environment says otherwise.
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])') || fail "cargo cannot read the workspace"

step "Rust format" cargo fmt --all --check
step "Rust lints" cargo clippy --workspace --all-targets --locked -- -D warnings
step "Rust tests" cargo test --workspace --locked -- --quiet
step "Rust benches, once each" cargo test --package twisterl-train --bench hot_paths --locked -- --quiet
step "Rust documentation" rust_docs
step "Core for WebAssembly" wasm
step "Trainer binary" cargo build --package twisterl-train --locked
step "Python environment" environment
step "Python lints" "$python" -m ruff check
step "Python format" "$python" -m ruff format --check
step "Mojo port" mojo_port
step "Mojo for accelerators" mojo_accelerator
step "Python wheel" wheel
export TWISTERL_TRAIN_BIN=$target/debug/twisterl-train
step "Python tests" "$python" -m pytest --quiet

printf '\ncheck.sh: all %d steps passed in %d s%s\n' "$steps" "$SECONDS" "${skipped:+ (skipped: ${skipped[*]})}"
