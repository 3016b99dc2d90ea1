"""Environments in WebAssembly modules: built from environments/, and from text."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINE = ROOT / "crates/twisterl-wasm/tests/modules/line.wat"


def build(name: str, folder: Path) -> Path:
    """The module of this name, which environments/build.sh builds; skips where there is no compiler for it."""
    command = [ROOT / "environments/build.sh", "--out", folder, name]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if result.returncode == 3:
        pytest.skip(result.stderr.strip())
    assert result.returncode == 0, result.stderr
    return folder / f"{name}.wasm"


def write_line(file: Path, end_of_step: str = "") -> Path:
    """A walk on a line, whose steps end with some instructions."""
    wasmtime = pytest.importorskip("wasmtime")
    end = '(i32.const 0))\n  (func (export "te_observe")'
    text = LINE.read_text()
    assert end in text
    file.write_bytes(wasmtime.wat2wasm(text.replace(end, end_of_step + end)))
    return file


def compile_c(source: Path, output: Path, *flags: str) -> Path:
    """Compile C for this machine, by the compiler that Rust links with."""
    compiler = shutil.which("cc")
    assert compiler, "no C compiler"
    include = ROOT / "crates/twisterl-plugin/include"
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", f"-I{include}", *flags, source, "-o", output]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr
    return output


def sanitized(source: Path, output: Path) -> tuple[Path, dict[str, str]]:
    """A library of C that ends the process at its first wild or undefined operation, and what to load it with."""
    flags = ["-shared", "-fPIC", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    runtime = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=False)
    preload = Path(runtime.stdout.strip())
    if not preload.is_absolute():
        pytest.skip("the C compiler has no shared library of its address sanitizer")
    # What the program itself leaves at its end is not of interest.
    return compile_c(source, output, *flags), {"LD_PRELOAD": str(preload), "ASAN_OPTIONS": "detect_leaks=0"}
