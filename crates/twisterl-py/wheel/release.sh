#!/usr/bin/env bash
# Builds a wheel to publish: optimised, stripped, and without the paths of the machine that builds it.
#
#     crates/twisterl-py/wheel/release.sh [OPTIONS of maturin build]     # into dist/
#
# Flags in .cargo/config.toml would make every build of this repository compile all dependencies again: so those of
# remap_paths.sh are given here, with a folder for the build of its own. Ends with an error if a path or a symbol table is left
# in the wheel.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
maturin=(python3 -m maturin)
[ ! -x .venv/bin/maturin ] || maturin=(.venv/bin/python -m maturin)

cargo_home=${CARGO_HOME:-$HOME/.cargo}
sysroot=$(rustc --print sysroot)
# The templates of bundles, so that users need no compiler.
scripts/build_templates.sh
package=crates/twisterl-py/python/twisterl/_templates
rm -rf dist "$package"
# A wheel of later sources must not carry them.
trap 'rm -rf "$package"' EXIT
mkdir -p "$package"
cp target/templates/{agent,quantum}{.wasm,} "$package"
CARGO_ENCODED_RUSTFLAGS=$(crates/twisterl-py/wheel/remap_paths.sh) "${maturin[@]}" build --release --locked --strip \
    --target-dir target/release-wheel --out dist "$@"

python3 - dist/*.whl "$PWD" "$cargo_home" "$sysroot" "$HOME" <<'PY'
import sys
import zipfile

wheel, *paths = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    content = {name: archive.read(name) for name in archive.namelist()}
found = [(name, path) for name, data in content.items() for path in paths if path.encode() + b"/" in data]
found += [(name, ".symtab") for name, data in content.items() if data[:4] == b"\x7fELF" and b".symtab" in data]
if not any(name.endswith("THIRD_PARTY_NOTICES.txt") for name in content):
    found.append(("the wheel", "no THIRD_PARTY_NOTICES.txt"))
for name, path in found:
    print(f"{wheel}: {name}: expected none of this machine's paths and symbols, found {path}", file=sys.stderr)
sys.exit(bool(found))
PY
echo "$(echo dist/*.whl): stripped, without paths of this machine"
