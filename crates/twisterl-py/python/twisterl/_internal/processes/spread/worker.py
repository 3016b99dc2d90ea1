"""The function that workers call, and the program of a local worker process."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import signal
import struct
import threading
import traceback
from collections import OrderedDict
from pathlib import Path
from typing import IO

from twisterl import _core
from twisterl._internal.processes import spawning

# Runs whose environments a worker keeps.
_KEPT = 4
_answerers: OrderedDict[str, _core.Answerer] = OrderedDict()

# A request is a kind, the length of its data, and the data, as in `trainer/distributed/processes/wire.rs`.
HEADER = struct.Struct("<cQ")
CONFIG, QUESTION, PART, ANSWER, FAILURE = b"C", b"Q", b"P", b"A", b"F"


def answer(config: str, question: bytes, part: int, num_cores: int = 1) -> bytes:
    """Return the answer to a part of a question about the run with `config` (JSON).

    The answer depends on nothing else: neither on earlier calls, nor on the number of threads, `num_cores`.
    """
    answerer = _answerers.pop(config, None) or _core.Answerer(config)
    _answerers[config] = answerer
    while len(_answerers) > _KEPT:
        _answerers.popitem(last=False)
    return answerer.answer(question, part, num_cores)


def main() -> None:
    """Answer requests until the head hangs up."""
    spawning.is_worker = True
    # The head ends this process, which a Ctrl-C in the same terminal must not do before.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faulthandler.enable()
    requests_file, answers = _ways()
    requests: queue.SimpleQueue[tuple[bytes, bytes]] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(requests_file, requests), daemon=True).start()
    config, question = "", b""
    while True:
        kind, data = requests.get()
        if kind == CONFIG:
            config = data.decode()
        elif kind == QUESTION:
            question = data
        else:
            try:
                write(answers, ANSWER, answer(config, question, int(data)))
            except Exception:
                write(answers, FAILURE, traceback.format_exc().encode())


def _ways() -> tuple[IO[bytes], IO[bytes]]:
    """Return the files of requests and answers, which environments and the processes that they start do not have."""
    requests = os.dup(0)
    if os.name == "posix":
        # Standard input is a socket, and what environments print goes to the head's standard error.
        answers = os.dup(0)
    else:
        answers = os.dup(1)
        os.dup2(2, 1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return os.fdopen(requests, "rb"), os.fdopen(answers, "wb")


def _receive(file: IO[bytes], requests: queue.SimpleQueue[tuple[bytes, bytes]]) -> None:
    # A head that is killed with an answer unread resets the connection.
    with contextlib.suppress(OSError):
        while (request := read(file)) is not None:
            requests.put(request)
    # The head has gone away, also in the middle of an answer.
    os._exit(0)


def write(file: IO[bytes], kind: bytes, data: bytes) -> None:
    """Write an answer. If the head has gone away, this process ends."""
    try:
        file.write(HEADER.pack(kind, len(data)))
        file.write(data)
        file.flush()
    except OSError:
        os._exit(0)


def read(file: IO[bytes]) -> tuple[bytes, bytes] | None:
    """Read a request; None at the end."""
    header = file.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind, length = HEADER.unpack(header)
    data = file.read(length)
    return (kind, data) if len(data) == length else None
