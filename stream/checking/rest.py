"""Whether everything that came is through, and waiting until it is."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from graph.store import GraphStore, LedgerEntry
from stream.checking.topics import Span, Topics
from stream.settings import Settings

_POLL_SECONDS = 0.5
_SAY_EVERY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How far everything is at one moment. ``spans``: topic -> partition -> what it holds."""

    spans: dict[str, dict[int, Span]]
    ledgers: dict[str, LedgerEntry]
    intake: dict[int, int]
    lag: dict[str, int]
    """Role -> records that it has not applied."""

    @property
    def at_rest(self) -> bool:
        """Tell whether nothing is waiting to be applied."""
        return not any(self.lag.values())

    def applied(self, topic: str, partition: int) -> int:
        """Return the offset up to which the graph holds a partition, by its ledger; 0 before its first."""
        entry = self.ledgers.get(f"{topic}/{partition}")
        return max(entry.applied, 0) if entry else 0

    def complete(self, topic: str) -> bool:
        """Tell whether the broker still has a topic from its very start."""
        return all(span.first == 0 for span in self.spans[topic].values())

    def records(self, topic: str) -> int:
        """Return how many offsets a topic holds."""
        return sum(span.end - span.first for span in self.spans[topic].values())


async def read_standing(topics: Topics, store: GraphStore, settings: Settings) -> Standing:
    """Read how far everything is; ledgers first, so that what comes meanwhile counts as not applied."""
    names = settings.topics
    ledgered = {"interest": names.bundles, "association": names.transitions, "catalogue": names.catalogue}
    counts = {topic: len(topics.spans(topic)) for topic in ledgered.values()}
    ledgers = await store.read_ledgers([f"{topic}/{p}" for topic, count in counts.items() for p in range(count)])
    intake = topics.intake_positions()
    spans = {topic.name: topics.spans(topic.name) for topic in names.table()}
    lag = {
        "intake": sum(
            max(0, span.end - max(intake.get(p, 0), span.first)) for p, span in spans[names.interactions].items()
        )
    }
    for role, topic in ledgered.items():
        applied = {p: entry.applied for p in spans[topic] if (entry := ledgers.get(f"{topic}/{p}")) is not None}
        lag[role] = sum(max(0, span.end - max(applied.get(p, 0), span.first)) for p, span in spans[topic].items())
    return Standing(spans, ledgers, intake, lag)


async def wait_for_rest(
    topics: Topics,
    store: GraphStore,
    settings: Settings,
    patience_seconds: float,
    settle_seconds: float,
    say: Callable[[str], None],
) -> Standing:
    """Return how everything stands once it has rested for ``settle_seconds``, or when the patience has run out.

    The last lists, and the sweep over the associations' confidence and lift, follow the last record by seconds.
    """
    deadline = time.monotonic() + patience_seconds
    say_at = time.monotonic()
    rested: Standing | None = None
    rested_at = 0.0
    while True:
        standing = await read_standing(topics, store, settings)
        now = time.monotonic()
        if not standing.at_rest:
            rested = None
            if now >= deadline:
                return standing
            if now >= say_at:
                say(f"not at rest: {waiting_for(standing)}; waiting for at most {deadline - now:.0f} s")
                say_at = now + _SAY_EVERY_SECONDS
        elif rested is None or rested.spans != standing.spans:
            rested, rested_at = standing, now
        if rested is not None and now - rested_at >= settle_seconds:
            return standing
        if now >= deadline + settle_seconds:
            return standing  # it is never quiet for long
        await asyncio.sleep(min(_POLL_SECONDS, settle_seconds))


def waiting_for(standing: Standing) -> str:
    """Say which role has how much left."""
    return ", ".join(f"{role} has {lag:,} records to apply" for role, lag in standing.lag.items() if lag)
