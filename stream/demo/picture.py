"""What the demo shows at one moment, as plain data."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event of the shopper. ``at`` in ms."""

    at: int
    verb: str
    title: str
    simulated: bool


@dataclass(frozen=True, slots=True)
class InterestLine:
    """One interest, its weight at the shopper's latest event."""

    category: str
    weight: float
    views: int
    purchases: int


@dataclass(frozen=True, slots=True)
class ListLine:
    """One recommended item; ``because`` is the reason that adds most. ``price`` and its anchor's: up-sell only."""

    title: str
    category: str
    because: str
    price: float | None = None
    anchor_price: float | None = None


@dataclass(frozen=True, slots=True)
class ShopperPicture:
    """The shopper we watch."""

    user_id: str
    events: tuple[EventLine, ...] = ()
    interests: tuple[InterestLine, ...] = ()
    cross_sell: tuple[ListLine, ...] = ()
    up_sell: tuple[ListLine, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything the view shows. ``done`` of ``total`` ``unit``; latencies in seconds."""

    phase: str
    done: int = 0
    total: int = 0
    unit: str = ""
    per_second: float = 0.0
    shopper: ShopperPicture | None = None
    latencies: dict[str, float] = field(default_factory=dict)
    users: int = 0
    categories: int = 0
    lists: int = 0
    encoder: str = ""
    notes: tuple[str, ...] = ()
