"""A micro-batch of bundles, before and after the encoder: pure steps between reading and writing.

micro_batches: cuts what was read.
advance_users: bundles and states in, changed states and association deltas out.
profile_of, history_batch: what the ranker and the encoder need to know of each user.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from encoders.base import KIND_CODES, HistoryBatch
from graph.advance import advance, withdraw
from graph.interest import CategoryOf, ignored_items, interests
from graph.model import Interaction
from graph.ranking.profile import HistoryItem, UserProfile
from graph.repeats import repeat_strengths
from graph.settings import GraphSettings
from graph.state import UserState, active_actions
from graph.transitions import Delta
from stream.bundles import PARTS, Bundle, delta_cause
from stream.users import CachedUser

ENCODED_HISTORY = 50
"""Positions of a history that the user encoder sees."""


@dataclass(frozen=True, slots=True)
class Part:
    """A bundle, or a part of one: ``number`` orders the parts of a bundle, the last of which completes it.

    Numbers above ``after`` and up to ``number`` are this part's own, to give to its halves.
    """

    offset: int
    bundle: Bundle
    number: int = PARTS - 1
    after: int = -1

    @property
    def completes(self) -> bool:
        """Tell whether nothing of the bundle is left after this."""
        return self.number == PARTS - 1


Parts = dict[int, list[Part]]
"""Parts by partition, in the order of their places."""


def micro_batches(parts: Iterable[tuple[int, Part]], most_events: int, most_users: int) -> Iterator[Parts]:
    """Cut a series of (partition, part) into batches of about so many interactions and users, whichever comes first.

    A bundle is never cut, and the order per partition is kept.
    """
    batch: Parts = {}
    events, users = 0, set[str]()
    for partition, part in parts:
        more, names = len(part.bundle.entries), users_in(part.bundle)
        if batch and (events + more > most_events or len(users | names) > most_users):
            yield batch
            batch, events, users = {}, 0, set()
        batch.setdefault(partition, []).append(part)
        events += more
        users |= names
    if batch:
        yield batch


@dataclass(slots=True)
class Progress:
    """Where one partition stands within a micro-batch. ``sources``: last cause applied per source."""

    applied: int
    sources: dict[str, int]
    deltas: list[tuple[int, list[Delta]]] = field(default_factory=list)


@dataclass(slots=True)
class Advanced:
    """What a micro-batch did to its users, and the timestamps (ms) of the records that brought it about.

    Users without events are gone: erased, and not seen again since.
    """

    users: dict[str, CachedUser]
    partition_of: dict[str, int]
    progress: dict[int, Progress]
    produced_at: list[int]
    applied: int = 0
    duplicates: int = 0
    refreshed: int = 0
    erased: int = 0


def users_in(bundle: Bundle) -> set[str]:
    """Return every user that a bundle is about."""
    return {entry.interaction.user_id for entry in bundle.entries}.union(bundle.refresh, bundle.erase)


def users_of(parts: Parts) -> set[str]:
    """Return every user that the bundles are about."""
    return {name for batch in parts.values() for part in batch for name in users_in(part.bundle)}


def advance_users(
    parts: Parts,
    users: dict[str, CachedUser],
    starts: Mapping[int, Progress],
    category_of: CategoryOf,
    settings: GraphSettings,
) -> Advanced:
    """Apply bundles to their users, in place.

    Interactions at or below their source's last cause are redeliveries by intake and count as duplicates. Deltas are
    computed bundle by bundle, so that batch borders leave no trace in them. A refresh names only existing users.
    Who is erased begins again as somebody without events, whatever the user was.
    """
    done = Advanced({}, {}, dict(starts), [])
    for partition, batch in parts.items():
        progress = done.progress[partition]
        for part in batch:
            fresh = _fresh_interactions(part.bundle, progress, done)
            for user_id in part.bundle.refresh:
                if users[user_id].state.events and user_id not in fresh:
                    fresh[user_id] = []
                    done.refreshed += 1
            deltas: list[Delta] = []
            for user_id, interactions in fresh.items():
                user = users[user_id]
                step = advance(user.state, interactions, category_of, settings)
                done.applied += step.applied
                done.duplicates += step.duplicates
                deltas.extend(step.deltas)
                if step.applied or step.deltas or not interactions:  # nothing but duplicates leaves no trace
                    done.users[user_id] = user
                    done.partition_of[user_id] = partition
            for user_id in part.bundle.erase:
                user = done.users[user_id] = users[user_id]
                done.partition_of[user_id] = partition
                deltas.extend(withdraw(user.state, settings))
                user.state, user.cross_sell = UserState(), ()
                done.erased += 1
            if deltas:
                progress.deltas.append((delta_cause(part.offset, part.number), deltas))
            progress.applied = part.offset + 1 if part.completes else part.offset
    return done


def _fresh_interactions(bundle: Bundle, progress: Progress, done: Advanced) -> dict[str, list[Interaction]]:
    fresh: defaultdict[str, list[Interaction]] = defaultdict(list)
    last = dict(progress.sources)
    for entry in bundle.entries:
        source = bundle.sources[entry.source]
        if entry.offset <= progress.sources.get(source, -1):
            done.duplicates += 1
            continue
        # A bundle never splits a source message: all its interactions are compared with the cause before the bundle.
        last[source] = max(last.get(source, -1), entry.offset)
        fresh[entry.interaction.user_id].append(entry.interaction)
        done.produced_at.append(entry.produced_at)
    progress.sources = last
    return dict(fresh)


def profile_of(user: CachedUser, category_of: CategoryOf, settings: GraphSettings) -> UserProfile:
    """Return what the ranker sees of a user; the clock is the user's own latest event."""
    state = user.state
    owned_ms = int(settings.lists.owned_seconds * 1000)
    since = state.last_event_at - owned_ms
    purchases = active_actions(state.purchases, state.refunds)
    hints = {item: sums.hint for item, sums in state.items.items() if sums.hint and category_of(item) is None}
    return UserProfile(
        user_id=user.user_id,
        now=state.last_event_at,
        interests=interests(state, category_of, settings.interest),
        history=[
            HistoryItem(entry.item_id, entry.kind, entry.at, entry.price, entry.currency)
            for entry in state.history
            if entry.active
        ],
        owned={purchase.item_id: purchase.at for purchase in purchases if purchase.at >= since},
        hints=hints,
        ignored=ignored_items(state, settings.lists.ignored_half_life_seconds),
        repeats=repeat_strengths(purchases, state.last_event_at, owned_ms, settings.ranking.repeat_half),
    )


def history_batch(profiles: Sequence[UserProfile], row_of: Callable[[str], int | None]) -> HistoryBatch:
    """Return the encoder's input for users in the order of ``profiles``: newest last, padded on the left."""
    width = max((min(len(profile.history), ENCODED_HISTORY) for profile in profiles), default=0) or 1
    shape = len(profiles), width
    batch = HistoryBatch(
        rows=np.full(shape, -1, dtype=np.int64),
        kinds=np.zeros(shape, dtype=np.int64),
        ages=np.zeros(shape, dtype=np.float32),
    )
    for i, profile in enumerate(profiles):
        recent = profile.history[-ENCODED_HISTORY:]
        for j, item in enumerate(recent, start=width - len(recent)):
            row = row_of(item.item_id)
            batch.rows[i, j] = -1 if row is None else row
            batch.kinds[i, j] = KIND_CODES[item.kind.value]
            batch.ages[i, j] = (profile.now - item.occurred_at) / 1000.0
    return batch
