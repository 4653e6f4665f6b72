"""What a user's interests and transitions must be, computed plainly from the whole list of the user's interactions.

Written from the design's words alone, slow on purpose, and sharing nothing with the code under test but the types.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp2

from graph.model import Family, Interaction, Kind, Level

DAY_MS = 86_400_000
INTEREST_HALF_LIFE_MS = 7 * DAY_MS
ASSOCIATION_HALF_LIFE_MS = 60 * DAY_MS
ADDS = {Kind.CLICK: 1.0, Kind.VIEW: 1.0, Kind.ADD_TO_CART: 3.0, Kind.PURCHASE: 5.0}
TAKES_BACK = {Kind.REFUND: Kind.PURCHASE, Kind.REMOVE_FROM_CART: Kind.ADD_TO_CART}
MAX_GAP = 5
WINDOW_MS = {Family.VIEWED_NEXT: DAY_MS, Family.BOUGHT_NEXT: 30 * DAY_MS}

Pair = tuple[Level, Family, str, str]


@dataclass
class ExpectedInterest:
    """A weight valid at ``updated_at``, and the two counts."""

    weight: float = 0.0
    updated_at: int = -1
    views: int = 0
    purchases: int = 0


@dataclass
class ExpectedAssociation:
    """One user's transitions of a pair: (weight, time) each."""

    parts: list[tuple[float, int]] = field(default_factory=list)

    def weight_at(self, now: int) -> float:
        """Return the decayed sum at ``now``."""
        return sum(weight * exp2((at - now) / ASSOCIATION_HALF_LIFE_MS) for weight, at in self.parts)


def distinct(interactions: Iterable[Interaction]) -> list[Interaction]:
    """Return every interaction once, in order of (time, event id)."""
    by_id = {interaction.event_id: interaction for interaction in interactions}
    return sorted(by_id.values(), key=lambda i: (i.occurred_at, i.event_id))


def left_standing(interactions: Iterable[Interaction]) -> list[Interaction]:
    """Return, in order, the views, clicks, cart additions and purchases that nothing took back."""
    ordered = distinct(interactions)
    gone: set[str] = set()
    used: set[str] = set()

    def can_take(reversal: Interaction, addition: Interaction) -> bool:
        return (
            TAKES_BACK.get(reversal.kind) is addition.kind
            and reversal.item_id == addition.item_id
            and reversal.order_id in (None, addition.order_id)
            and addition.event_id not in gone
            and reversal.event_id not in used
        )

    for now, interaction in enumerate(ordered):
        before = ordered[:now]
        if interaction.kind in TAKES_BACK:
            matches = [(addition, interaction) for addition in reversed(before) if can_take(interaction, addition)]
        else:
            matches = [(interaction, reversal) for reversal in before if can_take(reversal, interaction)]
        if matches:
            addition, reversal = matches[0]
            gone.add(addition.event_id)
            used.add(reversal.event_id)
    return [i for i in ordered if i.kind in ADDS and i.event_id not in gone]


def current_categories(interactions: Iterable[Interaction], catalogue: Mapping[str, str]) -> dict[str, str]:
    """Return item -> category: the catalogue's word, else that of the latest event which names one."""
    found = {i.item_id: i.category for i in distinct(interactions) if i.kind in ADDS and i.category is not None}
    return found | dict(catalogue)


def expected_interests(
    interactions: Sequence[Interaction], catalogue: Mapping[str, str]
) -> dict[str, ExpectedInterest]:
    """Return category -> interest."""
    categories = current_categories(interactions, catalogue)
    standing = [i for i in left_standing(interactions) if i.item_id in categories]
    found: dict[str, ExpectedInterest] = {}
    for interaction in standing:
        interest = found.setdefault(categories[interaction.item_id], ExpectedInterest())
        interest.updated_at = max(interest.updated_at, interaction.occurred_at)
        interest.views += interaction.kind in (Kind.VIEW, Kind.CLICK)
        interest.purchases += interaction.kind is Kind.PURCHASE
    for interaction in standing:
        interest = found[categories[interaction.item_id]]
        age = interest.updated_at - interaction.occurred_at
        interest.weight += ADDS[interaction.kind] * exp2(-age / INTEREST_HALF_LIFE_MS)
    return found


def expected_associations(
    interactions: Sequence[Interaction], catalogue: Mapping[str, str]
) -> dict[Pair, ExpectedAssociation]:
    """Return pair -> what one user's interactions add to it, as if all of them were still in the history."""
    categories = current_categories(interactions, catalogue)
    standing = left_standing(interactions)
    found: dict[Pair, ExpectedAssociation] = {}
    for family, kinds in (
        (Family.VIEWED_NEXT, (Kind.VIEW, Kind.CLICK)),
        (Family.BOUGHT_NEXT, (Kind.PURCHASE,)),
    ):
        steps = [i for i in standing if i.kind in kinds]
        for later in range(len(steps)):
            for earlier in range(later):
                a, b = steps[earlier], steps[later]
                gap = later - earlier
                if gap > MAX_GAP or b.occurred_at - a.occurred_at > WINDOW_MS[family] or a.item_id == b.item_id:
                    continue
                ways = [(a.item_id, b.item_id)]
                if a.occurred_at == b.occurred_at:
                    ways.append((b.item_id, a.item_id))
                for source, target in ways:
                    part = 1 / gap, b.occurred_at
                    item_pair = Level.ITEM, family, source, target
                    found.setdefault(item_pair, ExpectedAssociation()).parts.append(part)
                    source_category, target_category = categories.get(source), categories.get(target)
                    if source_category and target_category and source_category != target_category:
                        category_pair = Level.CATEGORY, family, source_category, target_category
                        found.setdefault(category_pair, ExpectedAssociation()).parts.append(part)
    return found
