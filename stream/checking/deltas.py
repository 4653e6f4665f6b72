"""Whether the deltas that interest sent are those which its users make: compared bundle by bundle, by fingerprints.

A fingerprint is linear, so that it does not matter in how many messages the deltas of a bundle were sent: of the
integers (count, users) a sum modulo 2^64, in which each pair has its own factor, and of the weights a sum of doubles.
Whatever was sent twice, or not at all, or with another number, gives another sum, but for one chance in 2^64.
"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

from graph.association import source_key
from graph.model import Level
from graph.transitions import Delta
from stream.bundles import PARTS
from stream.checking.findings import Findings, Invariant
from stream.checking.numbers import RELATIVE_TOLERANCE
from stream.partitioning import partition_of

_MODULUS = 1 << 64
_USERS_FACTOR = 0x9E3779B97F4A7C15
_TIME_PERIOD_MS = 1_000_003


@lru_cache(maxsize=1 << 17)
def _factor(level: str, family: str, source: str, target: str) -> int:
    return int.from_bytes(blake2b(f"{level}|{family}|{source}|{target}".encode(), digest_size=8).digest())


@dataclass(slots=True)
class Fingerprint:
    """What some deltas come to, per level. ``scale`` is the sum of the weights' absolute values."""

    item: int = 0
    category: int = 0
    item_weight: float = 0.0
    category_weight: float = 0.0
    scale: float = 0.0
    messages: int = 0

    def add(self, delta: Delta) -> None:
        """Add one delta."""
        factor = _factor(delta.level.value, delta.family.value, delta.source, delta.target)
        integers = factor * delta.count + (factor * _USERS_FACTOR % _MODULUS) * delta.users
        weight = delta.weight * (1.0 + factor / _MODULUS) * (1.0 + delta.at % _TIME_PERIOD_MS / _TIME_PERIOD_MS)
        self.scale += abs(weight)
        if delta.level is Level.ITEM:
            self.item = (self.item + integers) % _MODULUS
            self.item_weight += weight
        else:
            self.category = (self.category + integers) % _MODULUS
            self.category_weight += weight

    def same_items(self, other: "Fingerprint") -> bool:
        """Tell whether the item level is the same."""
        return self.item == other.item and self._near(self.item_weight, other.item_weight, other)

    def same_categories(self, other: "Fingerprint") -> bool:
        """Tell whether the category level is the same."""
        return self.category == other.category and self._near(self.category_weight, other.category_weight, other)

    def _near(self, mine: float, theirs: float, other: "Fingerprint") -> bool:
        return abs(mine - theirs) <= RELATIVE_TOLERANCE * max(self.scale, other.scale)


def fingerprint(deltas: Iterable[Delta]) -> Fingerprint:
    """Return the fingerprint of one message's deltas."""
    found = Fingerprint(messages=1)
    for delta in deltas:
        found.add(delta)
    return found


Target = tuple[int, int]
"""Offset of a bundle, and the transitions partition to which its deltas went."""


class SentDeltas:
    """Fingerprints of all deltas that were sent, in columns: some fifty bytes per message."""

    def __init__(self) -> None:
        self._integers: defaultdict[int, array[int]] = defaultdict(lambda: array("Q"))
        self._weights: defaultdict[int, array[float]] = defaultdict(lambda: array("d"))

    def take(self, source: int, cause: int, target: int, found: Fingerprint) -> None:
        """Take in what was sent once from a bundles partition to a transitions partition."""
        self._integers[source].extend((cause // PARTS, target, found.item, found.category))
        self._weights[source].extend((found.item_weight, found.category_weight, found.scale))

    def of_source(self, source: int) -> dict[Target, Fingerprint]:
        """Return what was sent from one bundles partition."""
        sent: dict[Target, Fingerprint] = {}
        integers, weights = self._integers.get(source, array("Q")), self._weights.get(source, array("d"))
        for row in range(len(integers) // 4):
            offset, target, item, category = integers[4 * row : 4 * row + 4]
            item_weight, category_weight, scale = weights[3 * row : 3 * row + 3]
            known = sent.setdefault((offset, target), Fingerprint())
            known.item = (known.item + item) % _MODULUS
            known.category = (known.category + category) % _MODULUS
            known.item_weight += item_weight
            known.category_weight += category_weight
            known.scale += scale
            known.messages += 1
        return sent


@dataclass(slots=True)
class Placements:
    """What tells whether the catalogue was there before the events: then all category levels can be compared too."""

    moved: int = 0
    """Messages that arrived with other categories than the present ones."""
    silent: list[str] = field(default_factory=list)
    """Messages of categories alone that were expected, and never came."""
    trimmed_users: int = 0
    """Users whose older history is gone: what their transitions were placed in then, nobody can tell now."""

    @property
    def uncertain(self) -> bool:
        """Tell whether transitions may rightly be counted under other categories than today's."""
        return self.moved > 0 and self.trimmed_users > 0

    def judge(self, findings: Findings) -> None:
        """Report what was never sent. Where the catalogue came late, the categories were not known then."""
        for where in self.silent:
            if self.moved:
                findings.undecided["deltas of categories that the catalogue may have named later"] += 1
            else:
                findings.differ(Invariant.ONCE, where, "of categories were never sent")


class DeltaCheck:
    """Compares the deltas of one bundles partition with what the recomputed users make."""

    def __init__(
        self,
        topic: str,
        partition: int,
        sent: Mapping[Target, Fingerprint],
        transitions: int,
        placements: Placements,
        findings: Findings,
    ) -> None:
        self._topic = topic
        self._partition = partition
        self._sent = dict(sent)
        self._transitions = transitions
        self._placements = placements
        self._findings = findings

    def compare(self, offset: int, deltas: Iterable[Delta]) -> None:
        """Compare what one bundle makes with what was sent of it."""
        wanted: defaultdict[int, Fingerprint] = defaultdict(Fingerprint)
        for delta in deltas:
            wanted[partition_of(source_key(delta.level, delta.source), self._transitions)].add(delta)
        for target in range(self._transitions):
            sent = self._sent.pop((offset, target), None)
            if target in wanted or sent is not None:
                self._findings.checked[Invariant.ONCE] += 1
                self._compare((offset, target), wanted[target], sent)

    def _compare(self, place: Target, wanted: Fingerprint, sent: Fingerprint | None) -> None:
        where = self._named(*place)
        if sent is None:
            if not wanted.same_items(Fingerprint()):
                self._findings.differ(Invariant.ONCE, where, "were never sent")
            elif not wanted.same_categories(Fingerprint()):
                self._placements.silent.append(where)
        elif not sent.same_items(wanted):
            if sent.messages > 1:
                # Applied in parts around an isolated message: in between, a full history may have let other entries go.
                self._findings.undecided["deltas of bundles that were applied in parts"] += 1
            else:
                self._findings.differ(Invariant.ONCE, where, "are not those that its users make")
        elif not sent.same_categories(wanted):
            self._placements.moved += 1

    def finish(self, applied: int) -> None:
        """Report what was sent of no bundle. Bundles from offset ``applied`` on may still be on their way."""
        for offset, target in self._sent:
            if offset < applied:
                self._findings.differ(Invariant.ONCE, self._named(offset, target), "are of no bundle")

    def _named(self, offset: int, target: int) -> str:
        return f"deltas of bundle {self._topic}/{self._partition}@{offset} to transitions partition {target}"
