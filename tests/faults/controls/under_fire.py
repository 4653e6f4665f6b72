"""Runs a control that dies or freezes where the product's failpoints are: just before or after its n-th transaction.

``python -m tests.faults.controls.under_fire tuned``, armed by CONTROL_FAILPOINT=after=SIGKILL@3; unarmed it just runs.
The scripts themselves stay what a user would write.
"""

import os
import runpy
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from neo4j import AsyncSession, Session

VARIABLE = "CONTROL_FAILPOINT"


class _Charge:
    def __init__(self, text: str) -> None:
        self._where, _, order = text.partition("=")
        action, _, nth = order.partition("@")
        self._signal = signal.Signals[action]
        self._left = int(nth)

    def reach(self, where: str) -> None:
        if where == self._where:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), self._signal)


def arm(text: str) -> None:
    """Make this process kill or stop itself around its n-th transaction."""
    charge = _Charge(text)
    write: Callable[..., Any] = Session.execute_write
    write_async: Callable[..., Awaitable[Any]] = AsyncSession.execute_write

    def execute_write(session: Session, *arguments: Any, **options: Any) -> Any:
        charge.reach("before")
        result = write(session, *arguments, **options)
        charge.reach("after")
        return result

    async def execute_write_async(session: AsyncSession, *arguments: Any, **options: Any) -> Any:
        charge.reach("before")
        result = await write_async(session, *arguments, **options)
        charge.reach("after")
        return result

    Session.execute_write = execute_write  # type: ignore[method-assign, assignment]
    AsyncSession.execute_write = execute_write_async  # type: ignore[method-assign, assignment]


if __name__ == "__main__":
    if text := os.environ.get(VARIABLE):
        arm(text)
    name = sys.argv.pop(1)
    runpy.run_module(f"tests.faults.controls.{name}", run_name="__main__")
