"""A small graph with known numbers, written as the agents write it."""

from graph.decay import rank_key
from graph.memory_store import MemoryGraphStore
from graph.model import AssociationEdge, Family, Interest, ItemRow, Kind, Touch
from graph.settings import InterestSettings
from graph.state import HistoryEntry, UserState, encode_state
from graph.store import LedgerCommit, LedgerMove, UserWrite

DAY_MS = 86_400_000
NOW = 1_760_000_000_000
HALF_LIFE_SECONDS = InterestSettings().half_life_seconds
LEDGER = "test/0"


def commit(store: MemoryGraphStore, key: str, expected: int, applied: int, owner: str) -> LedgerCommit:
    return LedgerCommit({key: owner}, [LedgerMove(key, expected, applied, b"", b"")])


def interest(category: str, weight: float, updated_at: int) -> Interest:
    return Interest(category, weight, updated_at, rank_key(weight, updated_at, HALF_LIFE_SECONDS), 3, 1, 0.5)


def user(user_id: str = "u1") -> UserWrite:
    """Twelve of mugs now, sixteen of lamps one half-life ago: eight."""
    history = [
        HistoryEntry(NOW - 3 * DAY_MS, "e1", "lamp", Kind.VIEW, None, None, "Home > Lamps"),
        HistoryEntry(NOW - 2 * DAY_MS, "e2", "mug", Kind.PURCHASE, 4.95, "GBP", "Kitchen > Mugs", False),
        HistoryEntry(NOW, "e3", "mug", Kind.VIEW, 4.95, "GBP", "Kitchen > Mugs"),
    ]
    return UserWrite(
        user_id=user_id,
        events=3,
        last_event_at=NOW,
        version=NOW,
        cross_sell=["candle"],
        up_sell=[],
        state=encode_state(UserState(events=3, last_event_at=NOW, history=history)),
        interests=[interest("Kitchen > Mugs", 12.0, NOW), interest("Home > Lamps", 16.0, NOW - 7 * DAY_MS)],
        touches=[Touch("lamp", False, 1, NOW - 3 * DAY_MS), Touch("mug", False, 1, NOW)],
    )


def edge(family: Family, source: str, target: str, weight: float, updated_at: int = NOW) -> AssociationEdge:
    return AssociationEdge(family, source, target, weight, 12, 0.25, 3.5, updated_at)


async def small_graph(*users: UserWrite) -> MemoryGraphStore:
    store = MemoryGraphStore()
    await store.claim({LEDGER: "owner"})
    await store.ensure_stubs(["Garden > Mugs"], [])
    rows = [
        ItemRow("mug", "Mug", "Kitchen > Mugs", price=4.95, currency="GBP"),
        ItemRow("lamp", "Lamp", "Home > Lamps"),
        ItemRow("candle", "Candle", "Home > Candles", derived=True),
    ]
    await store.apply_items(commit(store, LEDGER, -1, 1, "owner"), rows, [])
    await store.apply_users(commit(store, LEDGER, 1, 2, "owner"), users)
    edges = [
        edge(Family.BOUGHT_NEXT, "Kitchen > Mugs", "Home > Candles", 4.0, NOW - 60 * DAY_MS),
        edge(Family.VIEWED_NEXT, "Kitchen > Mugs", "Home > Lamps", 3.0),
        edge(Family.VIEWED_NEXT, "Home > Lamps", "Kitchen > Mugs", 1.0),
    ]
    await store.apply_associations(commit(store, LEDGER, 2, 3, "owner"), {}, edges, [])
    return store
