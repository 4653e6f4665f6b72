"""Users of one bundles partition, recomputed from its records in the order in which they came."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from graph.interest import CategoryOf
from graph.settings import GraphSettings
from graph.state import UserState
from graph.transitions import Delta
from stream.bundles import Bundle, decode_bundle
from stream.checking.findings import Findings, Invariant
from stream.checking.topics import Record
from stream.microbatch import Part, Progress, advance_users
from stream.users import CachedUser


@dataclass(slots=True)
class Replay:
    """What the records came to."""

    users: dict[str, CachedUser] = field(default_factory=dict)
    last_effect: dict[str, int] = field(default_factory=dict)
    """User -> offset of the last bundle that changed or refreshed it."""
    sources: dict[str, int] = field(default_factory=dict)
    applied: int = 0
    duplicates: int = 0
    """Known event ids; what intake sent again is not counted."""
    in_parts: set[int] = field(default_factory=set)
    """Offsets of bundles with an isolated message: they were applied in parts, and lists published in between."""
    asked_to_go: set[str] = field(default_factory=set)
    """Users whom some bundle erased; who came back since has events."""
    trimmed: set[str] = field(default_factory=set)
    """Users who, it may be, have let entries of their history go."""


Skipped = Callable[[str, int], bool]
"""(source, offset) -> whether the message was isolated, so that interest left it out."""


def read_bundle(record: Record, findings: Findings) -> Bundle | None:
    """Decode a record, or report that it cannot be. Raises stream.bundles.NewerFormat."""
    try:
        return decode_bundle(record.value or b"")
    except msgspec.DecodeError:
        where = f"bundle {record.topic}/{record.partition}@{record.offset}"
        findings.differ(Invariant.ACCOUNTING, where, "cannot be read")
        return None


def replay(
    records: Iterable[Record],
    skipped: Skipped,
    category_of: CategoryOf,
    settings: GraphSettings,
    findings: Findings,
    after: Callable[[int, Replay, list[Delta]], None],
) -> Replay:
    """Apply bundles one by one, as interest does; ``after`` is given each one's offset and the deltas it made."""
    done = Replay()
    for record in records:
        bundle = read_bundle(record, findings)
        if bundle is None:
            continue
        isolated = {
            (bundle.sources[entry.source], entry.offset)
            for entry in bundle.entries
            if skipped(bundle.sources[entry.source], entry.offset)
        }
        if isolated:
            done.in_parts.add(record.offset)
            kept = tuple(e for e in bundle.entries if (bundle.sources[e.source], e.offset) not in isolated)
            bundle = msgspec.structs.replace(bundle, entries=kept)
        deltas = _apply(record, bundle, done, category_of, settings)
        for source, offset in isolated:
            done.sources[source] = max(offset, done.sources.get(source, -1))
        after(record.offset, done, deltas)
    return done


def _apply(
    record: Record, bundle: Bundle, done: Replay, category_of: CategoryOf, settings: GraphSettings
) -> list[Delta]:
    sizes = Counter(entry.interaction.user_id for entry in bundle.entries)
    for user_id in sizes.keys() | {*bundle.refresh, *bundle.erase}:
        if user_id not in done.users:
            done.users[user_id] = CachedUser(user_id, 0, UserState())
        if len(done.users[user_id].state.history) + sizes[user_id] > settings.interest.max_history:
            done.trimmed.add(user_id)
    done.asked_to_go.update(bundle.erase)
    progress = Progress(record.offset, done.sources)
    parts = {record.partition: [Part(record.offset, bundle)]}
    advanced = advance_users(parts, done.users, {record.partition: progress}, category_of, settings)
    done.sources = progress.sources
    done.applied += advanced.applied
    done.duplicates += advanced.duplicates - (len(bundle.entries) - len(advanced.produced_at))
    done.last_effect.update(dict.fromkeys(advanced.users, record.offset))
    return [delta for _, deltas in progress.deltas for delta in deltas]
