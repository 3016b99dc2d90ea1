"""Processes that tests start: what they run, and the wait for them."""

import os
import signal
import time
from pathlib import Path

SLACK = 15.0  # a second, and room for a busy machine
# The source of a function for environments that do not return, or not in the usual way.
WAIT = """
import os, sys, threading, time

def wait(kind):
    if kind == "loop":
        while True:
            pass
    if kind == "sleep":
        time.sleep(1e9)
    if kind == "read":
        os.read(os.pipe()[0], 1)
    if kind == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if kind == "exit":
        sys.exit(5)
    if kind == "raise":
        raise OSError("no such device")
    while kind == "deaf":
        try:
            time.sleep(0.01)
        except BaseException:
            pass
"""


def hear_ctrl_c():
    """Make a new process listen to SIGINT.

    Where the tests run in the background of a shell, SIGINT is ignored, and what they start would inherit that.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(ready, process=None, seconds=60):
    """Wait until `ready()` is true, while the process runs and for at most so long."""
    end = time.monotonic() + seconds
    while not ready():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.005)


def lives(pid):
    """Return whether a process has not ended yet."""
    try:
        if Path("/proc/self/stat").exists():
            # One that has ended, and that nobody has waited for, is a zombie.
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def processor_seconds(process):
    """Return the processor time that all threads of a process have used, or None where the system does not tell."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_handlers(process):
    """Wait until a program of ours handles signals: SIGTERM, which Python leaves alone."""
    status = Path(f"/proc/{process.pid}/status")
    if not status.exists():
        time.sleep(2)
        return

    def caught():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(fields["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1

    wait_until(caught, process)


def wait_until_busy(process, seconds):
    """Wait until the process has worked for so long, in processor time, which a busy machine does not change."""
    begun = processor_seconds(process)
    if begun is None:
        time.sleep(seconds)
    else:
        wait_until(lambda: processor_seconds(process) - begun >= seconds, process)
    assert process.poll() is None, process.communicate()


def wait_for_line(stream, text):
    """Read lines until one contains the text, and return all of them."""
    said = ""
    for line in iter(stream.readline, ""):
        said += line
        if text in line:
            return said
    raise AssertionError(f"no line contains {text!r}: {said}")
