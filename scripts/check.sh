#!/usr/bin/env bash
# The whole gate: everything that CI checks, from a bare checkout and from any folder, in one command.
#
#     scripts/check.sh           # everything
#     scripts/check.sh --fast    # what takes little time: no Mojo, no WebAssembly, no slow Python tests
#
# Two lanes of steps run side by side: Rust in one, Python and Mojo in the other. A step shows its output when it ends, and
# the first one that fails ends the gate. Builds what it needs by itself: the Rust workspace in its dev profile, a virtual
# environment in .venv (Mojo's compiler among the rest), the Python wheel. Needs cargo (with rustfmt and clippy), a C
# linker, and Python >= 3.11 with venv; the network only while something is not there yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=.venv/bin/python
fast=false
lanes=()
state=$(mktemp -d) # what the lanes tell each other and the last line: a file for each fact
# All cargo commands select the whole workspace, and pyo3 is configured as maturin will have it: so they share one build.
export PYO3_NO_PYTHON=1 PYO3_BUILD_EXTENSION_MODULE=1

# The main process ends the lanes; a lane that fails asks for it by a signal.
stop() { # STATUS
    trap - USR1 INT TERM EXIT
    for lane in ${lanes[@]+"${lanes[@]}"}; do kill -TERM -- "-$lane" 2>/dev/null || true; done
    wait
    rm -rf "$state"
    exit "$1"
}
trap 'stop 1' USR1
trap 'stop 130' INT TERM
trap 'stop $?' EXIT

fail() {
    printf '\ncheck.sh: FAILED after %d s: %s\n' "$SECONDS" "$*" >&2
    exit 1
}

require() { # COMMAND HINT
    command -v "$1" >/dev/null || fail "$1 not found; $2"
}

skip() { # WHAT WHY
    echo "SKIPPED: $2"
    echo "$1" >>"$state/skipped"
}

# step TITLE COMMAND...: runs one check, and prints its output in one piece under a header.
step() {
    local title=$1 begun=$SECONDS output passed=true
    shift
    output=$(mktemp "$state/output.XXXXXX")
    printf '   %4d s  %s ...\n' "$SECONDS" "$title"
    "$@" >"$output" 2>&1 || passed=false
    until mkdir "$state/printing" 2>/dev/null; do sleep 0.05; done
    printf '== %4d s  %s (%d s)\n' "$SECONDS" "$title" $((SECONDS - begun))
    cat "$output"
    if [ "$passed" = false ]; then
        printf '\ncheck.sh: FAILED after %d s: %s (command: %s)\n' "$SECONDS" "$title" "$*" >&2
        kill -s USR1 $$
        sleep 60 # holding what makes others wait to print, until the main process ends this one
    fi
    echo "$title" >>"$state/passed"
    rmdir "$state/printing"
}

reached() { : >"$state/reached.$1"; }                                            # POINT
after() { until [ -e "$state/reached.$1" ]; do sleep 0.2; done; }                 # POINT

# The workspace without the engine wasmtime, which has tests of its own.
most=(--workspace --exclude twisterl-wasmtime)

# Returns 3 where the compiler is older than wasmtime asks for.
knows_wasmtime() {
    local oldest found
    oldest=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' crates/twisterl-wasmtime/Cargo.toml)
    found=$(rustc --version | cut -d ' ' -f 2)
    [ "$(printf '%s\n' "$oldest" "$found" | sort -V | head -n 1)" = "$oldest" ] || return 3
}

# With the classes of crates/twisterl-peer, which no other crate of the workspace asks for, and the engine wasmtime.
rust_lints() {
    local selection=("${most[@]}" --features twisterl/python_bindings)
    if [ "$fast" = false ] && knows_wasmtime; then
        selection=(--workspace --features twisterl/python_bindings,twisterl-train/wasmtime)
    fi
    cargo clippy "${selection[@]}" --all-targets --locked --quiet -- -D warnings
}

# In a folder of its own: with wasmtime, some of what it shares with the workspace has other features.
wasmtime() {
    if knows_wasmtime; then
        cargo test -p twisterl-wasmtime --locked --quiet --target-dir "$target/wasmtime"
    else
        skip "wasmtime" "$(rustc --version) is older than wasmtime asks for, see crates/twisterl-wasmtime/Cargo.toml"
    fi
}

# Plugins build core with few of its features, so each is linted without the others, in a folder of its own.
features() {
    local feature
    for feature in "" built-in-envs policies training; do
        cargo clippy -p twisterl-core --no-default-features --features "$feature" --locked --quiet \
            --target-dir "$target/features" -- -D warnings || return
    done
    cargo clippy -p twisterl-plugin --features python --locked --quiet --target-dir "$target/features" -- -D warnings
}

