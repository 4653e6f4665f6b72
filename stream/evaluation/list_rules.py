"""What a published list must never break: the definitions of cross-sell and up-sell."""

from collections.abc import Callable, Iterator, Mapping

from graph.settings import ListSettings
from stream.recommendations import FOR_YOU, CrossSellItem, Recommendation, UpSellItem

MOST_ITEMS = 10


def broken_rules(
    published: Recommendation,
    category_of: Callable[[str], str | None],
    bought: Mapping[str, int],
    settings: ListSettings,
    at: int,
) -> Iterator[str]:
    """Yield one sentence per broken rule.

    category_of: of an item, by the catalogue. bought: when the user bought an item last, ms; within ``owned_seconds``
    before ``at`` and later it is in no list but for-you, which may offer again what is bought again.
    """
    owned_ms = int(settings.owned_seconds * 1000)
    band = settings.up_sell_min_ratio, settings.up_sell_max_ratio
    lists = published.lists()
    for name, items in lists.items():
        ids = [item.item_id for item in items]
        if len(ids) > MOST_ITEMS:
            yield f"{name}: {len(ids)} items"
        if len(set(ids)) < len(ids):
            yield f"{name}: an item twice"
        for item_id in ids:
            if name != FOR_YOU and bought.get(item_id, at - owned_ms - 1) >= at - owned_ms:
                yield f"{name}: {item_id} was bought not long ago"
    every = [item for items in lists.values() for item in items]
    for item in every:
        if not isinstance(item, CrossSellItem):
            continue
        for reason in item.because:
            # A path ends with the item; where an association led there, with its category before it.
            steps = reason.path[1:-1]
            earlier = steps[:-1] if steps and steps[-1] == item.category else steps
            held = {category_of(step) or step for step in earlier}
            if item.category is not None and item.category in held:
                yield f"cross-sell: {item.item_id} is of a category of its own path"
    for dearer in every:
        if not isinstance(dearer, UpSellItem):
            continue
        if dearer.price <= dearer.anchor_price:
            yield f"up-sell: {dearer.item_id} is not dearer than its anchor"
        elif not dearer.anchor_price * band[0] <= dearer.price <= dearer.anchor_price * band[1]:
            yield f"up-sell: {dearer.item_id} is not within the price band above its anchor"
        if category_of(dearer.anchor_item_id) not in (None, dearer.category):
            yield f"up-sell: {dearer.item_id} is of another category than its anchor"
