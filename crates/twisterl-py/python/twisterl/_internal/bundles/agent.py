"""Agents: bundles that are WebAssembly modules, run in the sandbox of wasmtime."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import stat
import struct
import threading
from pathlib import Path
from typing import Any

from twisterl._internal import arguments
from twisterl.errors import CheckpointError, MissingError, TwisteRLError, UsageError

# The major version of the exported functions that this module calls.
_ABI = 1
_FUNCTIONS = ("ta_abi", "ta_start", "ta_scratch", "ta_call", "ta_error", "twisterl_selftest")
# The longest module, as that of a policy file.
_MAX_FILE = 1 << 31
# The largest memory of a module, in bytes; a request that needs more fails.
_MAX_MEMORY = 1 << 31


class Agent:
    """A policy with its environment in one file, a WebAssembly module that `twisterl bundle` wrote.

    It answers requests with the same bytes as on every other host (docs/bundles.md lists them). The program in the
    file runs in a sandbox: it has its own memory, and neither files nor a network. Needs the package wasmtime; without
    it, `twisterl.load_policy` reads the policy of a bundle.

        >>> agent = twisterl.Agent("agent.wasm")
        >>> agent.solve(state=[8, 7, 5, 3, 2, 0, 4, 6, 1])["moves"]

    Args:
        path: the file.
        cache: keep the compiled module in the user's cache folder. Compiling takes a second or two, loading it again
            a few milliseconds.

    Raises:
        MissingError: there is no such file.
        CheckpointError: the file is no bundle, or is damaged.
        UsageError: wasmtime is not installed.
    """

    def __init__(self, path: str | os.PathLike[str], *, cache: bool = True) -> None:
        self._path = arguments.path("path", path)
        try:
            import wasmtime
        except ImportError as error:
            raise UsageError(
                "an agent runs in wasmtime: pip install wasmtime; twisterl.load_policy reads a bundle without it"
            ) from error
        config = wasmtime.Config()
        config.epoch_interruption = True
        self._engine = wasmtime.Engine(config)
        module = self._module(wasmtime, arguments.flag("cache", cache))
        if module.imports:
            names = ", ".join(f"{item.module}.{item.name}" for item in module.imports)
            raise self._refusal("a module that imports nothing", f"imports of {names}")
        missing = {"memory", *_FUNCTIONS} - {item.name for item in module.exports}
        if missing:
            raise self._refusal("a bundle, which `twisterl bundle` writes", f"no export {', '.join(sorted(missing))}")
        self._store = wasmtime.Store(self._engine)
        self._store.set_limits(memory_size=_MAX_MEMORY)
        self._store.set_epoch_deadline(1)
        self._trap = wasmtime.WasmtimeError, wasmtime.Trap
        self._lock = threading.Lock()
        self._failed: str | None = None
        try:
            exports = wasmtime.Instance(self._store, module, []).exports(self._store)
        except self._trap as error:
            raise self._refusal("a module that can be instantiated", str(error)) from error
        self._exports: dict[str, Any] = {name: exports[name] for name in ("memory", *_FUNCTIONS)}
        version = self._run("ta_abi") >> 16
        if version != _ABI:
            raise self._refusal(f"functions of version {_ABI}", f"version {version}")
        # Asked for now: a module that has trapped cannot be called again, but its memory can be read.
        self._error_at = self._run("ta_error")
        if self._run("ta_start") != 0:
            raise CheckpointError(f"{self._path}: {self._text(self._error_at)}")

    def solve(self, state: Any = None, **options: Any) -> dict[str, Any]:
        """Solve a state, or a scramble (`difficulty`, `seed`). Options are those of `twisterl solve`, with `_` for `-`.

        Returns:
            The record that `twisterl solve --json` writes; `seconds` is None.
        """
        return self.request(call="solve", state=state, **options)

    def evaluate(self, state: Any = None, *, observation: Any = None) -> dict[str, Any]:
        """Evaluate a state or an observation: `logits`, `value`, `mask`, `log_probs`, and the best action."""
        return self.request(call="evaluate", state=state, observation=observation)

    def step(self, state: Any, action: Any) -> dict[str, Any]:
        """Take an action in a state: the next `state`, `reward`, `terminated`, `truncated` and `solved`."""
        return self.request(call="step", state=state, action=action)

    def describe(self) -> dict[str, Any]:
        """Return what the agent is: environment, spaces, names of actions, options of solving, arithmetic."""
        return self.request(call="describe")

    def render(self, state: Any) -> str:
        """Return a state as text."""
        return str(self.request(call="render", state=state)["text"])

    def scramble(self, difficulty: int | None = None, seed: int = 0) -> list[Any]:
        """Return the state of a scramble."""
        return list(self.request(call="scramble", difficulty=difficulty, seed=seed)["state"])

    def self_test(self) -> None:
        """Repeat the self-test of the bundle.

        Raises:
            CheckpointError: this machine computes other bits than the one that wrote the bundle.
        """
        if self._run("twisterl_selftest") != 0:
            raise CheckpointError(f"{self._path}: {self._text(self._error_at)}")

    def request(self, **fields: Any) -> dict[str, Any]:
        """Answer a request. Fields that are None are left out.

        Raises:
            UsageError: the request is refused.
        """
        given = {name: value for name, value in fields.items() if value is not None}
        try:
            text = json.dumps(given, allow_nan=False, default=_plain)
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(f"request: expected what JSON can hold, found {error}") from error
        answer: dict[str, Any] = json.loads(self.answer(text))
        if isinstance(answer.get("error"), str):
            raise UsageError(answer["error"])
        return answer

    def answer(self, text: str) -> str:
        """Answer a request given as JSON by JSON text, which is the same to the byte on every host."""
        request = text.encode()
        with self._lock:
            address = self._run("ta_scratch", len(request)) & 0xFFFFFFFF
            if address == 0:
                raise UsageError(f"request: expected a shorter one, found {len(request)} bytes")
            self._exports["memory"].write(self._store, request, address)
            return self._text(self._run("ta_call", len(request)))

    def __repr__(self) -> str:
        return f"<Agent {str(self._path)!r}>"

    def _run(self, name: str, *args: int) -> int:
        """Call an exported function. After a trap the module is in no state to be called again."""
        if self._failed:
            raise TwisteRLError(self._failed)
        outcome: list[Any] = []

        def call() -> None:
            try:
                outcome.append(self._exports[name](self._store, *args))
            except BaseException as error:
                outcome.append(error)

        # In a thread of its own, so that Ctrl-C is heard: the main thread only waits.
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(0.2)
        except KeyboardInterrupt:
            self._failed = f"{self._path}: the agent was interrupted, load it again"
            self._engine.increment_epoch()
            thread.join()
            raise
        (result,) = outcome
        if isinstance(result, self._trap):
            said = self._text(self._error_at) if hasattr(self, "_error_at") else ""
            self._failed = f"{self._path}: the agent has failed, load it again: {said or result}"
            raise TwisteRLError(self._failed) from result
        if isinstance(result, BaseException):
            raise result
        return int(result)

    def _text(self, at: int) -> str:
        """Return the text whose address and length are at an address."""
        memory = self._exports["memory"]
        start = at & 0xFFFFFFFF
        address, length = struct.unpack("<II", memory.read(self._store, start, start + 8))
        return bytes(memory.read(self._store, address, address + length)).decode()

    def _module(self, wasmtime: Any, cache: bool) -> Any:
        """Compile the file, or load what was compiled before."""
        content = self._content()
        kept = _kept(content) if cache else None
        if kept is not None and _is_own(kept):
            try:
                # Read, not mapped: a file that is cut off while it is mapped would end the process.
                return wasmtime.Module.deserialize(self._engine, kept.read_bytes())
            except (wasmtime.WasmtimeError, OSError):
                pass  # of another processor, for example; compiled anew
        try:
            module = wasmtime.Module(self._engine, content)
        except wasmtime.WasmtimeError as error:
            raise self._refusal("a WebAssembly module", str(error).splitlines()[0]) from error
        if kept is not None:
            _keep(kept, bytes(module.serialize()))
        return module

    def _content(self) -> bytes:
        if not self._path.is_file():
            raise MissingError(f"{self._path}: expected a bundle, found no file")
        try:
            size = self._path.stat().st_size
            if size > _MAX_FILE:
                raise self._refusal(f"at most {_MAX_FILE} bytes", str(size))
            content = self._path.read_bytes()
        except OSError as error:
            raise CheckpointError(f"{self._path}: cannot be read: {error.strerror or error}") from error
        if content[:4] != b"\0asm":
            raise self._refusal("a WebAssembly module, which `twisterl bundle -o agent.wasm` writes", "another file")
        return content

    def _refusal(self, expected: str, found: str) -> CheckpointError:
        return CheckpointError(f"{self._path}: expected {expected}, found {found}")


def _plain(value: Any) -> Any:
    """Return an array or a number of NumPy as lists and numbers of Python."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__}")


def _kept(content: bytes) -> Path | None:
    """Return the path of the compiled module, or None if there is no place for it."""
    root = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(root) if root else Path.home() / ".cache"
    except RuntimeError:
        return None
    version = importlib.metadata.version("wasmtime")
    return folder / "twisterl" / "agents" / f"{hashlib.sha256(content).hexdigest()}-wasmtime-{version}"


def _is_own(file: Path) -> bool:
    """Tell if a compiled module, which is code for the processor, can have been written by this user alone."""
    if not hasattr(os, "getuid"):
        return file.is_file()
    try:
        found = [file.lstat(), file.parent.lstat()]
    except OSError:
        return False
    own = all(entry.st_uid == os.getuid() and not entry.st_mode & 0o022 for entry in found)
    return own and stat.S_ISREG(found[0].st_mode) and stat.S_ISDIR(found[1].st_mode)


def _keep(file: Path, compiled: bytes) -> None:
    """Write a compiled module where only this user can; without such a place it is compiled again next time."""
    part = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.touch(mode=0o600)
        part.write_bytes(compiled)
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
