"""I2 and I5 of associations: the deltas that were sent, added up, compared with states, records and edges."""

from collections.abc import Callable, Mapping

import msgspec

from graph.association import SourceState, decode_source, source_key, successor_record
from graph.model import Family, Level, SuccessorRecord
from graph.ranking.associations import AssociationIndex, EdgeStatistics
from graph.settings import AssociationSettings
from graph.store import GraphStore
from stream.bundles import decode_deltas
from stream.checking.causes import sources_of
from stream.checking.deltas import SentDeltas
from stream.checking.findings import Difference, Findings, Invariant
from stream.checking.rest import Standing
from stream.checking.source_differences import edge_differences, record_differences, state_differences
from stream.checking.sums import Sums
from stream.checking.topics import Topics
from stream.ledgered import decode_sources
from stream.partitioning import partition_of
from stream.topics import TopicSettings

Found = tuple[str, Difference]
"""A source's key, and what is wrong with it."""

_PAGE = 500
_FOLLOWING = frozenset({"confidence", "lift"})
"""What follows the totals of all associations, and so moves when any of them does."""
_read_record = msgspec.msgpack.Decoder(SuccessorRecord).decode


class AssociationCheck:
    """Checks all transitions partitions.

    Afterwards ``sent`` holds what was sent of each bundle, ``stored`` the category level of the graph's states, and
    ``last_causes`` the last cause per source up to each ledger.
    """

    def __init__(
        self,
        topics: Topics,
        store: GraphStore,
        names: TopicSettings,
        settings: AssociationSettings,
        standing: Standing,
        findings: Findings,
    ) -> None:
        self._topics = topics
        self._store = store
        self._names = names
        self._settings = settings
        self._standing = standing
        self._findings = findings
        self._index = AssociationIndex(settings)
        self._sources: set[str] = set()
        self.sent = SentDeltas()
        self.stored: dict[str, SourceState] = {}
        self.last_causes: dict[int, dict[str, int]] = {}

    async def check(self, step: Callable[[], None]) -> None:
        """Check every partition, then the edges; leave out what was applied meanwhile."""
        topic, standing = self._names.transitions, self._standing
        sources = sources_of(self._topics.topic_id(self._names.bundles), standing.spans[self._names.bundles])
        found: list[Found] = []
        for partition, span in standing.spans[topic].items():
            sums = Sums(self._settings, sources, self.sent, self._findings)
            marks = None if standing.at_rest else self._marks(partition)
            applied, last = standing.applied(topic, partition), sums.last
            for record in self._topics.records(topic, partition, span.first, span.end):
                step()
                if record.offset == applied:
                    last = dict(sums.last)
                sums.take(record, marks)
            complete = span.first == 0
            if complete:
                self.last_causes[partition] = last
            latest = self._latest_records(partition, len(standing.spans[topic]))
            found += await self._check_states(sums if complete else None, latest)
        found += await self._check_edges(ratios=standing.at_rest)
        moving = await self._moving_sources()
        for key, difference in found:
            if key not in moving and not (moving and difference.what in _FOLLOWING):
                self._findings.add(difference)

    def _marks(self, partition: int) -> dict[str, int]:
        """Return up to which causes the graph holds a transitions partition, by its ledger."""
        entry = self._standing.ledgers.get(f"{self._names.transitions}/{partition}")
        return decode_sources(entry.sources) if entry else {}

    def _latest_records(self, partition: int, partitions: int) -> dict[str, bytes]:
        """Return the last record of each source that a transitions partition owns; empty for a deleted one."""
        topic, latest = self._names.associations, dict[str, bytes]()
        spans = self._topics.spans(topic)
        for number, span in spans.items():
            if len(spans) == partitions and number != partition:
                continue  # with as many partitions, a source has the same number in both topics
            for record in self._topics.records(topic, number, span.first, span.end):
                key = (record.key or b"").decode()
                if partition_of(key, partitions) == partition:
                    latest[key] = record.value or b""
        return latest

    async def _moving_sources(self) -> set[str]:
        """Return the sources whose deltas were applied during the check."""
        topic, moving = self._names.transitions, set[str]()
        now = await self._store.read_ledgers([f"{topic}/{p}" for p in self._standing.spans[topic]])
        spans = self._topics.spans(topic)
        for partition in self._standing.spans[topic]:
            before, entry = self._standing.ledgers.get(f"{topic}/{partition}"), now.get(f"{topic}/{partition}")
            if before is None or entry is None or (before.applied, before.sources) == (entry.applied, entry.sources):
                continue
            start = self._standing.applied(topic, partition)
            for record in self._topics.records(topic, partition, start, spans[partition].end):
                for _, deltas in decode_deltas(record.value or b"").causes:
                    moving.update(source_key(delta.level, delta.source) for delta in deltas)
        return moving

    async def _check_states(self, sums: Sums | None, records: Mapping[str, bytes]) -> list[Found]:
        """Compare one partition's states and records.

        sums: None when the broker no longer has all deltas; then the states can only be compared with the records.
        """
        wanted = sums.states if sums else {}
        keys = sorted(wanted.keys() | records.keys())
        found: list[Found] = []
        for start in range(0, len(keys), _PAGE):
            page = keys[start : start + _PAGE]
            loaded = await self._store.load_associations(page)
            for key in page:
                self._findings.checked[Invariant.GRAPH] += 1
                level, _, source = key.partition("|")
                empty = SourceState(Level(level), source, {}, {})
                stored = decode_source(loaded[key]) if loaded.get(key) else empty
                if sums is not None and key not in sums.bounded:
                    found.extend((key, d) for d in state_differences(wanted.get(key, empty), stored, self._settings))
                elif sums is not None:
                    self._findings.undecided["sources with more successors than are kept"] += 1
                record = _read_record(records[key]) if records.get(key) else None
                found.extend((key, d) for d in record_differences(stored, record, self._settings))
                if stored.level is Level.CATEGORY:
                    self.stored[source] = stored
                    exact = sums is not None and key not in sums.bounded
                    self._index.upsert(successor_record(wanted.get(key, empty) if exact else stored, self._settings))
                    self._sources.add(source)
        return found

    async def _check_edges(self, *, ratios: bool) -> list[Found]:
        """Compare all edges with the sums. ``ratios``: also confidence and lift, which follow when the stream rests."""
        wanted: dict[tuple[Family, str, str], EdgeStatistics] = {
            (edge.family, edge.source, edge.target): edge
            for source in self._sources
            for edge in self._index.edge_statistics(source)
        }
        there = {(edge.family, edge.source, edge.target): edge for edge in await self._store.association_edges()}
        found: list[Found] = []
        for place in sorted(wanted.keys() | there.keys()):
            self._findings.checked[Invariant.GRAPH] += 1
            differences = edge_differences(wanted.get(place), there.get(place), self._settings, ratios=ratios)
            found.extend((source_key(Level.CATEGORY, place[1]), difference) for difference in differences)
        return found
