"""Draws up the picture from what everybody can see: lists from the subscriber, interests from the store, and counts.

Nothing here looks inside an agent.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from graph.decay import decay_factor
from graph.store import GraphStore, UserView
from stream.demo.picture import EventLine, InterestLine, ListLine, ShopperPicture
from stream.demo.sample import SampleEvent, SampleItem
from stream.demo.words import VERBS, in_words, leaf, readable, strongest
from stream.recommendations import CrossSellItem, Recommendation, UpSellItem

_RATE_SECONDS = 3.0


class RateMeter:
    """How fast a count grew over the last seconds. Times in seconds of one clock."""

    def __init__(self, seconds: float = _RATE_SECONDS) -> None:
        self._seconds = seconds
        self._marks: deque[tuple[float, int]] = deque()

    def update(self, now: float, count: int) -> float:
        """Note the count and return its growth per second."""
        self._marks.append((now, count))
        while len(self._marks) > 2 and self._marks[1][0] <= now - self._seconds:
            self._marks.popleft()
        then, before = self._marks[0]
        return (count - before) / (now - then) if now > then else 0.0


class ShopperObserver:
    """Watches one shopper."""

    def __init__(
        self, user_id: str, events: Sequence[SampleEvent], items: Mapping[str, SampleItem], half_life_seconds: float
    ) -> None:
        self._user_id = user_id
        self._events = [(place, event) for place, event in enumerate(events) if event.user_id == user_id]
        self._items = items
        self._half_life_seconds = half_life_seconds

    async def observe(self, store: GraphStore, lists: Mapping[str, Recommendation], sent: int) -> ShopperPicture:
        """Return the shopper after the first ``sent`` events of the replay; latest event and best item first."""
        seen = [self._event(event) for place, event in self._events if place < sent]
        user = await store.view_user(self._user_id)
        found = lists.get(self._user_id)
        return ShopperPicture(
            self._user_id,
            tuple(reversed(seen)),
            self._interests(user) if user else (),
            tuple(self._cross_sell(item) for item in found.cross_sell) if found else (),
            tuple(self._up_sell(item) for item in found.up_sell) if found else (),
        )

    def _event(self, event: SampleEvent) -> EventLine:
        return EventLine(event.occurred_at, VERBS[event.kind], self._title(event.item_id), event.simulated)

    def _interests(self, user: UserView) -> tuple[InterestLine, ...]:
        return tuple(
            InterestLine(
                leaf(interest.category),
                interest.weight * decay_factor(user.last_event_at - interest.updated_at, self._half_life_seconds),
                interest.views,
                interest.purchases,
            )
            for interest in user.interests
        )

    def _cross_sell(self, item: CrossSellItem) -> ListLine:
        return ListLine(self._title(item.item_id), leaf(item.category), self._because(item))

    def _up_sell(self, item: UpSellItem) -> ListLine:
        category, because = leaf(item.category), self._because(item)
        return ListLine(self._title(item.item_id), category, because, item.price, item.anchor_price)

    def _because(self, item: CrossSellItem | UpSellItem) -> str:
        reason = strongest(item.because)
        return in_words(reason, self._title) if reason else ""

    def _title(self, item_id: str) -> str:
        item = self._items.get(item_id)
        return readable(item.title) if item else item_id
