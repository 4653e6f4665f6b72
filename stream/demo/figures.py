"""The demo's result, and its check of itself."""

from hashlib import sha256

import msgspec

from graph.store import GraphStore

_PAGE = 500
_DIGITS = 9


class ShopperInterest(msgspec.Struct, frozen=True):
    """An interest of the shopper who was watched, as it stands in the graph; ``weight`` is valid at ``updated_at``."""

    category: str
    weight: float
    updated_at: int
    views: int
    purchases: int


class Shopper(msgspec.Struct, frozen=True):
    """The shopper who was watched; lists are item ids, best first."""

    user_id: str
    interests: list[ShopperInterest]
    cross_sell: list[str]
    up_sell: list[str]


class Figures(msgspec.Struct, frozen=True):
    """What was sent and what became of it. ``missing`` events were sent and are not in the graph: it must be 0.

    ``latency_seconds`` runs from the timestamp of an event's record to the arrival, at a subscriber, of the first list
    that knows of the event. ``seconds`` is the replay, ``total_seconds`` includes loading the models. ``interests``
    is a digest of every user's interests: the same events give the same.
    """

    events: int
    simulated_views: int
    applied: int
    duplicates: int
    refused: int
    missing: int
    users: int
    categories: int
    items: int
    lists: int
    latency_seconds: dict[str, float]
    seconds: float
    total_seconds: float
    encoder: str
    user_encoder: str
    seed: int
    interests: str
    shopper: Shopper


async def interests_digest(store: GraphStore) -> str:
    """Return the SHA-256, in hex, of all users' interests (embeddings' scores aside)."""
    digest = sha256()
    after = ""
    while page := await store.user_ids(after, _PAGE):
        for user_id in page:
            shopper = await shopper_of(store, user_id)
            digest.update(msgspec.json.encode([user_id, shopper.interests]))
        after = page[-1]
    return digest.hexdigest()


async def shopper_of(store: GraphStore, user_id: str) -> Shopper:
    """Return a user's interests and lists, weights to 9 significant digits; empty for one the store does not know."""
    user = await store.view_user(user_id)
    if user is None:
        return Shopper(user_id, [], [], [])
    interests = [
        ShopperInterest(i.category, float(f"{i.weight:.{_DIGITS}g}"), i.updated_at, i.views, i.purchases)
        for i in user.interests
    ]
    return Shopper(user_id, interests, list(user.cross_sell), list(user.up_sell))
