"""A log through the worker's own agents, and before each later interaction a look at what could be listed."""

from collections.abc import Callable, Iterator, Sequence

from graph.ranking.lists import UserLists
from graph.ranking.weights import Weights
from stream.evaluation.worker_told import worker_settings
from stream.pipeline import Pipeline
from stream.ranker_training.cases import Cases, Ranks
from stream.ranker_training.log import Message
from stream.settings import Settings
from stream.users import CachedUser, loaded_user

MOST_TOGETHER = 64
"""So many messages, of as many users, are asked about and then processed together: a micro-batch."""


ROWS_TOGETHER = 500


def training_settings(base: Settings) -> Settings:
    """Return settings under which lists follow from the events alone, by the fixed weights; none for the next visit."""
    ranking = base.graph.ranking.model_copy(update={"learned_file": None})
    next_visit = base.graph.next_visit.model_copy(update={"enabled": False})  # nothing is learned from them
    graph = base.graph.model_copy(update={"ranking": ranking, "next_visit": next_visit})
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

    async def process(self, messages: Sequence[Message], step: Callable[[], None]) -> None:
        """Process messages, asking nothing."""
        for start in range(0, len(messages), 10 * MOST_TOGETHER):
            await self._process(messages[start : start + 10 * MOST_TOGETHER], step)

    async def record(self, messages: Sequence[Message], step: Callable[[], None]) -> tuple[Cases, Cases]:
        """Return the features of what could be listed before each message: of cross-sell, of up-sell."""
        cross_sell, up_sell, row = Cases(), Cases(), self._pipeline.knowledge.items.row
        for batch in micro_batches(messages):
            known, users = await self._known(batch)
            if known:
                for message, found in zip(
                    known, (await self._pipeline.refresher.trial(users, ())).features, strict=True
                ):
                    targets = [at for at in map(row, message.items) if at is not None]
                    cross_sell.add(found.cross_sell_rows, found.cross_sell, targets)
                    up_sell.add(found.up_sell_rows, found.up_sell, targets)
            await self._process(batch, step)
        return cross_sell, up_sell

    async def judge(
        self, messages: Sequence[Message], contenders: Sequence[Weights], step: Callable[[], None]
    ) -> tuple[Ranks, Ranks]:
        """Return where what was taken stood on each contender's lists: of cross-sell, of up-sell.

        A case of up-sell is one in which the fixed weights, the first contender's, list anything.
        """
        cross_sell, up_sell = Ranks(), Ranks()
        for batch in micro_batches(messages):
            known, users = await self._known(batch)
            if known:
                lists = (await self._pipeline.refresher.trial(users, contenders)).lists
                for message, of_user in zip(known, zip(*lists, strict=True), strict=True):
                    _judge(message.user_id, of_user, message.items, cross_sell, up_sell)
            await self._process(batch, step)
        return cross_sell, up_sell

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


def _judge(
    user_id: str, of_user: tuple[UserLists, ...], targets: Sequence[str], cross_sell: Ranks, up_sell: Ranks
) -> None:
    cross_sell.add(user_id, [[entry.item_id for entry in lists.cross_sell] for lists in of_user], targets)
    if of_user[0].up_sell:
        up_sell.add(user_id, [[entry.item_id for entry in lists.up_sell] for lists in of_user], targets)
