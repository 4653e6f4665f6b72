"""Short ways to call a graph store: writes of one user, moves of one ledger, interests, touches, associations."""

from collections.abc import Mapping, Sequence

from graph.decay import rank_key
from graph.model import AssociationEdge, Family, Interest, ItemRow, Touch
from graph.settings import InterestSettings
from graph.store import GraphStore, LedgerCommit, LedgerMove, UserWrite

NOW = 1_795_468_800_123
HALF_LIFE = InterestSettings().half_life_seconds
LEDGER = "bundles/0"
TOKEN = "token"


def interest(category: str, weight: float = 1.0, updated_at: int = NOW, score: float = 0.25) -> Interest:
    return Interest(category, weight, updated_at, rank_key(weight, updated_at, HALF_LIFE), 3, 1, score)


def viewed(item_id: str, count: int = 1, last_at: int = NOW) -> Touch:
    return Touch(item_id, False, count, last_at)


def purchased(item_id: str, count: int = 1, last_at: int = NOW) -> Touch:
    return Touch(item_id, True, count, last_at)


def user(
    user_id: str = "u1",
    interests: Sequence[Interest] = (),
    touches: Sequence[Touch] = (),
    *,
    version: int = NOW,
    events: int = 1,
    state: bytes = b"\x01state",
    unresolved: str | None = None,
    cross_sell: Sequence[str] = (),
    up_sell: Sequence[str] = (),
) -> UserWrite:
    return UserWrite(user_id, events, NOW, version, cross_sell, up_sell, state, interests, touches, unresolved)


def association(
    family: Family, source: str, target: str, weight: float = 1.0, updated_at: int = NOW
) -> AssociationEdge:
    return AssociationEdge(family, source, target, weight, 7, 0.5, 1.25, updated_at)


def move(
    expected: int, applied: int, key: str = LEDGER, sources: bytes = b"", outbox: bytes = b"", token: str = TOKEN
) -> LedgerCommit:
    return LedgerCommit({key: token}, [LedgerMove(key, expected, applied, sources, outbox)])


class Writer:
    """One worker with one ledger: claims it, then moves it by one with every write."""

    def __init__(self, store: GraphStore, key: str = LEDGER, token: str = TOKEN) -> None:
        self.store = store
        self.key = key
        self.token = token
        self.applied = -1

    async def claim(self) -> "Writer":
        self.applied = (await self.store.claim({self.key: self.token}))[self.key].applied
        return self

    def next(self) -> LedgerCommit:
        return move(self.applied, self.applied + 1, self.key, token=self.token)

    async def users(self, *users: UserWrite) -> None:
        await self.store.ensure_stubs(
            [interest.category for user in users for interest in user.interests],
            [touch.item_id for user in users for touch in user.touches],
        )
        await self.store.apply_users(self.next(), users)
        self.applied += 1

    async def items(self, *rows: ItemRow, removed: Sequence[str] = ()) -> None:
        await self.store.apply_items(self.next(), rows, removed)
        self.applied += 1

    async def associations(
        self,
        edges: Sequence[AssociationEdge] = (),
        dropped: Sequence[AssociationEdge] = (),
        states: Mapping[str, bytes] | None = None,
    ) -> None:
        await self.store.ensure_stubs([path for edge in edges for path in (edge.source, edge.target)], [])
        await self.store.apply_associations(self.next(), states or {}, edges, dropped)
        self.applied += 1
