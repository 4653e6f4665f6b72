"""The intake agent: tracker bytes in; bundles keyed by user, or dead letters, out. Keeps nothing of its own.

Its offsets live in the consumer group alone. That is safe: whatever it sends twice is dropped by the causes that the
interest ledgers remember, as long as the causes of a source partition first arrive in order. So a flush is fully
acknowledged before the next one is sent.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from aiokafka import ConsumerRecord

from graph.failpoints import failpoint
from graph.model import Interaction
from stream.bundles import FORMAT, Bundle, Entry, encode
from stream.deadletter import dead_letter, parse_dead_letter
from stream.intray import Records
from stream.ledgered import say_lost
from stream.metrics import Metrics
from stream.partitioning import partition_of
from stream.pseudonyms import Pseudonyms
from stream.publisher import Outgoing, Publishes
from stream.settings import Settings
from stream.trackers import Rejected, decode

log = logging.getLogger(__name__)

_BUNDLE_BYTES = 700_000


class IntakeAgent:
    """Decodes, checks, and re-keys. One bundle per destination partition and flush."""

    role = "intake"

    def __init__(
        self,
        publisher: Publishes,
        settings: Settings,
        metrics: Metrics,
        clock: Callable[[], int],
        topic_id: str,
        bundle_partitions: int,
    ) -> None:
        self.topic = settings.topics.interactions
        self._publisher = publisher
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._topic_id = topic_id
        self._partitions = bundle_partitions
        self._pseudonyms = Pseudonyms(settings.pseudonym_key)

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Note the partitions; there is nothing to claim."""
        self._metrics.partitions.labels(self.role).set(len(partitions))
        log.info("claimed", extra={"role": self.role, "partitions": sorted(partitions)})

    async def positions(self, partitions: frozenset[int]) -> None:
        """Go on where the group committed: only what was acknowledged was ever marked as applied."""
        return

    def hurry(self) -> None:
        """Do nothing: a batch takes a moment."""

    async def released(self) -> None:
        """Do nothing: what was sent was acknowledged."""

    def started_late(self, partition: int, expected: int, start: int) -> None:
        """Say loudly that the broker deleted events unread."""
        say_lost(self._metrics, self.role, self.topic, partition, expected, start)

    async def apply(self, records: Records) -> Mapping[int, int]:
        """Decode a batch and publish its bundles and dead letters; everything is acknowledged on return."""
        if not records:
            return {}
        started = time.monotonic()
        now = self._clock()
        sources = tuple(f"{self._topic_id}/{partition}" for partition in sorted(records))
        entries: defaultdict[int, list[Entry]] = defaultdict(list)
        outgoing: list[Outgoing] = []
        decoded = refused = 0
        with self._metrics.stage.labels(self.role, "decode").time():
            for source, partition in enumerate(sorted(records)):
                for record in records[partition]:
                    try:
                        interactions = self._decode(record, now)
                    except Rejected as error:
                        outgoing.append(dead_letter(record, error, self._settings.topics.dead_letters))
                        self._metrics.consumed.inc()
                        self._metrics.count_rejected(error.stage, error.reason)
                        refused += 1
                        continue
                    decoded += len(interactions)
                    for index, interaction in enumerate(interactions):
                        target = partition_of(interaction.user_id, self._partitions)
                        if interaction.recommendation_id:
                            self._metrics.count_feedback(
                                interaction.kind.value,
                                interaction.list_id,
                                interaction.position,
                                interaction.recommendation_id,
                            )
                        entries[target].append(Entry(source, record.offset, index, record.timestamp, interaction))
        failpoint("after_decode")
        for target, part in sorted(entries.items()):
            outgoing.extend(
                Outgoing(self._settings.topics.bundles, None, value, target) for value in _bundles(sources, part)
            )
        with self._metrics.stage.labels(self.role, "publish").time():
            await self._publisher.publish(outgoing)
        for message in outgoing:
            if message.topic == self._settings.topics.dead_letters:
                self._count_dead_letter(message)
        log.info(
            "batch",
            extra={
                "role": self.role,
                "decoded": decoded,
                "rejected": refused,
                "seconds": round(time.monotonic() - started, 4),
                "offsets": {p: batch[-1].offset + 1 for p, batch in records.items()},
            },
        )
        return {partition: batch[-1].offset + 1 for partition, batch in records.items()}

    def _decode(self, record: ConsumerRecord, now: int) -> tuple[Interaction, ...]:
        found = decode(record.value, record_at=record.timestamp, now=now, settings=self._settings.trackers)
        metrics = self._metrics
        metrics.consumed.inc(len(found.interactions) + found.ignored + found.filtered + found.late)
        metrics.ignored.inc(found.ignored)
        metrics.filtered.inc(found.filtered)
        metrics.late.inc(found.late)
        return tuple(self._pseudonyms.apply(interaction) for interaction in found.interactions)

    def _count_dead_letter(self, message: Outgoing) -> None:
        letter = parse_dead_letter(message.headers)
        self._metrics.dead_letters.labels(letter.stage, letter.reason).inc()


def _bundles(sources: tuple[str, ...], entries: list[Entry]) -> list[bytes]:
    """Encode entries as one bundle, or as several when it would be too large; a source message is never split."""
    value = encode(Bundle(FORMAT, sources, tuple(entries)))
    if len(value) <= _BUNDLE_BYTES:
        return [value]
    middle = len(entries) // 2
    while 0 < middle < len(entries) and _same_message(entries[middle - 1], entries[middle]):
        middle += 1
    if middle >= len(entries):
        return [value]
    return [*_bundles(sources, entries[:middle]), *_bundles(sources, entries[middle:])]


def _same_message(a: Entry, b: Entry) -> bool:
    return (a.source, a.offset) == (b.source, b.offset)
