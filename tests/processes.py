"""Processes that tests start: what they run, and the wait for them."""

import signal
import time

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
