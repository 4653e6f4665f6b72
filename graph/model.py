"""The words of the product as types: interactions, items, the nodes and edges of the graph.

All times are integer milliseconds since the Unix epoch, UTC, named ``*_at``; ids are text as the shop wrote them.
"""

from enum import StrEnum

import msgspec

CATEGORY_SEPARATOR = " > "
"""Joins the labels of a category path. The joined path is the category's key everywhere."""

ANONYMOUS_PREFIX = "anon:"
"""Put before ``anonymous_id`` when an interaction has no ``user_id``."""


class Kind(StrEnum):
    """What a user did with an item."""

    IMPRESSION = "impression"
    CLICK = "click"
    VIEW = "view"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    PURCHASE = "purchase"
    REFUND = "refund"


VIEWING = frozenset({Kind.CLICK, Kind.VIEW})
"""Kinds counted by the ``views`` of an interest."""


class Interaction(msgspec.Struct, frozen=True, array_like=True):
    """One validated interaction of one user with one item (the decoded form of an event).

    ``category`` is the event's own opinion, a joined path; the catalogue's wins once it has spoken.
    ``price`` is per unit in ``currency`` (upper-case ISO 4217). ``quantity`` never weighs.
    """

    event_id: str
    kind: Kind
    user_id: str
    item_id: str
    occurred_at: int
    category: str | None = None
    price: float | None = None
    currency: str | None = None
    quantity: int = 1
    order_id: str | None = None
    list_id: str | None = None
    position: int | None = None
    recommendation_id: str | None = None


class ItemRow(msgspec.Struct, frozen=True, array_like=True):
    """What the catalogue says of an item. ``category`` is a joined path, ``derived`` marks one we assigned.

    ``micro_topic`` is the name of the one we assigned.
    """

    item_id: str
    title: str = ""
    category: str | None = None
    derived: bool = False
    brand: str | None = None
    price: float | None = None
    currency: str | None = None
    available: bool = True
    quality: float | None = None
    micro_topic: str | None = None


class Interest(msgspec.Struct, frozen=True, array_like=True):
    """``(:User)-[:INTERESTED_IN]->(:Category)``.

    ``weight`` is dimensionless, > 0 and valid at ``updated_at``; ``rank_key`` = log2(weight) + updated_at / half-life
    orders interests rightly at any time; ``score`` is the cosine of the user's and the category's embedding.
    """

    category: str
    weight: float
    updated_at: int
    rank_key: float
    views: int
    purchases: int
    score: float = 0.0


class Touch(msgspec.Struct, frozen=True, array_like=True):
    """``(:User)-[:VIEWED|PURCHASED]->(:Item)``: what the current history holds of one item."""

    item_id: str
    purchased: bool
    count: int
    last_at: int


class Family(StrEnum):
    """The two families of association edges."""

    VIEWED_NEXT = "VIEWED_NEXT"
    BOUGHT_NEXT = "BOUGHT_NEXT"


class Level(StrEnum):
    """What an association connects."""

    CATEGORY = "category"
    ITEM = "item"


class Successor(msgspec.Struct, frozen=True, array_like=True):
    """One directed association from a source to ``target``.

    ``weight`` is the decayed sum of transition weights, valid at the record's ``updated_at``; ``count`` the number of
    transitions behind it (an integer, never decayed); ``users`` the number of users whose memory holds the pair.
    """

    target: str
    weight: float
    count: int
    users: int


class SuccessorRecord(msgspec.Struct, frozen=True, array_like=True):
    """All successors of one source, as published on the compacted associations topic.

    Every weight is valid at ``updated_at``. Confidence, lift and NPMI are not here: they need totals that only a
    reader of all records knows.
    """

    level: Level
    source: str
    updated_at: int
    viewed: tuple[Successor, ...] = ()
    bought: tuple[Successor, ...] = ()


class AssociationEdge(msgspec.Struct, frozen=True, array_like=True):
    """``(:Category)-[:VIEWED_NEXT|BOUGHT_NEXT]->(:Category)`` as it is drawn in the graph."""

    family: Family
    source: str
    target: str
    weight: float
    users: int
    confidence: float
    lift: float
    updated_at: int


def category_labels(path: str) -> list[str]:
    """Split a joined category path into its labels, root first.

    >>> category_labels("Kitchen > Mugs")
    ['Kitchen', 'Mugs']
    """
    return path.split(CATEGORY_SEPARATOR)


def category_ancestors(path: str) -> list[str]:
    """Return the joined paths of a category and all its ancestors, root first.

    >>> category_ancestors("Kitchen > Mugs")
    ['Kitchen', 'Kitchen > Mugs']
    """
    labels = category_labels(path)
    return [CATEGORY_SEPARATOR.join(labels[: depth + 1]) for depth in range(len(labels))]
