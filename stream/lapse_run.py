"""One look at all users for silences that have become warnings since the last look, each sent once.

The rule of every hop holds here too: a ledger, claimed, says up to when warnings have been given; one transaction
moves it and notes what is still to be sent; then it is sent, then the note is cleared. A run that died in between is
made up for by the next one, with the same keys and versions. When a silence became a warning is a function of the log,
so it does not matter when, or how often, somebody looks. Two runs at once: the first is fenced.
"""

import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import msgspec

from graph.lapses import DAY_MS, lapses
from graph.reversals import Action
from graph.state import HistoryEntry, UserState, decode_state
from graph.store import Fenced, GraphStore, LedgerCommit, LedgerEntry, LedgerMove
from stream.ledgered import Outbox, decode_outbox, encode_outbox
from stream.publisher import Outgoing, Publishes
from stream.settings import Settings
from stream.signals import Signal, encode_signal, lapse_signal, signal_key

_PAGE = 500
_FIRST_LOOK_MS = 7 * DAY_MS
"""The first run ever looks so far back, and not at everybody who ever left."""


class LapseFigures(msgspec.Struct):
    """What one run did. Times in ms; ``resent``: of a run that had died before it could send them."""

    since: int
    until: int
    users: int = 0
    churn: int = 0
    interest_loss: int = 0
    resent: int = 0


class LapseRun:
    """See the module."""

    def __init__(self, store: GraphStore, publisher: Publishes, settings: Settings) -> None:
        self._store = store
        self._publisher = publisher
        self._settings = settings
        self._key = f"{settings.topics.signals}/0"
        self._owner = uuid.uuid4().hex

    async def run(self, until: int, step: Callable[[], None] = lambda: None) -> LapseFigures:
        """Give the warnings due after the last run, and up to ``until`` (ms). Raises graph.store.StoreError."""
        entry = (await self._store.claim({self._key: self._owner}))[self._key]
        resent = decode_outbox(entry.outbox).keyed
        if resent:
            entry = await self._send(entry, resent)
        since = entry.applied if entry.applied >= 0 else until - _FIRST_LOOK_MS
        figures = LapseFigures(since, until, resent=len(resent))
        if until <= since:
            return figures
        messages: list[tuple[str, bytes, bytes]] = []
        async for signal in self._due(since, until, figures, step):
            messages.append((self._settings.topics.signals, signal_key(signal), encode_signal(signal)))
        entry = await self._move(entry, until, tuple(messages))
        if messages:
            await self._send(entry, messages)
        return figures

    async def _due(
        self, since: int, until: int, figures: LapseFigures, step: Callable[[], None]
    ) -> AsyncIterator[Signal]:
        settings, after = self._settings.graph.signals, ""
        while page := await self._store.user_ids(after, _PAGE):
            after = page[-1]
            stored = await self._store.load_users(page)
            states = {user_id: decode_state(user.state) for user_id, user in sorted(stored.items())}
            items = sorted({entry.item_id for state in states.values() for entry in _remembered(state)})
            rows = await self._store.load_items(items)
            categories = {item_id: row.category for item_id, row in rows.items()}
            for user_id, state in states.items():
                step()
                figures.users += 1
                for lapse in lapses(state, until, categories.get, settings):
                    if lapse.due > since:
                        figures.churn += lapse.category is None
                        figures.interest_loss += lapse.category is not None
                        yield lapse_signal(user_id, lapse)

    async def _send(self, entry: LedgerEntry, messages: Sequence[tuple[str, bytes, bytes]]) -> LedgerEntry:
        await self._publisher.publish(
            [Outgoing(topic, key, value) for topic, key, value in messages], self._check_owner
        )
        return await self._move(entry, entry.applied, ())

    async def _check_owner(self) -> None:
        entry = (await self._store.read_ledgers([self._key]))[self._key]
        if entry.owner != self._owner:
            raise Fenced(f"{self._key} was claimed by another run since we claimed it")

    async def _move(
        self, entry: LedgerEntry, applied: int, messages: tuple[tuple[str, bytes, bytes], ...]
    ) -> LedgerEntry:
        outbox = encode_outbox(Outbox(keyed=messages))
        move = LedgerMove(self._key, entry.applied, applied, entry.sources, outbox)
        await self._store.apply_users(LedgerCommit({self._key: self._owner}, [move]), [])
        return LedgerEntry(self._key, self._owner, applied, entry.sources, outbox)


def _remembered(state: UserState) -> Iterator[HistoryEntry | Action]:
    yield from state.history
    yield from state.purchases
    yield from state.cart_additions
