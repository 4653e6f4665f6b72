"""What is on a for-you list, and its form in the published record."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stream.recommendations import ForYou, ForYouItem, Reason

HISTORY = "HISTORY"


@dataclass(frozen=True, slots=True)
class Hold:
    """An item of the user's past without which the listed item scores less, by ``fall``."""

    item_id: str
    fall: float


@dataclass(frozen=True, slots=True)
class ForYouPlace:
    """score: log odds that it is taken, but for a constant of the user. because: the largest fall first."""

    item_id: str
    score: float
    because: tuple[Hold, ...]


def published_list(
    user_id: str, places: Sequence[ForYouPlace], ranker: str, category_of: Callable[[str], str | None]
) -> ForYou:
    """Return what subscribers read."""
    return ForYou(
        tuple(
            ForYouItem(
                place.item_id,
                category_of(place.item_id),
                place.score,
                tuple(Reason(HISTORY, hold.fall, (user_id, hold.item_id, place.item_id)) for hold in place.because),
            )
            for place in places
        ),
        ranker,
    )
