"""What a worker knows of the whole shop: items, their vectors, associations. Fed by the replicas, read at ranking.

Belongs to the event loop, but for the serving model's item matrix, which only the encoder thread touches.
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from aiokafka import ConsumerRecord

from encoders.user.model import UserModel
from graph.association import source_key
from graph.model import Level, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.items import ItemIndex
from graph.ranking.weights import fixed_weights
from graph.settings import GraphSettings
from stream.bundles import ItemRecord, decode_item
from stream.serving import Serving, VectorFeed

if TYPE_CHECKING:
    from stream.for_you.lists import ForYou  # brings scikit-learn: only for whoever has a model

_record_decoder = msgspec.msgpack.Decoder(SuccessorRecord)
_record_encoder = msgspec.msgpack.Encoder()

EVERY_ITEM = ""
"""Key under which users wait who need any new item at all."""


def encode_successors(record: SuccessorRecord) -> bytes | None:
    """Return a record's value on the associations topic; None (a tombstone) when nothing is left."""
    return _record_encoder.encode(record) if record.viewed or record.bought else None


class Knowledge:
    """Items, vectors and associations of the whole shop, and what has come that users may wait for.

    arrived: items that are here, or have another category, since somebody looked last; newcomers: items new in the
    shop that can be listed since then, and when they came (monotonic seconds), in that order. Whoever takes them up
    waits until nothing has come for ``quiet_seconds``, and with newcomers ``rest_seconds`` from one time to the next.
    """

    def __init__(
        self, model: UserModel, settings: GraphSettings, quiet_seconds: float = 0.3, rest_seconds: float = 10.0
    ) -> None:
        self.quiet_seconds = quiet_seconds
        self.rest_seconds = rest_seconds
        self.items = ItemIndex()
        self.associations = AssociationIndex(settings.association, settings.ranking)
        self.serving = Serving(model, VectorFeed())
        self.weights = fixed_weights(settings.lists, settings.ranking)
        self.for_you: ForYou | None = None
        self._feeds = [self.serving.feed]
        self.records: dict[str, ItemRecord] = {}
        self.arrived: set[str] = set()
        self.last_arrival = 0.0
        self.newcomers: dict[str, float] = {}
        self._introduced: set[str] = set()
        self.association_changes = 0
        self.category_sources: set[str] = set()

    def on_items(self, records: Iterable[ConsumerRecord]) -> None:
        """Take over records of the items topic."""
        for record in records:
            self.take_item(record.key.decode(), decode_item(record.value) if record.value else None)

    def take_item(self, item_id: str, record: ItemRecord | None) -> None:
        """Take over one item, or its removal."""
        before = self.items.category_of(item_id)
        if record is None:
            self.records.pop(item_id, None)
            row = self.items.row(item_id)
            self.items.remove(item_id)
            self.newcomers.pop(item_id, None)
            self._introduced.discard(item_id)
            if row is not None:
                for feed in self._feeds:
                    feed.clear(row)
            return
        known = item_id in self.records
        self.records[item_id] = record
        row = self.items.upsert(record.row, record.since)
        if record.vector:
            for feed in self._feeds:
                feed.put(row, record.vector)
        if not known or record.row.category != before:
            self.arrived.add(item_id)
            self.last_arrival = time.monotonic()
        self._introduce(item_id, record)

    def _introduce(self, item_id: str, record: ItemRecord) -> None:
        """Note an item that is new in the shop, once: without its vector it would be ranked by half."""
        listed = record.row.available and record.row.category is not None and record.vector
        if record.since and listed and item_id not in self._introduced:
            self._introduced.add(item_id)
            self.newcomers[item_id] = time.monotonic()

    def caught_up(self) -> None:
        """Say that the items topic was read to its end: what was in it came before this process, and is no news."""
        self.newcomers.clear()

    def on_associations(self, records: Iterable[ConsumerRecord]) -> None:
        """Take over records of the associations topic."""
        for record in records:
            key = record.key.decode()
            if record.value:
                self.take_successors(_record_decoder.decode(record.value))
            else:
                level, _, source = key.partition("|")
                self.associations.remove(Level(level), source)
                self.category_sources.discard(source)
                self.association_changes += 1

    def take_successors(self, record: SuccessorRecord) -> None:
        """Take over one source's successors; a record that is already here changes nothing."""
        self.associations.upsert(record)
        if record.level is Level.CATEGORY:
            self.category_sources.add(record.source)
            self.association_changes += 1

    def open_feed(self) -> VectorFeed:
        """Return a feed for another item matrix: every vector known so far, and from now on whatever changes."""
        feed = VectorFeed()
        for item_id, record in self.records.items():
            row = self.items.row(item_id)
            if record.vector and row is not None:
                feed.put(row, record.vector)
        self._feeds.append(feed)
        return feed

    def close_feed(self, feed: VectorFeed) -> None:
        """Feed it no more: its model never came to serve."""
        self._feeds.remove(feed)

    def serve(self, serving: Serving) -> None:
        """Let another model serve, from the next batch on. Its feed is one that :meth:`open_feed` returned."""
        self.serving = serving
        self._feeds = [serving.feed]


def successors_key(record: SuccessorRecord) -> str:
    """Return the key of a record on the associations topic."""
    return source_key(record.level, record.source)
