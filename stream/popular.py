"""The popular lists: what subscribers show to a user they find no recommendation of, by context.

One record per context on a compacted topic: the whole shop under the key ``shop``, a category under ``category|`` and
its path. The last record of a key stands; an empty value says that the category has no listed item any more.
"""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from graph.ranking.item_weights import ItemWeights
from graph.ranking.popular import WHOLE_SHOP, PopularShelf, name_shelf, popular_shelves
from graph.settings import ListSettings
from stream.knowledge import Knowledge
from stream.publisher import Outgoing
from stream.recommendations import Moment, rfc3339

SCHEMA = "popular/1"
SHOP_KEY = "shop"


class PopularItem(msgspec.Struct, frozen=True):
    """An item of the list."""

    item_id: str
    category: Annotated[str | None, Meta(description="Joined by ' > '; null while the catalogue knows none.")]
    popularity: Annotated[float, Meta(ge=0, le=1, description="Against the most popular item of the shop.")]


class Popular(msgspec.Struct, frozen=True, tag_field="schema", tag=SCHEMA):
    """The popular items of one context, best first."""

    context: Annotated[str | None, Meta(description="A category, with those below it; null: the whole shop.")]
    generated_at: Annotated[Moment, Meta(description="When the list was made.")]
    items: tuple[PopularItem, ...]


TOLERANCE = 0.01
"""A list is published anew when an item or a place changed, or a popularity by more than this.

Each popularity is a share of the shop's highest: one event of that item moves every list by a little, which is no news.
"""

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Popular)


def decode_popular(value: bytes) -> Popular:
    """Read a record's value. Raises msgspec.DecodeError (its subclass ValidationError for another schema)."""
    return _DECODER.decode(value)


def popular_key(context: str | None) -> str:
    """Return the key of a context's record.

    >>> popular_key("Home > Candles"), popular_key(None)
    ('category|Home > Candles', 'shop')
    """
    return SHOP_KEY if context is WHOLE_SHOP else f"category|{context}"


class PopularLists:
    """Remembers what this process published since its last claim, and says what is new."""

    def __init__(self, knowledge: Knowledge, settings: ListSettings, topic: str) -> None:
        self._knowledge = knowledge
        self._weights = ItemWeights(knowledge.items, knowledge.associations)
        self._settings = settings
        self._topic = topic
        self.clear()

    def clear(self) -> None:
        """Forget: another worker may have published."""
        self._published: dict[str | None, PopularShelf] = {}
        self._made_of: tuple[int, int] | None = None

    def changed(self, now: int) -> list[Outgoing]:
        """Return the records that differ from what was published by more than TOLERANCE; ``now`` in ms."""
        items, associations = self._knowledge.items, self._knowledge.associations
        made_of = items.version, associations.version
        if made_of == self._made_of:
            return []
        self._made_of = made_of
        weights = self._weights.current()
        found = dict(popular_shelves(items, weights, self._settings.size, self._settings.max_per_category))
        for context in self._published.keys() - found.keys():
            found[context] = _EMPTY
        fresh = [context for context in found if _is_news(self._published.get(context), found[context])]
        messages = []
        for context in sorted(fresh, key=popular_key):
            self._published[context] = found[context]
            named = name_shelf(items, found[context])
            listed = tuple(PopularItem(item.item_id, item.category, item.popularity) for item in named)
            value = _ENCODER.encode(Popular(context, rfc3339(now), listed)) if listed else None
            messages.append(Outgoing(self._topic, popular_key(context).encode(), value))
        return messages


_EMPTY = PopularShelf(*(np.empty(0, dtype=np.int64),) * 2, np.empty(0))


def _is_news(published: PopularShelf | None, found: PopularShelf) -> bool:
    return (
        published is None
        or not np.array_equal(published.rows, found.rows)
        or not np.array_equal(published.categories, found.categories)
        or bool((np.abs(published.popularity - found.popularity) > TOLERANCE).any())
    )
