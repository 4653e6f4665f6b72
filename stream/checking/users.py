"""I1, I2, I3 and I5 of users: one bundles partition after the other, recomputed and compared with the graph."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graph.interest import interests
from graph.model import Level
from graph.state import UserState
from graph.store import GraphStore, StoredUser, UserView
from graph.transitions import Delta
from stream.checking.catalogue import Catalogue
from stream.checking.deltas import DeltaCheck
from stream.checking.findings import Difference, Findings, Invariant
from stream.checking.lost_events import name_lost_events
from stream.checking.pairs import CategoryPairs
from stream.checking.published import PublishedLists, prefix_differences
from stream.checking.replay import Replay, Skipped, read_bundle, replay
from stream.checking.topics import Span, Topics
from stream.checking.user_differences import (
    Expected,
    graph_differences,
    list_differences,
    only_moved,
    remembered_ids,
    state_differences,
    stored_state,
)
from stream.partitioning import partition_of
from stream.recommendations import Recommendation
from stream.settings import Settings

_PAGE = 200
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Look:
    """How the graph is looked at while others may write: what differs is looked at again, ``times`` in all."""

    times: int = 3
    seconds: float = 1.0


@dataclass(slots=True)
class UserTotals:
    """What all partitions came to."""

    users: int = 0
    applied: int = 0
    duplicates: int = 0
    in_motion: int = 0
    """Users with bundles that came during the check: not judged."""
    beyond_the_log: set[str] = field(default_factory=set)
    """Users with events from before the log: judged by what the log still has."""
    placed_otherwise: set[str] = field(default_factory=set)
    """Users whose interests are counted under an item's former category, until their next event or refresh."""
    changing: set[str] = field(default_factory=set)
    """Categories that transitions are, or will be, counted under once such users are refreshed."""
    interested: Counter[str] = field(default_factory=Counter)
    sources: dict[int, dict[str, int]] = field(default_factory=dict)


