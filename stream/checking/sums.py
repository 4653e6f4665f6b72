"""The deltas that were sent, each once, added up as the association agent adds them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from graph.association import SourceState, add_delta, source_key
from graph.model import Level
from graph.settings import AssociationSettings
from graph.transitions import Delta
from stream.bundles import DeltaMessage, decode_deltas
from stream.checking.deltas import SentDeltas, fingerprint
from stream.checking.findings import Findings, Invariant
from stream.checking.topics import Record


class Sums:
    """What one transitions partition's deltas come to.

    ``marks`` (level and source -> last cause in the graph) bounds what is added while more is on its way; None: all.
    """

    def __init__(
        self, settings: AssociationSettings, sources: Mapping[str, int], sent: SentDeltas, findings: Findings
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._sent = sent
        self._findings = findings
        self._seen: defaultdict[str, dict[int, tuple[int, int]]] = defaultdict(dict)
        self.last: dict[str, int] = {}
        """Source -> last cause."""
        self.states: dict[str, SourceState] = {}
        self.bounded: set[str] = set()
        """Sources that had more successors than are kept: which of them left depends on when they were written."""

    def take(self, record: Record, marks: Mapping[str, int] | None) -> None:
        """Take in one record of the transitions topic. Raises stream.bundles.NewerFormat."""
        where = f"deltas {record.topic}/{record.partition}@{record.offset}"
        try:
            message: DeltaMessage = decode_deltas(record.value or b"")
        except msgspec.DecodeError:
            self._findings.differ(Invariant.ACCOUNTING, where, "cannot be read")
            return
        for cause, deltas in message.causes:
            self._findings.checked[Invariant.ONCE] += 1
            found = fingerprint(deltas)
            known = self._seen[message.source].get(cause)
            if known is not None:
                if known[0] != found.item:
                    what = f"cause {cause} of {message.source} came twice, with different deltas"
                    self._findings.differ(Invariant.ONCE, where, what)
                elif known[1] != found.category:
                    # A graph restored from an older copy is filled again with what the catalogue says by then.
                    self._findings.undecided["deltas that were sent again under other categories"] += 1
                continue
            self._seen[message.source][cause] = found.item, found.category
            if cause < self.last.get(message.source, -1):
                what = f"cause {cause} of {message.source} came behind a later one, and was dropped"
                self._findings.differ(Invariant.ACCOUNTING, where, what)
                continue
            self.last[message.source] = cause
            if message.source in self._sources:
                self._sent.take(self._sources[message.source], cause, record.partition, found)
            self._add(deltas, {level for level in Level if _applied(marks, level, message.source, cause)})

    def _add(self, deltas: Iterable[Delta], levels: set[Level]) -> None:
        for delta in deltas:
            if delta.level not in levels:
                continue
            key = source_key(delta.level, delta.source)
            state = self.states.get(key)
            if state is None:
                state = self.states[key] = SourceState(delta.level, delta.source, {}, {})
            add_delta(state, delta, self._settings)
            at_most = (
                self._settings.max_category_successors
                if delta.level is Level.CATEGORY
                else self._settings.max_item_successors
            )
            if len(state.family(delta.family)) > at_most:
                self.bounded.add(key)


def _applied(marks: Mapping[str, int] | None, level: Level, source: str, cause: int) -> bool:
    return marks is None or cause <= marks.get(f"{level.value}|{source}", -1)
