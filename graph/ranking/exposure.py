"""The head and the long tail of a shop, and what of both, and of which brand, lists show."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from graph.ranking.diversity import Cap
from graph.ranking.items import ItemIndex
from graph.ranking.ragged import BoolArray, FloatArray
from graph.settings import ListSettings


def head_items(items: ItemIndex, weights: FloatArray, share: float) -> BoolArray:
    """Return (n,) whether an item is of the head: the fewest listed items with ``share`` of all weights (n,).

    Equals are taken by item id.
    """
    head = np.zeros(len(items), dtype=np.bool_)
    listed = np.flatnonzero(items.listed & (weights > 0.0))
    order = listed[np.lexsort((items.ids.ranks()[listed], -weights[listed]))]
    before = np.cumsum(weights[order]) - weights[order]
    head[order[before < share * weights[listed].sum()]] = True
    return head


def exposure_caps(
    items: ItemIndex, head: BoolArray, rows: np.ndarray[tuple[int], np.dtype[np.int64]], settings: ListSettings
) -> list[Cap]:
    """Return the caps that the settings ask for, over the candidates' rows."""
    caps = []
    if settings.max_per_brand is not None:
        caps.append(Cap(items.brand_codes[rows].astype(np.int64), settings.max_per_brand))
    if settings.max_head_items is not None:
        caps.append(Cap(np.where(head[rows], 0, -1), settings.max_head_items))
    return caps


@dataclass(frozen=True, slots=True)
class Exposure:
    """What the places of many lists show.

    items: distinct ones; coverage: over the listed items of the catalogue; tail: share of places that are not the
    head's; brands: share of the places with a brand, largest first; gini: of the places over the listed items, 0
    when all are shown alike; one_category: share of lists, of two items or more, whose items are all of one category.
    """

    lists: int
    places: int
    items: int
    coverage: float
    tail: float
    gini: float
    one_category: float
    brands: dict[str, float]


def measure_exposure(lists: Iterable[Sequence[str]], items: ItemIndex, head: BoolArray, most_brands: int) -> Exposure:
    """Count the places of lists of item ids; items that the catalogue no longer has count as places alone."""
    shown: Counter[str] = Counter()
    total = several = alike = 0
    for listed in lists:
        shown.update(listed)
        total += 1
        if len(listed) > 1:
            several += 1
            alike += len({items.category_of(item_id) for item_id in listed}) == 1
    places = sum(shown.values())
    counts, brands, tail = np.zeros(len(items)), Counter[str](), 0
    for item_id, count in shown.items():
        row = items.row(item_id)
        if row is None:
            continue
        counts[row] = count
        tail += 0 if head[row] else count
        if (code := int(items.brand_codes[row])) >= 0:
            brands[items.brands[code]] += count
    branded = sum(brands.values())
    return Exposure(
        lists=total,
        places=places,
        items=len(shown),
        coverage=_share(int((counts[items.listed] > 0).sum()), int(items.listed.sum())),
        tail=_share(tail, places),
        gini=gini(counts[items.listed]),
        one_category=_share(alike, several),
        brands={
            brand: count / branded
            for brand, count in sorted(brands.items(), key=lambda found: (-found[1], found[0]))[:most_brands]
        },
    )


def gini(values: FloatArray) -> float:
    """Return the Gini coefficient of values >= 0: 0 for all alike, towards 1 for one that has all; 0 without any.

    >>> gini(np.array([1.0, 1.0])), gini(np.array([0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.75)
    """
    total = float(values.sum())
    if total <= 0.0:
        return 0.0
    ascending, size = np.sort(values), len(values)
    return float(2.0 * (np.arange(1, size + 1) * ascending).sum() / (size * total) - (size + 1) / size)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
