"""Are the reasons true? Take what a reason names out of the user's past, and see whether the item's score falls.

A reason with a path through the past (an item of the history, or a category of interest) claims that the item is listed
because of it. So the user is computed anew from the log without the events that the path names: those of that item,
or those of all items of that category. The shop stays as it is: its associations, vectors and popularity. The claim
holds when the item then scores less, or is no candidate any more. A reason without such a path claims nothing of the
past. The numbers of a reason are compared with what the graph holds, which must be at rest.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from graph.advance import advance
from graph.association import decode_source, source_key
from graph.interest import CategoryOf
from graph.model import Family, Interaction, Level
from graph.ranking.lists import CrossSell, Reason, UpSell, UserLists
from graph.settings import GraphSettings
from graph.state import UserState
from graph.store import GraphStore
from stream.bundles import decode_bundle
from stream.recommendations import CROSS_SELL, NEXT_CROSS_SELL, NEXT_UP_SELL, UP_SELL
from stream.refresher import Refresher
from stream.users import CachedUser

_SAME_SCORE = 1e-9
_SAME_NUMBER = 1e-9
_CATEGORY_PATH = 4
_ITEM_PATH = 3
_ITEM_FAMILIES = {
    "ITEM_BOUGHT_NEXT": Family.BOUGHT_NEXT,
    "ITEM_VIEWED_NEXT": Family.VIEWED_NEXT,
    "VIEWED_NEXT": Family.VIEWED_NEXT,
}


@dataclass(slots=True)
class Tally:
    """How many cases were looked at, and in how many the claim held."""

    cases: int = 0
    held: int = 0

    @property
    def share(self) -> float:
        """Return held / cases; 1 without any."""
        return self.held / self.cases if self.cases else 1.0


@dataclass(slots=True)
class Truth:
    """``removal``: by (list, feature), and (list, "item"), where all that an item's reasons name is taken out at once.

    ``numbers``: users, lift, and the sum of the contributions; ``wrong``: those that were not the graph's.
    """

    removal: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))
    numbers: Tally = field(default_factory=Tally)
    wrong: list[str] = field(default_factory=list)

    def number(self, what: str, shown: float, there: float | None) -> None:
        """Count one number of a reason."""
        same = there is not None and abs(shown - there) <= _SAME_NUMBER * max(abs(shown), abs(there))
        self.numbers.cases += 1
        self.numbers.held += same
        if not same:
            self.wrong.append(f"{what}: shown {shown}, in the graph {there}")


Origin = tuple[str, str]
"""What a path names of the past: ("item", id) or ("category", path)."""


def origin_of(reason: Reason) -> Origin | None:
    """Return what a reason names of the user's past, None if nothing."""
    if reason.feature == "BOUGHT_BEFORE":
        return "item", reason.path[-1]
    if len(reason.path) < _ITEM_PATH:
        return None
    return ("category" if len(reason.path) == _CATEGORY_PATH else "item"), reason.path[1]


def interactions_in(bundles: Iterable[bytes]) -> dict[str, list[Interaction]]:
    """Return each user's distinct interactions, from the values of the bundles topic."""
    found: defaultdict[str, dict[str, Interaction]] = defaultdict(dict)
    for value in bundles:
        for entry in decode_bundle(value).entries:
            found[entry.interaction.user_id].setdefault(entry.interaction.event_id, entry.interaction)
    return {user_id: list(interactions.values()) for user_id, interactions in found.items()}


def user_from(
    user_id: str, interactions: Iterable[Interaction], category_of: CategoryOf, settings: GraphSettings
) -> CachedUser:
    """Return the user that these interactions make."""
    state = UserState()
    advance(state, interactions, category_of, settings)
    return CachedUser(user_id, 0, state)


