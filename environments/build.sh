#!/usr/bin/env bash
# Builds the environments in this folder as WebAssembly modules, which import nothing.
#
#     environments/build.sh                     # all of them, into target/environments
#     environments/build.sh --out DIR puzzle_c  # some of them, into another folder
#     environments/build.sh --check             # only looks for the compilers
#
# Modules are named after their source and language: puzzle_c, puzzle_as (AssemblyScript), puzzle_rust, and so on. C needs clang
# with wasm-ld (Debian: apt-get install clang lld) or zig (pip install ziglang), AssemblyScript its compiler asc (npm install -g
# assemblyscript), Rust the target wasm32-unknown-unknown (rustup target add wasm32-unknown-unknown). Modules without a compiler
# are named and left out; the exit code is then 3. Modules are never committed.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

out=
check=false
chosen=()
while [ $# -gt 0 ]; do
    case $1 in
    --out)
        [ $# -ge 2 ] || { echo "build.sh: --out needs a folder" >&2; exit 2; }
        out=$2
        shift
        ;;
    --check) check=true ;;
    -*)
        echo "build.sh: expected --out DIR, --check or names of modules, found $1" >&2
        exit 2
        ;;
    *) chosen+=("$1") ;;
    esac
    shift
done
out=${out:-${CARGO_TARGET_DIR:-$root/target}/environments}
mkdir -p "$out"

# Prints the first of these programs that there is.
first() {
    local name
    for name in "$@"; do
        command -v "$name" && return
    done
    return 1
}

# Compiles $1 to $2. clang and its linker one after the other: together they also run a wasm-opt, of whatever version.
c() {
    local clang linker flags
    local -a zig
    flags=(-O2 -mbulk-memory -Wall -Wextra -Werror -I"$root/crates/twisterl-plugin/include" "$1")
    clang=$(first clang clang-2{2,1,0} clang-1{9,8,7,6,5,4}) || clang=
    linker=$(first wasm-ld wasm-ld-2{2,1,0} wasm-ld-1{9,8,7,6,5,4}) || linker=
    if [ -n "$clang" ] && [ -n "$linker" ]; then
        $check && return
        "$clang" --target=wasm32 "${flags[@]}" -c -o "$2.o"
        "$linker" --no-entry --strip-all "$2.o" -o "$2"
        rm "$2.o"
        return
    elif first zig >/dev/null; then
        zig=(zig)
    elif python3 -c 'import ziglang' 2>/dev/null; then
        zig=(python3 -m ziglang)
    else
        return 3
    fi
    $check && return
    "${zig[@]}" cc --target=wasm32-freestanding -nostdlib "${flags[@]}" -Wl,--no-entry -Wl,--strip-all -o "$2"
}

assemblyscript() {
    local asc
    asc=$(first asc "$root/node_modules/.bin/asc") || return 3
    $check && return
    "$asc" "$1" --outFile "$2" --runtime stub --optimizeLevel 3 --use abort=
}

rust() {
    [ -d "$(rustc --print target-libdir --target wasm32-unknown-unknown 2>/dev/null)" ] || return 3
    $check && return
    local target=${CARGO_TARGET_DIR:-$root/target}/environments-rust name
    name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$1" | head -n 1)
    cargo build --quiet --locked --release --manifest-path "$1" --target wasm32-unknown-unknown --target-dir "$target" >&2
    cp "$target/wasm32-unknown-unknown/release/${name//-/_}.wasm" "$2"
}

missing=()
built=()
build() { # MODULE COMPILER SOURCE NEEDS
    local status=0
    [ ${#chosen[@]} = 0 ] || [[ " ${chosen[*]} " = *" $1 "* ]] || return 0
    built+=("$1")
    "$2" "$here/$3" "$out/$1.wasm" || status=$?
    case $status in
    0) echo "$out/$1.wasm" ;;
    3)
        echo "$1: left out, there is no compiler: $4" >&2
        missing+=("$1")
        ;;
    *) exit 1 ;;
    esac
}

c_needs="clang with wasm-ld (Debian: apt-get install clang lld), or zig (pip install ziglang)"
build puzzle_c c c/puzzle.c "$c_needs"
build sokoban c c/sokoban.c "$c_needs"
build cube2 c c/cube2.c "$c_needs"
build puzzle_as assemblyscript assemblyscript/puzzle.ts "asc (npm install -g assemblyscript)"
build puzzle_rust rust rust/puzzle/Cargo.toml "the target wasm32-unknown-unknown (rustup target add wasm32-unknown-unknown)"

for name in ${chosen[@]+"${chosen[@]}"}; do
    [[ " ${built[*]:-} " = *" $name "* ]] || { echo "build.sh: there is no module $name" >&2; exit 2; }
done
[ ${#missing[@]} = 0 ] || exit 3
