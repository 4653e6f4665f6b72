"""Keeps a crew of workers alive as an operator's supervisor would, and ends their lives as the schedule says."""

import contextlib
import json
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tests.faults.schedule import SESSION_SECONDS, Life

_AGAIN_SECONDS = 0.5
_STOP_SECONDS = 45.0
_LONGEST_LIFE_SECONDS = 90.0
_LATE_SECONDS = 4.0
_CLAIMED = '"event": "claimed"'

Launch = Callable[[str, str, Path], "subprocess.Popen[bytes]"]
"""(name, failpoints, log file) -> a running worker."""


@dataclass
class Place:
    """One worker's place: whoever dies in it is replaced."""

    name: str
    log: Path
    process: "subprocess.Popen[bytes]"
    started: float
    life: Life | None = None
    signalled: str = ""
    signalled_at: float = 0.0
    claimed: float | None = None
    read_to: int = 0
    thaw_at: float | None = None
    start_at: float | None = None


@dataclass
class Crew:
    """All places, and what happened to them. ``lives`` are dealt out in order as workers start."""

    launch: Launch
    folder: Path
    lives: list[Life]
    has_failpoints: bool = True
    places: dict[str, Place] = field(default_factory=dict)
    ends: Counter[str] = field(default_factory=Counter)
    lived: int = 0
    last_end: float = 0.0
    refusals: list[str] = field(default_factory=list)

    def start(self, name: str) -> None:
        """Fill a place."""
        log = self.folder / f"{name}.log"
        life = self.lives.pop(0) if self.lives else None
        armed = life.end if life and "=" in life.end else ""
        read_to = log.stat().st_size if log.exists() else 0
        process = self.launch(name, armed, log)
        self.places[name] = Place(name, log, process, time.monotonic(), life, read_to=read_to)

    def tend(self) -> None:
        """Replace the dead, end lives whose time has come, wake those who froze by themselves."""
        now = time.monotonic()
        for place in list(self.places.values()):
            if place.start_at is not None:
                if now >= place.start_at:
                    self.start(place.name)
                continue
            if place.process.poll() is not None:
                self._bury(place, now)
                continue
            self._mind_frozen(place, now)
            if place.life and place.life.seconds and not place.signalled and self._is_due(place, place.life, now):
                terminates = place.life.end == "SIGTERM" or place.life.end.startswith("on_revoke")
                self._signal(place, "SIGTERM" if terminates else "SIGKILL", now)
            elif place.signalled == "SIGTERM" and now - place.signalled_at > _STOP_SECONDS:
                self.ends["did not stop"] += 1
                self._signal(place, "SIGKILL", now)

    @property
    def storming(self) -> bool:
        """Whether a life is still to be ended."""
        return bool(self.lives) or any(place.life and place.life.seconds for place in self.places.values())

    @property
    def frozen(self) -> bool:
        """Whether somebody is frozen."""
        return any(place.thaw_at is not None for place in self.places.values())

    def freeze(self, name: str, seconds: float) -> bool:
        """Stop a worker's clock for a while, heartbeats and all; False when it is frozen already, or dead."""
        place = self.places[name]
        if place.start_at is not None or place.process.poll() is not None or _state(place.process.pid) == "T":
            return False
        place.process.send_signal(signal.SIGSTOP)
        place.thaw_at = time.monotonic() + seconds
        self.ends["frozen"] += 1
        return True

    def arriving(self, guest: str = "") -> bool:
        """Tell whether this guest, or any, has not claimed yet: on a busy machine its modules take long to load."""
        return any(
            self._arrives(place)
            for place in self.places.values()
            if place.name.startswith("guest-") and guest in ("", place.name.partition(":")[0])
        )

    def gathering(self) -> bool:
        """Tell whether anybody at all has not claimed yet."""
        return any(self._arrives(place) for place in self.places.values())

    def _arrives(self, place: Place) -> bool:
        return (
            place.start_at is None
            and time.monotonic() - place.started < _LONGEST_LIFE_SECONDS
            and place.process.poll() is None
            and _CLAIMED not in _new_text(place)
        )

    def dismiss(self, name: str) -> None:
        """Stop a worker in good order, and leave its place empty. Its exit code must be 0."""
        place = self.places.pop(name)
        self._wake(place)
        if place.start_at is not None:
            return
        if place.process.poll() is None:
            place.process.terminate()
        try:
            code = place.process.wait(_STOP_SECONDS)
            # Whoever still imports its modules has no handler yet, and nothing in hand.
            self.ends["left" if code in (0, -signal.SIGTERM) else f"exit {code} on SIGTERM"] += 1
        except subprocess.TimeoutExpired:
            self.ends["did not stop"] += 1
            place.process.kill()
            place.process.wait()

    def dismiss_all(self) -> None:
        """Stop everybody at once, in good order."""
        for place in self.places.values():
            self._wake(place)
            if place.process.poll() is None:
                place.process.terminate()
        for name in list(self.places):
            self.dismiss(name)

    def kill_all(self) -> None:
        """End whoever is left."""
        for place in self.places.values():
            if place.process.poll() is None:
                place.process.kill()
                place.process.wait()
        self.places.clear()

    def said(self, event: str) -> int:
        """Count the lines of all logs that name an event."""
        return sum(1 for line in self.lines() if line.get("event") == event)

    def lines(self) -> Iterator[dict[str, object]]:
        """Return every structured line that any worker wrote."""
        for log in sorted(self.folder.glob("*.log")):
            for text in log.read_text(errors="replace").splitlines():
                with contextlib.suppress(ValueError):
                    line = json.loads(text)
                    if isinstance(line, dict):
                        yield line

    def settle(self) -> None:
        """Wait until nobody has claimed for so long that the late copies of what was claimed are out, too."""
        while time.time() < self._last_claim() + 2 * SESSION_SECONDS + _LATE_SECONDS:
            self.tend()
            time.sleep(0.5)

    def _last_claim(self) -> float:
        claims = (str(line["timestamp"]) for line in self.lines() if line.get("event") == "claimed")
        return max((datetime.fromisoformat(claim).timestamp() for claim in claims), default=0.0)

    def alive(self) -> list[int]:
        """Return the process ids of those who run."""
        return [p.process.pid for p in self.places.values() if p.start_at is None and p.process.poll() is None]

    def _is_due(self, place: Place, life: Life, now: float) -> bool:
        since = place.started
        if self.has_failpoints and (life.at_work or "=" in life.end):
            if place.claimed is None and _CLAIMED in _new_text(place):
                place.claimed = now
            since = place.claimed or now
        return now - since > life.seconds or now - place.started > _LONGEST_LIFE_SECONDS

    def _signal(self, place: Place, name: str, now: float) -> None:
        place.signalled, place.signalled_at = name, now
        place.process.send_signal(signal.Signals[name])

    def _bury(self, place: Place, now: float) -> None:
        code = place.process.returncode
        life = place.life
        if code == -signal.SIGKILL and life and "=kill" in life.end and place.signalled != "SIGKILL":
            self.ends[life.end.partition("=")[0]] += 1
        elif place.signalled:
            self.ends[place.signalled] += 1
            if place.signalled == "SIGTERM" and code not in (0, -signal.SIGTERM):
                self.ends[f"exit {code} on SIGTERM"] += 1
        else:
            self.ends[f"exit {code}"] += 1
            if code == 2:
                self.refusals.append(place.log.read_text(errors="replace")[-2000:])
        if life and life.seconds:
            self.lived += 1
            self.last_end = now
        place.life = None
        place.start_at = now + _AGAIN_SECONDS

    def _mind_frozen(self, place: Place, now: float) -> None:
        if place.thaw_at is None and _state(place.process.pid) == "T":
            place.thaw_at = now + (place.life.frozen if place.life else 0.0)
            self.ends[f"frozen at {place.life.end.partition('=')[0] if place.life else '?'}"] += 1
        if place.thaw_at is not None and now >= place.thaw_at:
            self._wake(place)

    def _wake(self, place: Place) -> None:
        if place.thaw_at is not None:
            place.process.send_signal(signal.SIGCONT)
            place.thaw_at = None
            self.last_end = time.monotonic()


def _new_text(place: Place) -> str:
    with place.log.open(errors="replace") as file:
        file.seek(place.read_to)
        return file.read()


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
