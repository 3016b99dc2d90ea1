#!/usr/bin/env bash
# Builds the templates of bundles, from which `twisterl-train bundle` makes files without a compiler: the module agent.wasm
# and the program agent with the built-in environments, quantum.wasm and quantum with those of quantum circuits, and beside
# each its gzip file.
#
#     scripts/build_templates.sh                 # into target/templates, where `twisterl-train bundle` finds them
#     scripts/build_templates.sh --profile dev   # quickly, and large: for tests
#     scripts/build_templates.sh --module        # the modules alone
#
# Needs cargo, and for the module rustup's target (rustup target add wasm32-unknown-unknown) or Debian's compiler (apt-get
# install rustc-web cargo-web rust-web-src lld-19). `wasm-opt` (npm install -g binaryen) makes the module a third smaller;
# without it, the script says so. Binaries are never committed. The exit code is 3 if there is no compiler for the module.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

profile=template
programs=true
while [ $# -gt 0 ]; do
    case "$1 ${2:-}" in
    "--profile "?*)
        profile=$2
        shift
        ;;
    "--module "*) programs=false ;;
    *)
        echo "build_templates.sh: expected --profile NAME or --module, found $1" >&2
        exit 2
        ;;
    esac
    shift
done
# The folder of a profile bears its name, but for that of dev.
folder=$profile
[ "$profile" != dev ] || folder=debug

target=$(cargo metadata --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
out=$target/templates
[ "$profile" = template ] || out=$target/templates-$profile
mkdir -p "$out"

# In a folder of their own, since they select other features of dependencies than the workspace does.
build=(build --locked --quiet --package twisterl-agent --profile "$profile" --target-dir "$target/agent")
# Little inlining makes a module a tenth smaller, and no slower: the products of policies are always inlined.
separator=$'\x1f'
module_flags=-Ctarget-feature=+simd128$separator-Cllvm-args=-inline-threshold=20
program_flags=()
if [ "$profile" = template ]; then
    # They go to other machines, without the paths of this one.
    remapped=$(crates/twisterl-py/wheel/remap_paths.sh)
    module_flags+=$separator$remapped
    program_flags=("CARGO_ENCODED_RUSTFLAGS=$remapped")
fi
linker=$(compgen -G '/usr/bin/wasm-ld*' | head -n 1 || true)

# module NAME FEATURES: builds the module of a template.
module() {
    local module=("${build[@]}" --lib --features "$2" --target wasm32-unknown-unknown)
    if [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown)" ]; then
        CARGO_ENCODED_RUSTFLAGS=$module_flags cargo "${module[@]}"
    elif [ -x /usr/bin/cargo ] && [ -d /usr/lib/rustlib/src/rust/library ] && [ -n "$linker" ]; then
        CARGO_ENCODED_RUSTFLAGS=$module_flags RUSTC_BOOTSTRAP=1 RUSTC=/usr/bin/rustc \
            CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER=$linker \
            /usr/bin/cargo "${module[@]}" -Z build-std=std,panic_abort
    else
        echo "build_templates.sh: no compiler for wasm32-unknown-unknown; run: rustup target add wasm32-unknown-unknown" >&2
        exit 3
    fi
    local built=$target/agent/wasm32-unknown-unknown/$folder/twisterl_agent.wasm
    if [ "$profile" = template ] && command -v wasm-opt >/dev/null; then
        # Stripping removes the list of features that the compiler uses. None of them is relaxed SIMD, whose results depend
        # on the machine.
        wasm-opt -O3 --enable-simd --enable-bulk-memory --enable-bulk-memory-opt --enable-nontrapping-float-to-int \
            --enable-sign-ext --enable-mutable-globals --enable-reference-types --enable-multivalue \
            --enable-call-indirect-overlong --enable-extended-const "$built" -o "$out/$1.wasm"
    else
        [ "$profile" != template ] || echo "SKIPPED: wasm-opt is not installed; npm install -g binaryen"
        cp "$built" "$out/$1.wasm"
    fi
    files+=("$out/$1.wasm")
}

# program NAME OPTIONS...: builds the program of a template.
program() {
    [ "$programs" = true ] || return 0
    env "${program_flags[@]}" cargo "${build[@]}" --bin twisterl-agent "${@:2}"
    cp "$target/agent/$folder/twisterl-agent" "$out/$1"
    files+=("$out/$1")
}

files=()
module agent template
program agent
module quantum template,quantum
program quantum --features quantum
for file in "${files[@]}"; do
    gzip --keep --force --no-name -9 "$file"
    printf '%s: %d bytes, %d gzipped\n' "$file" "$(wc -c <"$file")" "$(wc -c <"$file.gz")"
done