async def measure_truth(
    past: Mapping[str, Sequence[Interaction]], refresher: Refresher, store: GraphStore, settings: GraphSettings
) -> Truth:
    """Rank every user of ``past`` (user -> interactions), and try every reason of every listed item."""
    truth, numbers = Truth(), await _Numbers.read(store)
    for user_id, interactions in sorted(past.items()):
        category_of = refresher.knowledge.items.category_of
        (ranked,) = await refresher.refresh([user_from(user_id, interactions, category_of, settings)], 0)
        claims: defaultdict[frozenset[Origin], list[tuple[str, str, CrossSell | UpSell]]] = defaultdict(list)
        for name, items in _lists(ranked.lists):
            for item in items:
                await numbers.compare(item, truth)
                named = {reason.feature: origin for reason in item.because if (origin := origin_of(reason))}
                for feature, origin in named.items():
                    claims[frozenset([origin])].append((name, feature, item))
                if named:
                    claims[frozenset(named.values())].append((name, "item", item))
        without = [
            user_from(user_id, _without(interactions, origins, category_of), category_of, settings)
            for origins in claims
        ]
        for scores, made in zip(await refresher.scores(without) if without else (), claims.values(), strict=True):
            for name, feature, item in made:
                tally = truth.removal[name, feature]
                left = getattr(scores, name)
                tally.cases += 1
                tally.held += left.get(item.item_id, 0.0) < item.score - _SAME_SCORE
    return truth


def _lists(lists: UserLists) -> Iterator[tuple[str, Sequence[CrossSell | UpSell]]]:
    """Yield each list by its name among the scores."""
    yield CROSS_SELL, lists.cross_sell
    yield UP_SELL, lists.up_sell
    if (visit := lists.next_visit) is not None:
        yield NEXT_CROSS_SELL, visit.cross_sell
        yield NEXT_UP_SELL, visit.up_sell


def _without(
    interactions: Iterable[Interaction], origins: frozenset[Origin], category_of: CategoryOf
) -> list[Interaction]:
    return [
        interaction
        for interaction in interactions
        if ("item", interaction.item_id) not in origins
        and ("category", category_of(interaction.item_id) or interaction.category) not in origins
    ]


class _Numbers:
    """What the graph says of associations: category edges, and the item level's states."""

    def __init__(self, store: GraphStore, edges: Mapping[tuple[str, str, str], tuple[int, float]]) -> None:
        self._store = store
        self._edges = edges
        self._of_items: dict[str, dict[tuple[str, str], int]] = {}

    @classmethod
    async def read(cls, store: GraphStore) -> "_Numbers":
        edges = await store.association_edges()
        return cls(store, {(edge.family.value, edge.source, edge.target): (edge.users, edge.lift) for edge in edges})

    async def compare(self, item: CrossSell | UpSell, truth: Truth) -> None:
        truth.number(f"score of {item.item_id}", round(sum(r.contribution for r in item.because), 6), item.score)
        for reason in item.because:
            what = f"{reason.feature} {' > '.join(reason.path)}"
            if len(reason.path) == _CATEGORY_PATH:
                users, lift = self._edges.get((reason.feature, reason.path[1], reason.path[2]), (None, None))
                truth.number(f"users of {what}", -1 if reason.users is None else reason.users, users)
                truth.number(f"lift of {what}", -1.0 if reason.lift is None else reason.lift, lift)
            elif reason.feature in _ITEM_FAMILIES and len(reason.path) == _ITEM_PATH:
                successors = await self._successors(reason.path[1])
                there = successors.get((_ITEM_FAMILIES[reason.feature].value, reason.path[2]))
                truth.number(f"users of {what}", -1 if reason.users is None else reason.users, there)

    async def _successors(self, item_id: str) -> dict[tuple[str, str], int]:
        if item_id not in self._of_items:
            key = source_key(Level.ITEM, item_id)
            stored = await self._store.load_associations([key])
            state = decode_source(stored[key]) if key in stored else None
            self._of_items[item_id] = {
                (family.value, target): sums.users
                for family in Family
                for target, sums in (state.family(family).items() if state else ())
            }
        return self._of_items[item_id]
