"""The catalogue agent: item rows in; items in the graph and on the compacted items topic, with their text vectors, out.

A row is written and published at once, its vector as soon as it is encoded: the outbox names the items whose vector
is still missing, so that a crash in between forgets none. Texts that were encoded before (same words, same model) are
not encoded again.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import partial

import msgspec
import numpy as np

from encoders.base import FloatArray, TextEncoder
from encoders.categories import DerivedCategories
from encoders.device import EncoderThread
from encoders.items import item_text, text_hash
from encoders.micro_topics import MicroTopics
from graph.failpoints import failpoint
from graph.model import ItemRow
from stream.bundles import FORMAT, ItemRecord, encode
from stream.catalogue import Removal, decode_row
from stream.deadletter import dead_letter, parse_dead_letter
from stream.intray import Records
from stream.item_news import ItemNews
from stream.knowledge import Knowledge
from stream.ledgered import LedgeredAgent, Outbox, decode_outbox
from stream.publisher import Outgoing
from stream.signals import encode_signal, signal_key
from stream.trackers import Rejected

log = logging.getLogger(__name__)

_TEXTS_PER_STEP = 256


class CatalogueAgent(LedgeredAgent):
    """Consumes catalogue rows. See the module."""

    role = "catalogue"

    def equip(
        self,
        knowledge: Knowledge,
        encoder: TextEncoder,
        thread: EncoderThread,
        categories: DerivedCategories | None,
        micro_topics: MicroTopics | None,
    ) -> "CatalogueAgent":
        """Give it the items known so far, the text encoder, and the centroids that name an item by its text."""
        self.knowledge = knowledge
        self._encoder = encoder
        self._thread = thread
        self._categories = categories
        self._micro_topics = micro_topics
        return self

    def forget(self) -> None:
        """Forget which rows we wrote; the replica follows every owner."""
        self._news = ItemNews(self.settings.graph)

    async def topic_made_again(self, partitions: Collection[int]) -> None:
        """Read the new topic from its start: a row says all of an item, whatever was known of it before.

        What only the former topic had stays in the graph until a row, or an empty value, says otherwise.
        """
        log.warning("topic_made_again", extra={"topic": self.topic, "partitions": sorted(partitions)})
        moves = {p: (-1, self.sources[p], decode_outbox(self.ledgers[p].outbox)) for p in partitions}
        await self.commit(moves, lambda commit: self.store.apply_items(commit, [], []))

    async def handle(self, records: Records) -> Mapping[int, int]:
        """Apply rows, then encode the texts that are new."""
        if not records:
            return {}
        rows, removed, refused, partition_of_item, at = self._decode(records)
        await self.publisher.publish(refused)
        for message in refused:
            letter = parse_dead_letter(message.headers)
            self.metrics.dead_letters.labels(letter.stage, letter.reason).inc()
        known = {item_id: self._with_known_vector(row, at[item_id]) for item_id, row in rows.items()}
        pending = [item_id for item_id, record in known.items() if not record.vector]
        applied = {p: batch[-1].offset + 1 for p, batch in records.items()}
        await self._write(list(known.values()), sorted(removed), applied, pending, partition_of_item, at)
        self.metrics.rows.labels("applied").inc(len(rows))
        self.metrics.rows.labels("removed").inc(len(removed))
        await self._encode_pending([known[item_id] for item_id in pending], applied, partition_of_item, at)
        log.info(
            "batch", extra={"role": self.role, "rows": len(rows), "removed": len(removed), "encoded": len(pending)}
        )
        return applied

    async def republish(self, outboxes: Mapping[int, Outbox]) -> None:
        """Publish again the items of an outbox, and encode those whose vector is missing."""
        partition_of_item = {key: p for p, outbox in outboxes.items() for key in outbox.keys}
        rows = await self.patiently(lambda: self.store.load_items(sorted(partition_of_item)))
        await self.publish([_keyed(message) for box in outboxes.values() for message in box.keyed], outboxes)
        records = [self._written(row) for row in rows.values()]
        removed = sorted(partition_of_item.keys() - rows.keys())
        applied = {p: self.ledgers[p].applied for p in outboxes}
        pending = [record for record in records if not record.vector]
        await self._publish(records, removed, applied)
        await self._encode_pending(pending, applied, partition_of_item, {})

    def _decode(
        self, records: Records
    ) -> tuple[dict[str, ItemRow], set[str], list[Outgoing], dict[str, int], dict[str, int]]:
        rows: dict[str, ItemRow] = {}
        removed: set[str] = set()
        refused: list[Outgoing] = []
        partition_of_item: dict[str, int] = {}
        at: dict[str, int] = {}
        for partition, batch in records.items():
            for record in batch:
                try:
                    row = decode_row(record.key, record.value, self.settings.trackers)
                except Rejected as error:
                    refused.append(dead_letter(record, error, self.settings.topics.dead_letters))
                    self.metrics.rows.labels("rejected").inc()
                    continue
                partition_of_item[row.item_id] = partition
                at[row.item_id] = record.timestamp
                if isinstance(row, Removal):
                    rows.pop(row.item_id, None)
                    removed.add(row.item_id)
                else:
                    removed.discard(row.item_id)
                    rows[row.item_id] = row
        return rows, removed, refused, partition_of_item, at

    def _written(self, row: ItemRow) -> ItemRecord:
        """Return the record of a row of the graph: as it was written, whatever would be assigned today."""
        record = self._with_known_vector(_as_given(row), self.clock())
        return msgspec.structs.replace(record, row=row) if record.vector else record

    def _with_known_vector(self, row: ItemRow, at: int) -> ItemRecord:
        words = text_hash(self._encoder.model, item_text(row.title, row.brand, row.category))
        known = self.knowledge.records.get(row.item_id)
        if known is None:
            # What came with the shop's first catalogue is not new to anybody.
            since = at if self.knowledge.associations.version else 0
            return ItemRecord(FORMAT, row, self._encoder.model, words, since=since)
        if known.text_hash == words and known.vector:
            row = self._assigned(row, known.vector)
            return ItemRecord(FORMAT, row, self._encoder.model, words, known.vector, known.since)
        return ItemRecord(FORMAT, row, self._encoder.model, words, since=known.since)

    def _assigned(self, row: ItemRow, vector: bytes) -> ItemRow:
        """Return the row with what its text vector gives it: a micro-topic, and a category if it has none.

        Without a title there is nothing that it could be about: some centroid is always the nearest.
        """
        if not row.title:
            return row
        unit = np.frombuffer(vector, dtype="<f2").astype(np.float32)[np.newaxis]
        if row.category is None and self._categories is not None:
            row = msgspec.structs.replace(row, category=self._categories.assign(unit)[0], derived=True)
        if self._micro_topics is not None:
            row = msgspec.structs.replace(row, micro_topic=self._micro_topics.assign(unit)[0])
        return row

    async def _encode_pending(
        self,
        pending: Sequence[ItemRecord],
        applied: Mapping[int, int],
        partition_of_item: Mapping[str, int],
        at: Mapping[str, int],
    ) -> None:
        remaining = [record.row.item_id for record in pending]
        for start in range(0, len(pending), _TEXTS_PER_STEP):
            step = pending[start : start + _TEXTS_PER_STEP]
            texts = [item_text(r.row.title, r.row.brand, r.row.category) for r in step]
            begun = time.monotonic()
            vectors: FloatArray = await self._thread.run(self._encoder.encode, texts)
            self.metrics.stage.labels(self.role, "encode").observe(time.monotonic() - begun)
            self.metrics.text_encoded.inc(len(texts))
            encoded = []
            for record, vector in zip(step, vectors, strict=True):
                data = vector.astype("<f2").tobytes()
                encoded.append(msgspec.structs.replace(record, row=self._assigned(record.row, data), vector=data))
            remaining = remaining[len(step) :]
            # What was assigned is written, and the ledger's outbox shrinks.
            await self._write(encoded, [], applied, remaining, partition_of_item, at)

    async def _write(
        self,
        records: Sequence[ItemRecord],
        removed: Sequence[str],
        applied: Mapping[int, int],
        pending: Sequence[str],
        partition_of_item: Mapping[str, int],
        at: Mapping[str, int],
    ) -> None:
        to_send = {*(record.row.item_id for record in records), *removed, *pending}
        news = await self._signals(records, partition_of_item, at)
        moves = {
            p: (
                offset,
                self.sources[p],
                Outbox(tuple(sorted(i for i in to_send if partition_of_item[i] == p)), keyed=tuple(news.get(p, ()))),
            )
            for p, offset in applied.items()
        }
        failpoint("catalogue_write")
        rows = [record.row for record in records]
        with self.metrics.stage.labels(self.role, "write").time():
            await self.commit(moves, lambda commit: self.store.apply_items(commit, rows, removed))
        await self._publish(records, removed, applied)
        await self.publish([_keyed(message) for messages in news.values() for message in messages], applied)

    async def _signals(
        self, records: Sequence[ItemRecord], partition_of_item: Mapping[str, int], at: Mapping[str, int]
    ) -> dict[int, list[tuple[str, bytes, bytes]]]:
        """Return the news of these rows for the users whose interest fits, by the partition of the row."""
        found: defaultdict[int, list[tuple[str, bytes, bytes]]] = defaultdict(list)
        topic = self.settings.topics.signals
        for record in records:
            row, known = record.row, self.knowledge.records.get(record.row.item_id)
            former = self._news.former_price(record, known)
            if former is None or not self.settings.graph.signals.max_users:
                continue
            when = at.get(row.item_id, record.since)
            signals = await self.patiently(partial(self._news.signals, self.store, row, when, former))
            found[partition_of_item[row.item_id]] += [(topic, signal_key(s), encode_signal(s)) for s in signals]
        return dict(found)

    async def _publish(self, records: Sequence[ItemRecord], removed: Sequence[str], applied: Mapping[int, int]) -> None:
        topic = self.settings.topics.items
        messages = [Outgoing(topic, record.row.item_id.encode(), encode(record)) for record in records]
        messages.extend(Outgoing(topic, item_id.encode(), None) for item_id in removed)
        await self.publish(messages, applied)


def _as_given(row: ItemRow) -> ItemRow:
    """Return the row as the catalogue gave it: micro-topic and derived category are ours, and are assigned anew."""
    category = None if row.derived else row.category
    return msgspec.structs.replace(row, category=category, derived=False, micro_topic=None)


def _keyed(message: tuple[str, bytes, bytes]) -> Outgoing:
    topic, key, value = message
    return Outgoing(topic, key, value)
