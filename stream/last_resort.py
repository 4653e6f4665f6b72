"""The end of a process that must not linger: a worker that hangs while it stops is a member of a group without work."""

import os
import threading
from collections.abc import Callable

_EXIT_SECONDS = 5.0

_last_resort: Callable[[int], object] = os._exit


def set_last_resort(act: Callable[[int], object]) -> None:
    """Choose what :func:`arm_exit` does when the time has come; it is given the exit code."""
    global _last_resort
    _last_resort = act


def arm_exit(seconds: float = _EXIT_SECONDS, code: int = 1) -> None:
    """End the process in ``seconds``, come what may; code 0 ends it, any other does the last resort."""
    timer = threading.Timer(seconds, os._exit if code == 0 else _last_resort, (code,))
    timer.daemon = True
    timer.start()