rust_docs() {
    RUSTDOCFLAGS="-D warnings" cargo doc "${most[@]}" --no-deps --locked --quiet
}

# Invariant 1: core builds for wasm32 without threads, in the template of bundles, which imports nothing. Takes the toolchain's
# own target where it is installed (rustup target add wasm32-unknown-unknown), or Debian's compiler.
wasm() {
    if scripts/build_templates.sh --profile dev --module; then
        : >"$state/module"
    elif [ $? = 3 ]; then
        skip "wasm32 build" "no compiler for wasm32-unknown-unknown; rustup target add wasm32-unknown-unknown"
    else
        return 1
    fi
}

# Bundles on every host that is installed; without the module, on this program and the executable.
bundles() {
    [ -e "$state/module" ] || rm -rf "$target/templates-dev"
    command -v node >/dev/null || skip "bundles in Node.js" "Node.js is not installed"
    "$python" -c 'import wasmtime' 2>/dev/null ||
        skip "bundles in wasmtime" "the Python package wasmtime is not installed; .venv/bin/pip install wasmtime"
    "$python" -c 'import playwright' 2>/dev/null && command -v chromium google-chrome >/dev/null ||
        skip "bundles in a browser" "Chromium or the Python package playwright is not installed"
    python_tests tests/test_bundles.py tests/test_agents.py
}

