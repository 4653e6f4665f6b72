"""What the ranker is told about a user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graph.model import Interest, Kind


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """One interaction that counts: not taken back, not an impression. ``price`` per unit, as the event named it."""

    item_id: str
    kind: Kind
    occurred_at: int
    price: float | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class UserProfile:
    """A user as the ranker sees one: a function of the user's state and the catalogue, never of the wall clock.

    now: ms, the user's latest event time; interests: all, strongest first (by rank key, then path); history: oldest
    first; owned: item -> ms of its latest purchase that was not taken back; hints: item -> category, from the user's
    own events, for items that have none in the catalogue; ignored: item -> times that it was shown in vain, decayed;
    repeats: item -> strength in [0, 1] of what was bought before, and may be again.
    """

    user_id: str
    now: int
    interests: Sequence[Interest]
    history: Sequence[HistoryItem]
    owned: Mapping[str, int]
    hints: Mapping[str, str]
    ignored: Mapping[str, float] = field(default_factory=dict)
    repeats: Mapping[str, float] = field(default_factory=dict)
