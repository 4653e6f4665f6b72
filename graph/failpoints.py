"""Named places where a test can make a worker die, fail, stall or freeze. Free when off: one comparison.

Armed once per process with a text such as ``after_commit=kill@3;mid_publish=pause:20;ledger_seek=raise``: an action
per place, ``@n`` meaning the n-th time it is reached (the first by default). Each fires once; a process that starts
itself again is no longer armed.

    kill         the process ends as by SIGKILL: nothing is flushed, nothing is said
    raise        the place raises FailpointError
    pause:S      the process stands still for S seconds, event loop and all (its heartbeats have a thread of their own)
    stop         the process freezes, heartbeats and all, until somebody sends it SIGCONT
"""

import os
import signal
import threading
from dataclasses import dataclass

PLACES = (
    "after_poll",
    "after_decode",
    "after_encode",
    "transaction_open",
    "mid_transaction",
    "after_commit",
    "mid_publish",
    "after_publish",
    "on_revoke",
    "ledger_seek",
    "association_flush",
    "catalogue_write",
    "outbox_republish",
)
"""Every place. tests/unit/graph/test_failpoints.py checks that each one is reached by some code."""


class FailpointError(Exception):
    """Raised where a test asked for it."""


class BadFailpoint(ValueError):
    """The text that arms failpoints cannot be read; the message says which part."""


@dataclass(slots=True)
class _Charge:
    action: str
    seconds: float
    countdown: int


_charges: dict[str, _Charge] | None = None


def arm(text: str) -> None:
    """Arm the places that ``text`` names; an empty text disarms all. Raises BadFailpoint."""
    global _charges
    charges: dict[str, _Charge] = {}
    for part in filter(None, (p.strip() for p in text.split(";"))):
        place, _, order = part.partition("=")
        action, _, nth = order.partition("@")
        action, _, seconds = action.partition(":")
        if place not in PLACES:
            raise BadFailpoint(f"{part}: no place {place!r}; there are {', '.join(PLACES)}")
        if action not in ("kill", "raise", "pause", "stop"):
            raise BadFailpoint(f"{part}: no action {action!r}; there are kill, raise, pause:SECONDS, stop")
        try:
            charges[place] = _Charge(action, float(seconds or 0), int(nth or 1))
        except ValueError:
            raise BadFailpoint(f"{part}: seconds and count must be numbers") from None
    _charges = charges or None


def failpoint(place: str) -> None:
    """Do here what was armed, if anything was."""
    if _charges is not None:
        _reach(place)


def _reach(place: str) -> None:
    charge = _charges.get(place) if _charges else None
    if charge is None:
        return
    charge.countdown -= 1
    if charge.countdown != 0:
        return
    if charge.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if charge.action == "raise":
        raise FailpointError(f"failpoint {place}")
    if charge.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        return
    threading.Event().wait(charge.seconds)
