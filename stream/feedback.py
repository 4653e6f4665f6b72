"""What became of the lists that were shown: click-through and conversion by list, position, model and ranker.

An event that carries a ``recommendation_id`` speaks of that publication. Counted are pairs of publication and item:
shown (an impression), clicked (a click or view), taken (a cart addition or purchase), each once however many events say
so; a click without an impression counts as shown, too. List, position, model and ranker are the published record's;
where compaction has removed it, the event's own ``list_id`` and ``position`` serve, and model and ranker are unknown.
"""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from graph.model import Interaction, Kind
from stream.recommendations import LIST_IDS, CrossSellItem, Recommendation

UNKNOWN = "unknown"
_CLICKS = frozenset({Kind.CLICK, Kind.VIEW})
_TAKEN = frozenset({Kind.ADD_TO_CART, Kind.PURCHASE})
_TRUST = 1.96


class Outcome(msgspec.Struct):
    """Pairs of one group, and their rates; the intervals are Wilson's, 95 %."""

    shown: int = 0
    clicked: int = 0
    taken: int = 0
    ctr: float | None = None
    ctr_interval: tuple[float, float] | None = None
    conversion: float | None = None
    conversion_interval: tuple[float, float] | None = None

    def rate(self) -> "Outcome":
        """Compute the rates, in place."""
        if self.shown:
            self.ctr, self.ctr_interval = self.clicked / self.shown, wilson(self.clicked, self.shown)
            self.conversion, self.conversion_interval = self.taken / self.shown, wilson(self.taken, self.shown)
        return self


class FeedbackReport(msgspec.Struct):
    """Groups by name. ``explored``: what exploration's lot showed, each pair weighed by 1 / propensity.

    ``unmatched``: pairs of which neither a record nor the event told the list.
    """

    all: Outcome
    by_list: dict[str, Outcome]
    by_position: dict[str, dict[int, Outcome]]
    by_model: dict[str, Outcome]
    by_ranker: dict[str, Outcome]
    explored: Outcome
    explored_ctr: float | None
    unmatched: int


class _Place(msgspec.Struct, frozen=True):
    list: str
    position: int | None
    model: str
    ranker: str
    propensity: float | None = None


class Feedback:
    """Takes published records and interactions, in any order and any number of times."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[str, Mapping[str, list[_Place]]]] = {}
        self._pairs: defaultdict[tuple[str, str], set[Kind]] = defaultdict(set)
        self._said: dict[tuple[str, str], tuple[str | None, int | None]] = {}

    def publish(self, record: Recommendation) -> None:
        """Take one published record."""
        places: defaultdict[str, list[_Place]] = defaultdict(list)
        for name, items in record.lists().items():
            ranker = record.ranker_of(name) or UNKNOWN
            for number, item in enumerate(items, start=1):
                drawn = item.propensity if isinstance(item, CrossSellItem) else msgspec.UNSET
                propensity = None if drawn is msgspec.UNSET else drawn
                places[item.item_id].append(_Place(name, number, record.model, ranker, propensity))
        self._places[record.recommendation_id] = record.user_id, dict(places)

    def take(self, interaction: Interaction) -> None:
        """Take one interaction; those without a ``recommendation_id`` say nothing of lists."""
        if not interaction.recommendation_id:
            return
        kind = interaction.kind
        if kind is Kind.IMPRESSION or kind in _CLICKS or kind in _TAKEN:
            pair = interaction.recommendation_id, interaction.item_id
            self._pairs[pair].add(kind)
            said = self._said.get(pair, (None, None))
            self._said[pair] = interaction.list_id or said[0], interaction.position or said[1]

    def report(self) -> FeedbackReport:
        """Sum up."""
        every, explored, weights = Outcome(), Outcome(), [0.0, 0.0]
        of_list: defaultdict[str, Outcome] = defaultdict(Outcome)
        of_position: defaultdict[str, defaultdict[int, Outcome]] = defaultdict(lambda: defaultdict(Outcome))
        of_model: defaultdict[str, Outcome] = defaultdict(Outcome)
        of_ranker: defaultdict[str, Outcome] = defaultdict(Outcome)
        unmatched = 0
        for pair, kinds in self._pairs.items():
            place = self._place(pair)
            groups = [every, of_list[place.list], of_model[place.model], of_ranker[place.ranker]]
            unmatched += place.list == UNKNOWN
            if place.position is not None:
                groups.append(of_position[place.list][place.position])
            clicked, taken = bool(kinds & _CLICKS), bool(kinds & _TAKEN)
            if place.propensity is not None:
                groups.append(explored)
                weights[0] += 1.0 / place.propensity
                weights[1] += clicked / place.propensity
            for group in groups:
                group.shown += 1
                group.clicked += clicked
                group.taken += taken
        return FeedbackReport(
            all=every.rate(),
            by_list=_rated(of_list),
            by_position={name: _rated(positions) for name, positions in sorted(of_position.items())},
            by_model=_rated(of_model),
            by_ranker=_rated(of_ranker),
            explored=explored.rate(),
            explored_ctr=weights[1] / weights[0] if weights[0] else None,
            unmatched=unmatched,
        )

    def _place(self, pair: tuple[str, str]) -> _Place:
        """Return where the pair stood. An item on several lists: on that which an event names, else on the first."""
        publication, item_id = pair
        name, position = self._said[pair]
        places = self._places.get(publication, ("", {}))[1].get(item_id, [])
        if places:
            return next((place for place in places if place.list == name), places[0])
        return _Place(name if name in LIST_IDS else UNKNOWN, position, UNKNOWN, UNKNOWN)


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; ``of`` > 0.

    Source: Wilson, "Probable Inference" (JASA 1927).

    >>> [round(bound, 3) for bound in wilson(1, 10)]
    [0.018, 0.404]
    """
    share, square = hits / of, _TRUST * _TRUST
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = _TRUST * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)


Name = TypeVar("Name", str, int)


def _rated(groups: Mapping[Name, Outcome]) -> dict[Name, Outcome]:
    return {name: groups[name].rate() for name in sorted(groups)}
