"""Does what a schedule says: to servers, to workers, to the connections between workers and graph."""

import asyncio
import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.grounds import Grounds
from tests.faults.schedule import Blow, Deed
from tests.faults.supervise import Crew
from tests.integration.bolt_proxy import BoltProxy, Fate

_FULL_SECONDS = 10.0
_POSTPONED_SECONDS = 1.5


class ThreadedProxy:
    """A Bolt proxy with an event loop of its own."""

    def __init__(self, server_port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self.proxy = BoltProxy(server_port)
        self._thread = threading.Thread(target=self._loop.run_forever, name="bolt-proxy", daemon=True)
        self._thread.start()
        self._call(self.proxy.start())

    def cut(self, fate: str) -> None:
        """Let the next COMMIT that passes meet its fate."""
        self.proxy.sent.clear()
        self.proxy.fate = Fate[fate]

    def freeze(self) -> None:
        """Keep every connection open and forward nothing."""
        self._loop.call_soon_threadsafe(self.proxy.freeze)

    def thaw(self) -> None:
        """Forward again."""
        self._loop.call_soon_threadsafe(self.proxy.thaw)

    def stop(self) -> None:
        """Break all connections and end the thread."""
        self._call(self.proxy.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _call(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)


@dataclass
class Actions:
    """Runs a timeline, step by step, as time goes on."""

    grounds: Grounds
    crew: Crew
    proxy: ThreadedProxy | None
    blows: list[Blow]
    done: dict[str, int] = field(default_factory=dict)
    last_end: float = 0.0
    _later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether everything has been done and undone."""
        return not self.blows and not self._later

    def advance(self, seconds: float) -> None:
        """Do what is due ``seconds`` after the storm began."""
        due = [undo for at, undo in self._later if at <= seconds]
        self._later = [entry for entry in self._later if entry[0] > seconds]
        for undo in due:
            undo()
            self.last_end = time.monotonic()
        while self.blows and self.blows[0].at <= seconds:
            blow = self.blows.pop(0)
            if self._comes_too_early(blow):
                self._postpone(blow, seconds + _POSTPONED_SECONDS)
                continue
            undone = self._strike(blow)
            name = f"{blow.deed} {blow.target.partition(':')[0].rstrip('-0123456789')}".strip()
            self.done[name] = self.done.get(name, 0) + 1
            self.last_end = time.monotonic()
            if undone is not None:
                self._later.append((seconds + blow.seconds, undone))

    def undo_all(self) -> None:
        """Undo at once what would be undone later."""
        for _, undo in self._later:
            undo()
        self._later.clear()

    def _strike(self, blow: Blow) -> Callable[[], None] | None:
        if blow.deed is Deed.KILL_SERVER:
            server = self.grounds.servers[blow.target]
            server.kill()
            return server.start
        if blow.deed is Deed.STOP_SERVER:
            server = self.grounds.servers[blow.target]
            server.stop(patience_seconds=20)
            return server.start
        if blow.deed is Deed.FILL_DISK:
            return self._fill_disk(blow.target)
        if blow.deed is Deed.CUT_COMMIT and self.proxy is not None:
            self.proxy.cut(blow.target)
        elif blow.deed is Deed.HALF_OPEN and self.proxy is not None:
            self.proxy.freeze()
            return self.proxy.thaw
        elif blow.deed is Deed.JOIN:
            self.crew.start(blow.target)
        elif blow.deed is Deed.LEAVE:
            for name in [name for name in self.crew.places if _guest(name) == blow.target]:
                self.crew.dismiss(name)
        return None

    def _comes_too_early(self, blow: Blow) -> bool:
        """Freeze at once who can be frozen; who joins arrives before anybody else comes, and before it leaves."""
        if blow.deed is Deed.FREEZE:
            return not self.crew.freeze(f"worker-{blow.target}", blow.seconds)
        if blow.deed is Deed.JOIN:
            return self.crew.arriving()
        if blow.deed is Deed.LEAVE:
            to_come = (other.target for other in self.blows if other.deed is Deed.JOIN)
            return blow.target in (_guest(target) for target in to_come) or self.crew.arriving(blow.target)
        return False

    def _postpone(self, blow: Blow, at: float) -> None:
        self.blows = sorted([*self.blows, replace(blow, at=at)], key=lambda blow: blow.at)

    def _fill_disk(self, target: str) -> Callable[[], None]:
        """Fill the file system that holds a server's folder to its last byte."""
        ballast = self.grounds.servers[target].home / "ballast"
        device = ballast.parent.stat().st_dev
        _fill(ballast)

        def free() -> None:
            ballast.unlink()
            # A server that met a full disk may run on without its data: an operator restarts all that share it.
            for server in self.grounds.servers.values():
                if server.home.stat().st_dev == device:
                    server.stop(patience_seconds=10)
                    server.start()

        return free


def _guest(name: str) -> str:
    """Return a guest's name without its roles."""
    return name.partition(":")[0]


def _fill(ballast: Path) -> None:
    deadline = time.monotonic() + _FULL_SECONDS
    block = bytes(1 << 16)
    with ballast.open("ab", buffering=0) as file:
        while time.monotonic() < deadline and shutil.disk_usage(ballast.parent).free:
            with contextlib.suppress(OSError):
                file.write(block)
        os.fsync(file.fileno())
