"""A crashed worker starts itself again, in place: the same process id, a fresh memory, a claim of its own.

Whatever it crashed of (another worker's claim after a long pause, a ledger that moved, a lost broker) is cured by
reading the ledger anew. A defect is not, so restarts are counted: more than a few in a short time end the process.
"""

import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import NoReturn

from stream.settings import FAILPOINTS_VARIABLE, RESTARTS_VARIABLE

log = logging.getLogger(__name__)

MOST_RESTARTS = 8
WINDOW_SECONDS = 600.0
_PAUSE_SECONDS = 1.0
_STANDARD_ERROR = 2


def restarts_before(environment: Mapping[str, str], now: float) -> list[float]:
    """Return the times (seconds since the epoch) of the restarts within the last ten minutes."""
    times = (float(text) for text in environment.get(RESTARTS_VARIABLE, "").split(",") if text)
    return [at for at in times if now - at < WINDOW_SECONDS]


def inherit_nothing() -> None:
    """Keep every descriptor but standard input and output out of the next program: librdkafka leaves its pipes open."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # that of the listing itself is closed by now
            if int(name) > _STANDARD_ERROR:
                os.set_inheritable(int(name), False)


def restart_in_place(code: int = 1) -> NoReturn:
    """Replace this process by a new one with the same arguments, or end it when that has not helped lately."""
    now = time.time()
    before = restarts_before(os.environ, now)
    if len(before) >= MOST_RESTARTS:
        log.critical("gave_up", extra={"restarts": len(before), "within_seconds": WINDOW_SECONDS})
        os._exit(code)
    os.environ[RESTARTS_VARIABLE] = ",".join(f"{at:.0f}" for at in [*before, now])
    os.environ.pop(FAILPOINTS_VARIABLE, None)  # a fault that a test asked for happens once, not once per life
    log.warning("restarting", extra={"restarts": len(before) + 1})
    sys.stderr.flush()
    inherit_nothing()
    time.sleep(_PAUSE_SECONDS * (1 + len(before)))  # what made us crash may need a moment
    os.execv(sys.executable, [sys.executable, "-m", "stream", *sys.argv[1:]])  # noqa: S606
