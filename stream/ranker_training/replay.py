"""A log through the worker's own agents, and before each later interaction a look at what could be listed."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from graph.interest import CategoryOf, category_in_state
from graph.lapses import DAY_MS
from graph.ranking.lists import NextVisit, UserLists
from graph.ranking.weights import Weights
from graph.state import UserState
from stream.evaluation.worker_told import AT_ONCE, worker_settings
from stream.pipeline import Pipeline
from stream.ranker_training.cases import Cases, Ranks
from stream.ranker_training.log import Message
from stream.recommendations import CROSS_SELL, NEXT_CROSS_SELL, NEXT_UP_SELL, RULED_LIST_IDS, UP_SELL
from stream.settings import Settings
from stream.users import CachedUser, loaded_user

MOST_TOGETHER = 64
"""So many messages, of as many users, are asked about and then processed together: a micro-batch."""

ROWS_TOGETHER = 500


def training_settings(base: Settings) -> Settings:
    """Return settings under which lists follow from the events alone, by the fixed weights."""
    ranking = base.graph.ranking.model_copy(update={"learned_file": None})
    graph = base.graph.model_copy(update={"ranking": ranking})
    return worker_settings(base.model_copy(update={"graph": graph}))


class Clock:
    """The time (ms) of the latest message."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        """Return it."""
        return self.now


class Replay:
    """Test, then learn: asks a pipeline what it would list, and then processes what happened."""

    def __init__(self, pipeline: Pipeline, clock: Clock) -> None:
        self._pipeline = pipeline
        self._clock = clock

    async def catalogue(self, rows: Sequence[tuple[bytes | None, bytes]], step: Callable[[], None]) -> None:
        """Take in the whole catalogue."""
        for start in range(0, len(rows), ROWS_TOGETHER):
            for key, value in rows[start : start + ROWS_TOGETHER]:
                self._pipeline.log.append(self._pipeline.settings.topics.catalogue, key, value)
                step()
            await self._pipeline.drain()

    def lacks(self) -> dict[str, str]:
        """Return, by list, what no item of the catalogue has and no such list can be made without."""
        items = self._pipeline.knowledge.items
        if not (items.category_codes >= 0).any():
            return dict.fromkeys(RULED_LIST_IDS, "no item has a category")
        if np.isnan(items.prices).all():
            return dict.fromkeys((UP_SELL, NEXT_UP_SELL), "no item has a price")
        return {}

    async def process(self, messages: Sequence[Message], step: Callable[[], None]) -> None:
        """Process messages, asking nothing."""
        for start in range(0, len(messages), AT_ONCE):
            await self._process(messages[start : start + AT_ONCE], step)

    async def record(self, messages: Sequence[Message], step: Callable[[], None]) -> dict[str, Cases]:
        """Return, by list, the features of what could be listed: before each message; before each visit.

        What teaches cross-sell is what :func:`taken_elsewhere` leaves of what was taken.
        """
        cases, visits = {name: Cases() for name in RULED_LIST_IDS}, Visits(messages)
        for batch in micro_batches(messages):
            known, users = await self._known(batch)
            if known:
                trial = await self._pipeline.refresher.trial(users, ())
                for message, user, found in zip(known, users, trial.features, strict=True):
                    taken = message.items
                    cases[CROSS_SELL].add(found.cross_sell_rows, found.cross_sell, self._rows_elsewhere(user, taken))
                    cases[UP_SELL].add(found.up_sell_rows, found.up_sell, self._rows(taken))
                    cross_sell, up_sell = found.next_visit_cross_sell, found.next_visit_up_sell
                    if cross_sell is not None and up_sell is not None and begins_visit(message, user):
                        whole = visits.taken(message)
                        cases[NEXT_CROSS_SELL].add(found.cross_sell_rows, cross_sell, self._rows_elsewhere(user, whole))
                        cases[NEXT_UP_SELL].add(found.up_sell_rows, up_sell, self._rows(whole))
            await self._process(batch, step)
        return cases

    def _elsewhere(self, user: CachedUser, item_ids: Iterable[str]) -> list[str]:
        return taken_elsewhere(user.state, item_ids, self._pipeline.knowledge.items.category_of)

    def _rows_elsewhere(self, user: CachedUser, item_ids: Iterable[str]) -> list[int]:
        return self._rows(self._elsewhere(user, item_ids))

    def _rows(self, item_ids: Iterable[str]) -> list[int]:
        return [at for at in map(self._pipeline.knowledge.items.row, item_ids) if at is not None]

    async def judge(
        self, messages: Sequence[Message], contenders: Sequence[Weights], step: Callable[[], None]
    ) -> dict[str, Ranks]:
        """Return, by list, where what was taken stood on each contender's.

        A case of cross-sell is one of which :func:`taken_elsewhere` leaves anything; one of up-sell, in which the fixed
        weights, the first contender's, list anything. One of the next visit is a visit that begins; what counts is the
        best place of all that was taken in it.
        """
        ranks, visits = {name: Ranks() for name in RULED_LIST_IDS}, Visits(messages)
        for batch in micro_batches(messages):
            known, users = await self._known(batch)
            if known:
                lists = (await self._pipeline.refresher.trial(users, contenders)).lists
                for message, user, of_user in zip(known, users, zip(*lists, strict=True), strict=True):
                    taken = message.items
                    away = self._elsewhere(user, taken)
                    _judge(message.user_id, of_user, (away, taken), (ranks[CROSS_SELL], ranks[UP_SELL]))
                    later = [of.next_visit for of in of_user if of.next_visit is not None]
                    if later and begins_visit(message, user):
                        whole = visits.taken(message)
                        taken_of = self._elsewhere(user, whole), whole
                        _judge(message.user_id, later, taken_of, (ranks[NEXT_CROSS_SELL], ranks[NEXT_UP_SELL]))
            await self._process(batch, step)
        return ranks

    async def _known(self, batch: Sequence[Message]) -> tuple[list[Message], list[CachedUser]]:
        asked = [message for message in batch if message.items]
        stored = await self._pipeline.store.load_users(sorted({message.user_id for message in asked}))
        known = [message for message in asked if message.user_id in stored]
        users = [loaded_user(message.user_id, stored[message.user_id]) for message in known]
        kept = [place for place, user in enumerate(users) if user.state.history]
        return [known[place] for place in kept], [users[place] for place in kept]

    async def _process(self, batch: Sequence[Message], step: Callable[[], None]) -> None:
        for message in batch:
            self._clock.now = max(self._clock.now, message.at)
            self._pipeline.log.append(self._pipeline.settings.topics.interactions, message.key, message.value)
        await self._pipeline.drain()
        self._pipeline.log.forget()
        for _ in batch:
            step()


def micro_batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Cut before a user comes again: every case is asked with all that its user did before."""
    start, seen = 0, set[str]()
    for place, message in enumerate(messages):
        if message.user_id in seen or place - start == MOST_TOGETHER:
            yield messages[start:place]
            start, seen = place, set()
        seen.add(message.user_id)
    if start < len(messages):
        yield messages[start:]


