"""Notices that this process stood still (SIGSTOP, a virtual machine moved, a starved processor).

What it had in hand before may be another worker's by now, and what that one has sent since is newer.
"""

import time
from collections.abc import Callable


class Naps:
    """Knows when the process last woke. Beat it often: a gap of more than ``longest_seconds`` was a nap.

    ``clock`` returns seconds that go on while the process stands still, as time.monotonic does.
    """

    def __init__(self, longest_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._longest_seconds = longest_seconds
        self._beaten_at = clock()
        self._woke_at = float("-inf")

    def beat(self) -> float:
        """Note that we run; return when (by ``clock``) we last woke: whatever is older than that may be void."""
        now = self.clock()
        if now - self._beaten_at > self._longest_seconds:
            self._woke_at = now
        self._beaten_at = now
        return self._woke_at
