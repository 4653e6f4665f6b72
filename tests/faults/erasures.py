"""Users who ask to be erased in the midst of a storm, round by round."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from confluent_kafka import KafkaException

from stream.settings import Settings
from tests.faults.grounds import Lag
from tests.faults.log import Feed
from tests.integration.workers import environment

ROUNDS = (0.3, 0.45, 0.6, 0.75)
"""The shares of the log at which somebody asks."""

_PATIENCE_SECONDS = 300
_ASK_SECONDS = 0.5
_AWAY = 3


@dataclass
class Erasures:
    """From a round's share of the log on, its users send nothing more; once intake has passed on what they had sent,
    they are erased by the command.

    differences: what went wrong.
    """

    feed: Feed
    lag: Lag
    settings: Settings
    users: Sequence[str]
    differences: list[str] = field(default_factory=list)
    _rounds: list[tuple[float, list[str]]] = field(default_factory=list)
    _sent_until: dict[int, int] | None = None
    _asked: "subprocess.Popen[str] | None" = None
    _looked: float = 0.0

    def __post_init__(self) -> None:
        """Give each round its users."""
        self._rounds = [
            (share, list(self.users[number :: len(ROUNDS)])) for number, share in enumerate(ROUNDS) if self.users
        ]

    @property
    def over(self) -> bool:
        """Whether everybody is erased."""
        return not self._rounds

    def advance(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        if self.over or now - self._looked < _ASK_SECONDS:
            return
        self._looked = now
        share, users = self._rounds[0]
        if self._asked is not None:
            self._hear(self._asked, users)
        elif self._sent_until is None and self.feed.share >= share:
            self.feed.silenced.update(users)
            self.feed.flush()
            self._sent_until = self._ends()
        elif self._sent_until is not None and self._passed_on(self._sent_until):
            self._asked = self._ask(users)

    def _ends(self) -> dict[int, int] | None:
        try:
            return self.lag.ends(self.settings.topics.interactions)
        except KafkaException:
            return None  # asked again

    def _passed_on(self, until: dict[int, int]) -> bool:
        try:
            committed = self.lag.committed(self.settings.topics.interactions)
        except KafkaException:
            return False
        return all(committed.get(partition, 0) >= end for partition, end in until.items())

    def _ask(self, users: Sequence[str]) -> "subprocess.Popen[str]":
        options = ["--yes", "--json", "--patience", str(_PATIENCE_SECONDS)]
        return subprocess.Popen(
            [sys.executable, "-m", "stream", "erase", *users, *options],
            env=environment(self.settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _hear(self, asked: "subprocess.Popen[str]", users: Sequence[str]) -> None:
        if asked.poll() is None:
            return
        out, err = asked.communicate()
        self._asked = None
        if asked.returncode == _AWAY:
            return  # a server was away: asked again
        if asked.returncode != 0:
            self.differences.append(f"erase ended with {asked.returncode}: {err[-500:]}")
        elif json.loads(out.splitlines()[-1])["users"] != len(users):
            self.differences.append(f"erase of {len(users)} users says {out[-300:]}")
        self._rounds.pop(0)
        self._sent_until = None
