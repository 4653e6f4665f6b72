"""From a user's state to the user's interests, touches, and what the ranker needs to know.

Formulas are in docs/graph.md. Everything is a function of the state and the catalogue's current categories.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from graph.decay import decay_factor, rank_key, sum_decayed
from graph.model import VIEWING, Interest, Kind, Touch
from graph.settings import InterestSettings
from graph.state import CategorySums, UserState, active_actions

CategoryOf = Callable[[str], str | None]
"""The catalogue's current category of an item, or None while it has not spoken."""

UNCATEGORISED = ""
"""Where the oldest contributions go when a user has far too many items that nobody ever gave a category."""

_UNRESOLVED_FACTOR = 5


def category_in_state(state: UserState, item_id: str, category_of: CategoryOf) -> str | None:
    """Return the catalogue's category, else the one that the user's latest event named, else None."""
    category = category_of(item_id)
    if not category and (sums := state.items.get(item_id)) is not None:
        return sums.hint
    return category


def unresolved_items(state: UserState, category_of: CategoryOf) -> list[str]:
    """Return the items of the state that the catalogue has not given a category yet."""
    return [item_id for item_id in state.items if category_of(item_id) is None]


def interests(state: UserState, category_of: CategoryOf, settings: InterestSettings) -> list[Interest]:
    """Return all interests, strongest first (by rank key, then path). ``score`` is left at 0.

    weight = sum of a(kind) * 2^(-(updated_at - occurred_at) / half-life) over the contributions that were not taken
    back; updated_at = the latest of them.
    """
    parts: defaultdict[str, list[tuple[float, int]]] = defaultdict(list)
    views: defaultdict[str, int] = defaultdict(int)
    purchases: defaultdict[str, int] = defaultdict(int)
    for category, value, at, viewed, bought in _contributions(state, category_of, settings):
        if value > 0.0:
            parts[category].append((value, at))
        views[category] += viewed
        purchases[category] += bought
    found = []
    for category, contributions in parts.items():
        weight, updated_at = sum_decayed(contributions, settings.half_life_seconds)
        key = rank_key(weight, updated_at, settings.half_life_seconds)
        found.append(Interest(category, weight, updated_at, key, views[category], purchases[category]))
    found.sort(key=lambda interest: (-interest.rank_key, interest.category))
    return found


def _contributions(
    state: UserState, category_of: CategoryOf, settings: InterestSettings
) -> Iterator[tuple[str, float, int, int, int]]:
    for path, folded in state.categories.items():
        if path != UNCATEGORISED:
            yield path, folded.value, folded.at, folded.views, folded.purchases
    resolved: dict[str, str | None] = {}
    for item_id, sums in state.items.items():
        resolved[item_id] = category = category_of(item_id) or sums.hint
        if category is not None:
            yield category, sums.value, sums.at, sums.views, sums.purchases
    kept = (
        (active_actions(state.purchases, state.refunds), settings.purchase_weight, 1),
        (active_actions(state.cart_additions, state.cart_removals), settings.add_to_cart_weight, 0),
    )
    for actions, weight, bought in kept:
        for action in actions:
            category = resolved[action.item_id] if action.item_id in resolved else category_of(action.item_id)
            if category is not None:
                yield category, weight, action.at, 0, bought


def fold_items(state: UserState, category_of: CategoryOf, settings: InterestSettings) -> None:
    """Fold the items touched longest ago into their category beyond the bound, in place.

    Items without a catalogue category are kept longer (five times the bound), so that a late catalogue still moves
    them; after that they go where their event said, or nowhere.
    """
    excess = len(state.items) - settings.max_items
    if excess > 0:
        oldest = sorted(state.items, key=lambda item_id: (state.items[item_id].last_at, item_id))
        for item_id in oldest:
            if excess <= 0:
                break
            category = category_of(item_id)
            if category is None and excess <= (_UNRESOLVED_FACTOR - 1) * settings.max_items:
                continue
            _fold_into_category(state, item_id, category, settings)
            excess -= 1
    _drop_weakest_categories(state, settings)


def _fold_into_category(state: UserState, item_id: str, category: str | None, settings: InterestSettings) -> None:
    sums = state.items.pop(item_id)
    path = category or sums.hint or UNCATEGORISED
    folded = state.categories.get(path)
    if folded is None:
        folded = state.categories[path] = CategorySums(0.0, sums.at, 0, 0)
    if sums.value > 0.0:
        parts = [(folded.value, folded.at), (sums.value, sums.at)]
        folded.value, folded.at = sum_decayed(parts, settings.half_life_seconds)
    folded.views += sums.views
    folded.purchases += sums.purchases


def _drop_weakest_categories(state: UserState, settings: InterestSettings) -> None:
    excess = len(state.categories) - settings.max_categories
    if excess <= 0:
        return

    def strength(path: str) -> tuple[float, str]:
        sums = state.categories[path]
        key = rank_key(sums.value, sums.at, settings.half_life_seconds) if sums.value > 0.0 else float("-inf")
        return key, path

    for path in sorted(state.categories, key=strength)[:excess]:
        del state.categories[path]


def touches(state: UserState) -> list[Touch]:
    """Return the VIEWED and PURCHASED edges of the current history, ordered by item, then kind."""
    found: dict[tuple[str, bool], tuple[int, int]] = {}
    for entry in state.history:
        if not entry.active or (entry.kind not in VIEWING and entry.kind is not Kind.PURCHASE):
            continue
        key = entry.item_id, entry.kind is Kind.PURCHASE
        count, last_at = found.get(key, (0, 0))
        found[key] = count + 1, max(last_at, entry.at)
    return [Touch(item, bought, count, last_at) for (item, bought), (count, last_at) in sorted(found.items())]


def owned_items(state: UserState) -> dict[str, int]:
    """Return item -> time (ms) of its latest purchase that was not taken back."""
    return {action.item_id: action.at for action in active_actions(state.purchases, state.refunds)}


def ignored_items(state: UserState, half_life_seconds: float) -> dict[str, float]:
    """Return item -> how often a recommendation showed it in vain, decayed to the user's latest event.

    What was shown before the user last did anything with the item was not in vain.
    """
    ignored = {}
    for item_id, times in state.shown.items():
        acted_at = sums.last_at if (sums := state.items.get(item_id)) is not None else None
        vain = [at for at in times if acted_at is None or at > acted_at]
        if vain:
            ignored[item_id] = sum(decay_factor(state.last_event_at - at, half_life_seconds) for at in vain)
    return ignored