# No dependency asks for a newer Rust than the workspace does, and the oldest Rust checks it where rustup has that. (The
# lint incompatible_msrv looks after what we use of the standard library.)
msrv() {
    local oldest
    oldest=$(cargo metadata --format-version 1 --locked | python3 -c '
import json, sys
def key(version): return [int(part) for part in version.split(".")[:2]]
metadata = json.load(sys.stdin)
packages = {package["id"]: package for package in metadata["packages"]}
ours = next(package["rust_version"] for package in packages.values() if package["name"] == "twisterl-core")
needed = {node["id"]: [dep["pkg"] for dep in node["deps"]] for node in metadata["resolve"]["nodes"]}
# All but the engine wasmtime, a crate with an oldest Rust of its own, and what it alone depends on.
reached, ahead = set(), [id for id in metadata["workspace_members"] if packages[id]["name"] != "twisterl-wasmtime"]
while ahead:
    if (id := ahead.pop()) not in reached:
        reached.add(id)
        ahead += needed[id]
newer = [p for id, p in packages.items() if id in reached and p["rust_version"] and key(p["rust_version"]) > key(ours)]
for package in newer:
    print(package["name"], package["version"], "needs Rust", package["rust_version"] + ", rust-version is", ours, file=sys.stderr)
sys.exit(1) if newer else print(ours)
') || return
    if command -v rustup >/dev/null && rustup toolchain list | grep -q "^${oldest//./\\.}[.-]"; then
        rustup run "$oldest" cargo check "${most[@]}" --all-targets --locked --quiet --target-dir "$target/msrv"
    else
        skip "build with Rust $oldest" "Rust $oldest is not installed; rustup toolchain install $oldest"
    fi
}

# The wheel names all that it contains, see crates/twisterl-py/wheel/notices.py; deny.toml says what it may contain.
dependencies() {
    python3 crates/twisterl-py/wheel/notices.py --check || return
    if ! cargo deny --version >/dev/null 2>&1; then
        skip "cargo-deny" "cargo-deny is not installed; cargo install cargo-deny"
        return
    fi
    cargo deny --log-level error check --hide-inclusion-graph licenses bans sources || return
    if cargo deny fetch db >/dev/null 2>&1; then
        cargo deny --log-level error check advisories
    else
        skip "advisories" "the database of advisories cannot be reached"
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

# The tests build environments in other languages, and skip those without a compiler: here are the names.
compilers_of_environments() {
    local module
    for module in puzzle_c puzzle_as puzzle_rust; do
        environments/build.sh --out "$target/environments" --check "$module" && continue
        [ $? = 3 ] || return 1
        skip "environment $module" "no compiler for it, see environments/build.sh"
    done
}

# Runs over Ray are tested where it can be installed, and those over processes everywhere.
over_ray() {
    "$python" -c 'import ray' 2>/dev/null ||
        "$python" -m pip install --quiet --disable-pip-version-check 'ray>=2.40' 2>/dev/null ||
        skip "runs over Ray" "the Python package ray cannot be installed here"
}

# The tests of Qiskit's compiler skip themselves where it is not installed: here they are named.
qiskit() {
    "$python" -c 'import qiskit' 2>/dev/null ||
        skip "circuits of Qiskit" "the Python package qiskit is not installed; .venv/bin/pip install qiskit"
}

# Several files at a time, on as many cores as there are and at most four. Some tests kill programs, or interrupt them, at one
# point of their work, which a busy machine can make them miss: what fails is asked once more, alone, and named at the end.
python_tests() { # OPTIONS of pytest
    local -x TWISTERL_TRAIN_BIN=$target/debug/twisterl-train
    local cache=$state/pytest.$BASHPID status=0
    "$python" -m pytest --quiet -o cache_dir="$cache" --numprocesses auto --maxprocesses 4 --dist loadfile "$@" || status=$?
    [ "$status" = 1 ] || return "$status"
    printf '\nThe tests that failed are run again, alone.\n'
    "$python" -m pytest --quiet -o cache_dir="$cache" --last-failed --last-failed-no-failures none -rp "$@" |
        tee "$state/again" || return
    sed -n 's/^PASSED //p' "$state/again" >>"$state/second"
}

# The Mojo port, where there is a Mojo: compiler and standard library come from PyPI.
mojo_port() {
    case "$(uname -s) $(uname -m)" in
    "Linux x86_64" | "Linux aarch64" | "Darwin arm64") ;;
    *)
        skip "Mojo" "there is no Mojo for $(uname -s) on $(uname -m)"
        return
        ;;
    esac
    "$python" -m pip install --quiet --disable-pip-version-check --requirement mojo/requirements.txt || return
    local PATH=$PWD/.venv/bin:$PATH
    mblack --check --quiet --line-length 120 mojo || { echo "run: .venv/bin/mblack --line-length 120 mojo"; return 1; }
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
        skip "Mojo on accelerators" "only tried on Linux"
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

rust_lane() {
    step "Rust format" cargo fmt --all --check
    step "Structure of the sources" python3 scripts/check_structure.py
    step "Rust lints" rust_lints
    step "Rust build" cargo test "${most[@]}" --locked --quiet --no-run
    after environment
    step "Python wheel" wheel
    reached wheel
    step "Rust tests, benches once each" cargo test "${most[@]}" --locked --quiet
    [ "$fast" = false ] || return 0
    step "Features of core" features
    step "Engine wasmtime" wasmtime
    step "Rust documentation" rust_docs
    step "Template of bundles for WebAssembly" wasm
    step "Bundles" bundles
    step "Oldest Rust" msrv
    step "Dependencies" dependencies
}

python_lane() {
    step "Python environment" environment
    reached environment
    step "Python lints" "$python" -m ruff check
    step "Python format" "$python" -m ruff format --check
    step "Python types" "$python" -m mypy
    step "Spelling" .venv/bin/typos
    step "Compilers of environments" compilers_of_environments
    step "Qiskit" qiskit
    if [ "$fast" = false ]; then
        step "Mojo port" mojo_port
        step "Mojo for accelerators" mojo_accelerator
    fi
    after wheel
    if [ "$fast" = false ]; then
        step "Ray" over_ray
        step "Python tests" python_tests --ignore tests/test_bundles.py --ignore tests/test_agents.py
    else
        step "Python tests, quick ones" python_tests -m "not slow"
    fi
}

case "$*" in
"") ;;
--fast)
    fast=true
    for what in Mojo wasmtime "wasm32 build" documentation "oldest Rust" dependencies "slow Python tests"; do
        echo "$what" >>"$state/skipped"
    done
    ;;
*) fail "expected no argument or --fast, found $*" ;;
esac
require cargo "install Rust from https://rustup.rs"
require cc "install a C linker (Debian: gcc)"
require python3 "install Python 3.11 or newer"
python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
    fail "Python >= 3.11 with venv is needed (Debian: python3-venv), found $(python3 --version)"
# Where cargo builds: target/, unless its configuration or environment says otherwise.
target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])') || fail "cargo cannot read the workspace"

touch "$state/passed" "$state/skipped"
set -m # each lane gets a process group of its own, to be ended with all that it started
for lane in rust_lane python_lane; do
    (
        trap - USR1 INT TERM EXIT
        "$lane"
    ) &
    lanes+=($!)
done
set +m
for lane in "${lanes[@]}"; do wait "$lane" || stop 1; done

[ ! -s "$state/second" ] || { printf '\nPassed only when run alone:\n'; cat "$state/second"; }
left_out=$(sort -u "$state/skipped" | paste -s -d , - | sed 's/,/, /g')
printf '\ncheck.sh: all %d steps passed in %d s%s\n' "$(grep -c . "$state/passed")" "$SECONDS" \
    "${left_out:+ (skipped: $left_out)}"
