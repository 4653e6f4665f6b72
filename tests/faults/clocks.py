"""Workers whose clock is wrong: libfaketime, where it is installed."""

import os
from pathlib import Path

LIBRARY_VARIABLE = "LIBFAKETIME"
_USUAL = (
    "/usr/lib/*/faketime/libfaketimeMT.so.1",  # for processes with threads
    "/usr/lib/faketime/libfaketimeMT.so.1",
    "/usr/local/lib/faketime/libfaketimeMT.so.1",
)


def library() -> Path | None:
    """Return libfaketime's file: what LIBFAKETIME names, or where distributions put it."""
    if named := os.environ.get(LIBRARY_VARIABLE):
        return Path(named)
    return next((found for pattern in _USUAL for found in sorted(Path("/").glob(pattern[1:]))), None)


def skewed(seconds: int) -> dict[str, str]:
    """Return the variables that make a process's wall clock wrong by ``seconds``; its monotonic clock stays right."""
    if not seconds:
        return {}
    found = library()
    assert found is not None, "libfaketime is not installed"
    return {
        "LD_PRELOAD": str(found),
        "FAKETIME": f"{seconds:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
