"""Differences as they are found: all counted, the first of each invariant kept."""

from collections import Counter
from enum import StrEnum

import msgspec


class Invariant(StrEnum):
    """What must hold. The codes are a contract with whoever reads ``--json``."""

    ACCOUNTING = "I1"
    GRAPH = "I2"
    PREFIX = "I3"
    VERSIONS = "I4"
    ONCE = "I5"
    LEDGERS = "I6"
    DEAD_LETTERS = "I10"


MEANINGS = {
    Invariant.ACCOUNTING: "each source record has exactly one disposition",
    Invariant.GRAPH: "the graph equals its recomputation",
    Invariant.PREFIX: "a list is of the prefix that its position names",
    Invariant.VERSIONS: "a user's last list has the highest version",
    Invariant.ONCE: "an event has one effect, however often it came",
    Invariant.LEDGERS: "the ledgers stand where the log ends",
    Invariant.DEAD_LETTERS: "dead letters are bad events, byte for byte",
}


class Difference(msgspec.Struct, frozen=True):
    """One thing that is not as the log says. ``expected`` is what the log says, ``found`` what is there."""

    invariant: Invariant
    where: str
    what: str
    expected: str = ""
    found: str = ""


class Findings:
    """Collects differences. ``limit`` of each invariant are kept, so that one of them never hides another."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.kept: list[Difference] = []
        self.counts: Counter[Invariant] = Counter()
        self.checked: Counter[Invariant] = Counter()
        self.undecided: Counter[str] = Counter()
        """What could not be judged, by cause."""
        self.gaps: list[str] = []
        """What the broker no longer has."""

    @property
    def total(self) -> int:
        """How many differences there are, kept or not."""
        return self.counts.total()

    def add(self, difference: Difference) -> None:
        """Count a difference, and keep it while there is room."""
        self.counts[difference.invariant] += 1
        if self.counts[difference.invariant] <= self._limit:
            self.kept.append(difference)

    def differ(self, invariant: Invariant, where: str, what: str, expected: object = "", found: object = "") -> None:
        """Add a difference in words."""
        self.add(Difference(invariant, where, what, str(expected), str(found)))

    def compare(self, invariant: Invariant, where: str, what: str, expected: object, found: object) -> bool:
        """Add a difference unless both are the same; return whether they are."""
        if expected == found:
            return True
        self.differ(invariant, where, what, expected, found)
        return False
