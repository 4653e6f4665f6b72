"""Random lives of one user, and a run of them through the graph core."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import exp2

from hypothesis import strategies as st

from graph.advance import advance
from graph.interest import interests
from graph.model import Interaction, Interest, Kind
from graph.settings import AssociationSettings, GraphSettings, InterestSettings
from graph.state import UserState
from graph.transitions import Delta, Pair
from tests.unit.graph.recompute import ASSOCIATION_HALF_LIFE_MS, DAY_MS, INTEREST_HALF_LIFE_MS

START = 1_700_000_000_000
END = START + 90 * DAY_MS
"""A common time, after everything, to compare decayed weights at."""

ITEMS = ["mug", "plate", "lamp", "candle", "rug", "vase"]
CATEGORIES = ["Kitchen > Mugs", "Kitchen > Plates", "Home > Light", "Home"]
DEFAULTS = GraphSettings(association=AssociationSettings(purchase_window_seconds=30 * 86_400.0))
"""With a window for purchases that lives of two months go beyond."""


def with_interest(interest: InterestSettings) -> GraphSettings:
    """Return DEFAULTS, whose window the expectations know, with other settings of interest."""
    return DEFAULTS.model_copy(update={"interest": interest})


# Few distinct moments, so that ties, windows and reversals before their addition are common.
moments = st.one_of(
    st.sampled_from([0, 1, 3_600_000, DAY_MS, DAY_MS + 1, 2 * DAY_MS, 30 * DAY_MS, 30 * DAY_MS + 1]),
    st.integers(0, 60 * DAY_MS),
).map(lambda offset: START + offset)
catalogues = st.dictionaries(st.sampled_from(ITEMS), st.sampled_from(CATEGORIES))
events = st.tuples(
    st.sampled_from(list(Kind)),
    st.sampled_from(ITEMS),
    moments,
    st.sampled_from([None, None, *CATEGORIES]),
    st.sampled_from([None, None, "order-1", "order-2"]),
)


@st.composite
def lives(draw: st.DrawFn, max_size: int = 40) -> list[Interaction]:
    """Draw distinct interactions of one user; the order of ids is not that of times."""
    drawn = draw(st.lists(events, max_size=max_size))
    ids = draw(st.permutations(range(len(drawn))))
    return [interaction(f"e{i:02}", *event) for i, event in zip(ids, drawn, strict=True)]


def interaction(
    event_id: str,
    kind: Kind,
    item_id: str,
    occurred_at: int = START,
    category: str | None = None,
    order_id: str | None = None,
) -> Interaction:
    """Return an interaction of the one user of these tests."""
    return Interaction(event_id, kind, "u1", item_id, occurred_at, category, order_id=order_id)


@st.composite
def deliveries(draw: st.DrawFn, life: Sequence[Interaction]) -> list[list[Interaction]]:
    """Draw an order of arrival with repeated deliveries, cut into bundles (some of them empty)."""
    again = draw(st.lists(st.sampled_from(life), max_size=5)) if life else []
    arriving = draw(st.permutations([*life, *again]))
    cuts = draw(st.lists(st.integers(0, len(arriving)), max_size=8))
    edges = [0, *sorted(cuts), len(arriving)]
    return [list(arriving[start:stop]) for start, stop in pairwise(edges)]


@dataclass
class Total:
    """The sum of all deltas of one pair; ``weight`` at END."""

    weight: float = 0.0
    count: int = 0
    users: int = 0


@dataclass
class Run:
    """A user whose interactions arrive bundle by bundle, and the sum of what was told to the associations."""

    settings: GraphSettings = DEFAULTS
    state: UserState = field(default_factory=UserState)
    deltas: list[Delta] = field(default_factory=list)
    applied: int = 0
    duplicates: int = 0

    def step(self, bundle: Iterable[Interaction], catalogue: Mapping[str, str]) -> "Run":
        """Apply one bundle."""
        done = advance(self.state, bundle, catalogue.get, self.settings)
        self.deltas.extend(done.deltas)
        self.applied += done.applied
        self.duplicates += done.duplicates
        return self

    def steps(self, bundles: Iterable[Iterable[Interaction]], catalogue: Mapping[str, str]) -> "Run":
        """Apply bundles one after the other."""
        for bundle in bundles:
            self.step(bundle, catalogue)
        return self

    def interests(self, catalogue: Mapping[str, str]) -> dict[str, Interest]:
        """Return category -> interest."""
        found = interests(self.state, catalogue.get, self.settings.interest)
        return {interest.category: interest for interest in found}

    def totals(self) -> dict[Pair, Total]:
        """Return pair -> sum of its deltas, without the pairs of which nothing is left."""
        found: defaultdict[Pair, Total] = defaultdict(Total)
        for delta in self.deltas:
            total = found[delta.level, delta.family, delta.source, delta.target]
            total.weight += delta.weight * exp2((delta.at - END) / ASSOCIATION_HALF_LIFE_MS)
            total.count += delta.count
            total.users += delta.users
        return {pair: total for pair, total in found.items() if total.count or total.users or total.weight > 1e-9}


def weight_at_end(weight: float, updated_at: int) -> float:
    """Bring an interest's weight to END."""
    return weight * exp2((updated_at - END) / INTEREST_HALF_LIFE_MS)