class UserCheck:
    """Recomputes users and compares them: exactly, where the bundles go back to the very first."""

    def __init__(
        self,
        topics: Topics,
        store: GraphStore,
        settings: Settings,
        catalogue: Catalogue,
        published: PublishedLists,
        pairs: CategoryPairs,
        skipped: Skipped,
        findings: Findings,
        look: Look,
    ) -> None:
        self._topics = topics
        self._store = store
        self._settings = settings
        self._topic = settings.topics.bundles
        self._catalogue = catalogue
        self._published = published
        self._pairs = pairs
        self._skipped = skipped
        self._findings = findings
        self._look = look
        self._complete = True
        self._erased: set[str] = set()
        self.totals = UserTotals()

    async def check(
        self,
        partition: int,
        span: Span,
        applied: int,
        deltas: DeltaCheck | None,
        known: Iterable[str],
        step: Callable[[], None],
    ) -> Replay:
        """Check one partition, whose ledger stands at ``applied``; ``known`` are the graph's users of it."""
        self._complete = span.first == 0
        sampled = self._published.sampled(self._topic, partition) if self._complete else {}
        prefixes: list[tuple[int, Difference]] = []

        def after(offset: int, done: Replay, made: list[Delta]) -> None:
            step()
            if deltas is not None:
                deltas.compare(offset, made)
            self._pairs.add(delta for delta in made if delta.level is Level.CATEGORY)
            for place, read in sampled.pop(offset, ()):
                prefixes.extend((offset, difference) for difference in self._of_prefix(place, read, done))

        records = self._topics.records(self._topic, partition, span.first, applied)
        done = replay(records, self._skipped, self._catalogue.category_of, self._settings.graph, self._findings, after)
        if sampled and await self._stands(partition, applied):
            prefixes.extend(
                (offset, Difference(Invariant.PREFIX, f"list {place}", f"its position {offset} is not below {applied}"))
                for offset, lists in sampled.items()
                for place, _ in lists
            )
        for offset, difference in prefixes:
            if offset + 1 not in done.in_parts:
                self._findings.add(difference)
        self.totals.applied += done.applied
        self.totals.duplicates += done.duplicates
        if self._complete:
            self.totals.sources[partition] = done.sources
        await self._compare(partition, applied, done, set(known))
        return done

    def _of_prefix(self, place: str, read: Recommendation, done: Replay) -> Iterator[Difference]:
        self._findings.checked[Invariant.PREFIX] += 1
        user = done.users.get(read.user_id)
        where = f"list {place} of user {read.user_id}, position {read.position.offset}"
        state = user.state if user else UserState()
        for what, expected, found in prefix_differences(read, state, self._settings.graph.lists):
            yield Difference(Invariant.PREFIX, where, what, expected, found)

    async def _compare(self, partition: int, applied: int, done: Replay, known: set[str]) -> None:
        wanted = {
            user_id: Expected(user_id, user.state, _least_position(done, user_id))
            for user_id, user in done.users.items()
            if user.state.events
        }
        self._count(wanted.values())
        self._erased = {user_id for user_id in done.asked_to_go if not done.users[user_id].state.events}
        suspects = sorted(wanted.keys() | known | self._erased)
        found: dict[str, list[Difference]] = {}
        for look in range(self._look.times):
            if look:
                await asyncio.sleep(self._look.seconds)
                self._read_on()
            found = await self._differences(suspects, wanted)
            suspects = sorted(found)
            if not suspects:
                return
        moving = await self._moving(partition, applied)
        self.totals.in_motion += len(moving & found.keys())
        wrong = {user_id: differences for user_id, differences in found.items() if user_id not in moving}
        for differences in wrong.values():
            for difference in differences:
                self._findings.add(difference)
        if self._complete:
            states = {user_id: wanted[user_id].state for user_id in sorted(wrong) if user_id in wanted}
            records = self._topics.records(self._topic, partition, 0, applied)
            await name_lost_events(self._store, states, records, self._settings, self._findings)

    def _count(self, wanted: Iterable[Expected]) -> None:
        interest = self._settings.graph.interest
        for user in wanted:
            self.totals.users += 1
            drawn = interests(user.state, self._catalogue.category_of, interest)[: interest.max_edges]
            self.totals.interested.update(edge.category for edge in drawn)
        self._findings.checked[Invariant.GRAPH] += len(list(wanted))
        self._findings.checked[Invariant.PREFIX] += len(list(wanted))

    def _read_on(self) -> None:
        """Take in the lists that were published since."""
        self._published.read_on(self._topics, self._settings.topics.recommendations)

    async def _stands(self, partition: int, applied: int) -> bool:
        """Tell whether nothing was applied of a partition since."""
        key = f"{self._topic}/{partition}"
        entry = (await self._store.read_ledgers([key])).get(key)
        return entry is None or max(entry.applied, 0) <= applied

    async def _moving(self, partition: int, applied: int) -> set[str]:
        """Return the users of bundles that were applied after what was recomputed; nobody while the ledger stands."""
        moving: set[str] = set()
        if await self._stands(partition, applied):
            return moving
        end = self._topics.spans(self._topic)[partition].end
        for record in self._topics.records(self._topic, partition, applied, end):
            bundle = read_bundle(record, self._findings)
            if bundle is not None:
                moving.update(entry.interaction.user_id for entry in bundle.entries)
                moving.update(bundle.refresh, bundle.erase)
        return moving

    async def _differences(
        self, user_ids: Sequence[str], wanted: Mapping[str, Expected]
    ) -> dict[str, list[Difference]]:
        found: dict[str, list[Difference]] = {}
        gate = asyncio.Semaphore(_AT_ONCE)

        async def view(user_id: str) -> UserView | None:
            async with gate:
                return await self._store.view_user(user_id)

        for start in range(0, len(user_ids), _PAGE):
            page = user_ids[start : start + _PAGE]
            stored = await self._store.load_users(page)
            views = await asyncio.gather(*map(view, page))
            for user_id, seen in zip(page, views, strict=True):
                differences = list(self._of_user(user_id, wanted.get(user_id), seen, stored.get(user_id)))
                if differences:
                    found[user_id] = differences
        return found

    def _of_user(
        self, user_id: str, expected: Expected | None, view: UserView | None, stored: StoredUser | None
    ) -> Iterator[Difference]:
        where = f"user {user_id}"
        if user_id in self._erased:
            if view is not None or stored is not None:
                yield Difference(Invariant.GRAPH, where, "is erased, and in the graph")
            if user_id in self._published.last:
                yield Difference(Invariant.VERSIONS, where, "is erased, and has a list")
            return
        if view is None or stored is None:
            if expected is not None:
                missing = "is missing" if view is None else "has no state"
                yield Difference(Invariant.GRAPH, where, missing, f"{expected.state.events} events", "")
            return
        if expected is None:
            if self._complete:
                what = "is in the graph, but in no bundle"
                yield Difference(Invariant.GRAPH, where, what, "", f"{view.events} events")
            return
        state = stored_state(stored)
        if state is None:
            yield Difference(Invariant.GRAPH, where, "its state cannot be read")
            return
        if not self._complete and view.events > expected.state.events:
            self.totals.beyond_the_log.add(user_id)
            lost = remembered_ids(expected.state) - remembered_ids(state)
            if lost and len(remembered_ids(state)) < self._settings.graph.interest.max_event_ids:
                yield Difference(Invariant.ACCOUNTING, where, f"{len(lost)} events of the log are not remembered")
            return
        differences = list(graph_differences(expected, view, self._catalogue.category_of, self._settings.graph))
        if differences and self._placed_otherwise(expected, view, differences):
            self.totals.placed_otherwise.add(user_id)
            differences = []
        self._note_changing(expected.state, state)
        yield from differences
        yield from state_differences(expected, state)
        yield from list_differences(expected, view, self._published.last.get(user_id), self._topic)

    def _note_changing(self, expected: UserState, stored: UserState) -> None:
        """Note the categories of transitions that follow an item into another one at the user's next refresh."""
        for one, other in zip(expected.history, stored.history, strict=False):
            if one.category != other.category and self._catalogue.moved(one.item_id):
                self.totals.changing.update(category for category in (one.category, other.category) if category)

    def _placed_otherwise(self, expected: Expected, view: UserView, differences: Iterable[Difference]) -> bool:
        if not all(": interest in " in difference.where for difference in differences):
            return False
        catalogue, interest = self._catalogue, self._settings.graph.interest
        items = {entry.item_id for entry in expected.state.history} | expected.state.items.keys()
        if expected.state.categories or any(map(catalogue.moved, items)):
            return only_moved(expected, view, catalogue.category_of, catalogue.moved, interest)
        return False


def _least_position(done: Replay, user_id: str) -> int:
    """Return the position that a user's last list must have at least; of a bundle's part it is the one before."""
    offset = done.last_effect.get(user_id, -1)
    return offset - 1 if offset in done.in_parts else offset


async def users_by_partition(store: GraphStore, partitions: int) -> dict[int, list[str]]:
    """Return every user id of the graph by the bundles partition that owns it."""
    found: dict[int, list[str]] = {partition: [] for partition in range(partitions)}
    page = await store.user_ids("", 5_000)
    while page:
        for user_id in page:
            found[partition_of(user_id, partitions)].append(user_id)
        page = await store.user_ids(page[-1], 5_000)
    return found