def begins_visit(message: Message, user: CachedUser) -> bool:
    """Tell whether a known user did nothing on the message's day (UTC) before it."""
    return message.at // DAY_MS > user.state.last_event_at // DAY_MS


class Visits:
    """What each user took on each day (UTC), of these messages alone."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self._taken: defaultdict[tuple[str, int], dict[str, None]] = defaultdict(dict)
        for message in messages:
            self._taken[message.user_id, message.at // DAY_MS].update(dict.fromkeys(message.items))

    def taken(self, message: Message) -> list[str]:
        """Return what the message's user took on its day, in that order, each item once."""
        return list(self._taken[message.user_id, message.at // DAY_MS])


def taken_elsewhere(state: UserState, item_ids: Iterable[str], category_of: CategoryOf) -> list[str]:
    """Return what cross-sell is for: the items of another category than that of the user's latest item.

    What the user took of the same category says nothing for or against a list that is to lead elsewhere.
    """
    latest = next((entry.item_id for entry in reversed(state.history) if entry.active), None)
    here = None if latest is None else category_in_state(state, latest, category_of)
    return [item_id for item_id in item_ids if category_of(item_id) not in (None, here)]


def _judge(
    user_id: str,
    of_user: Sequence[UserLists | NextVisit],
    taken: tuple[Sequence[str], Sequence[str]],
    ranks: tuple[Ranks, Ranks],
) -> None:
    """Judge each contender's cross-sell and up-sell of a user by what was taken of either kind."""
    elsewhere, anything = taken
    cross_sell, up_sell = ranks
    if elsewhere:
        cross_sell.add(user_id, [[entry.item_id for entry in lists.cross_sell] for lists in of_user], elsewhere)
    if of_user[0].up_sell:
        up_sell.add(user_id, [[entry.item_id for entry in lists.up_sell] for lists in of_user], anything)
