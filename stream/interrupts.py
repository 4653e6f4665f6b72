"""Ctrl-C at a place of our choice: never inside a callback of the Kafka client, which would swallow it or break."""

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, ParamSpec, Self, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Interrupts:
    """While entered, a SIGINT that comes during a held call raises KeyboardInterrupt behind it, not within.

    The client calls back from inside poll() and flush(). An exception in a callback is lost on its way through C: what
    comes out is a SystemError. Only the main thread is ever interrupted, so elsewhere this does nothing.
    """

    def __init__(self) -> None:
        self._entered = False
        self._former: Any = None
        self._held = False
        self._came = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._former = signal.signal(signal.SIGINT, self._handle)
            self._entered = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered:
            signal.signal(signal.SIGINT, self._former)

    def hold(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what the call returns. Raises KeyboardInterrupt behind it if it was asked for meanwhile."""
        self._held = True
        try:
            return call(*args, **kwargs)
        finally:
            self._held = False
            if self._came:
                self._came = False
                raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._held:
            raise KeyboardInterrupt
        self._came = True


def uninterrupted(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Hold one call; for many short ones enter Interrupts once, which costs less."""
    with Interrupts() as interrupts:
        return interrupts.hold(call, *args, **kwargs)
