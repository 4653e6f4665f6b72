"""A server that is away, in the log: said at once, then once a minute, and once more when it is back."""

import logging
import time
from collections.abc import Callable

SAY_EVERY_SECONDS = 60.0


class Absence:
    """Of one server, as one part of a worker meets it. ``server`` is its name in the lines, such as ``store``."""

    def __init__(self, server: str, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._log = log
        self._clock = clock
        self._since: float | None = None
        self._say_at = 0.0

    def noted(self, error: str, **details: object) -> None:
        """Note that the server did not answer; says so unless it was said within the last minute."""
        now = self._clock()
        if self._since is None:
            self._since = self._say_at = now
        if now >= self._say_at:
            seconds = round(now - self._since)
            self._log.warning(f"{self._server}_away", extra={"error": error, "seconds": seconds, **details})
            self._say_at = now + SAY_EVERY_SECONDS

    def over(self) -> None:
        """Note that the server answered."""
        if self._since is not None:
            self._log.info(f"{self._server}_back", extra={"seconds": round(self._clock() - self._since, 1)})
            self._since = None
