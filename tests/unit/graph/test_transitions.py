from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import Family, Kind, Level
from graph.settings import AssociationSettings
from graph.state import HistoryEntry
from graph.transitions import Delta, pairs_of, sequence_deltas, sequences, transition_atoms, transition_deltas
from tests.unit.graph.recompute import ASSOCIATION_HALF_LIFE_MS, DAY_MS
from tests.unit.graph.scenarios import CATEGORIES, ITEMS, START, moments

DEFAULTS = AssociationSettings.model_validate({})
HALF_LIFE = DEFAULTS.half_life_seconds
VIEWED, BOUGHT, ITEM, CATEGORY = Family.VIEWED_NEXT, Family.BOUGHT_NEXT, Level.ITEM, Level.CATEGORY


def entry(
    event_id: str,
    item_id: str,
    at: int = START,
    kind: Kind = Kind.VIEW,
    category: str | None = None,
    active: bool = True,
) -> HistoryEntry:
    return HistoryEntry(at, event_id, item_id, kind, category=category, active=active)


def test_each_entry_follows_the_five_before_it_with_weight_one_over_the_gap() -> None:
    atoms = transition_atoms([entry(f"e{i}", f"i{i}", START + i) for i in range(7)], DEFAULTS)
    assert {atom[2:5] for atom in atoms if atom[3] == "i6"} == {
        ("i5", "i6", 1), ("i4", "i6", 2), ("i3", "i6", 3), ("i2", "i6", 4), ("i1", "i6", 5),
    }  # fmt: skip
    assert all(atom[0] is ITEM and atom[1] is VIEWED for atom in atoms)


@pytest.mark.parametrize(("kind", "family", "days"), [(Kind.VIEW, VIEWED, 1), (Kind.PURCHASE, BOUGHT, 180)])
def test_a_transition_spans_at_most_the_family_s_window(kind: Kind, family: Family, days: int) -> None:
    edge = START + days * DAY_MS
    within = transition_atoms([entry("a", "mug", START, kind), entry("b", "lamp", edge, kind)], DEFAULTS)
    assert within == {(ITEM, family, "mug", "lamp", 1, edge): 1}
    beyond = transition_atoms([entry("a", "mug", START, kind), entry("b", "lamp", edge + 1, kind)], DEFAULTS)
    assert not beyond


def test_views_clicks_and_purchases_count_and_nothing_else() -> None:
    history = [
        entry("a", "mug", START, Kind.CLICK),
        entry("b", "rug", START + 1, Kind.ADD_TO_CART),
        entry("c", "vase", START + 2, Kind.PURCHASE),
        entry("d", "lamp", START + 3, Kind.VIEW),
        entry("e", "plate", START + 4, Kind.PURCHASE, active=False),
        entry("f", "candle", START + 5, Kind.PURCHASE),
    ]
    assert pairs_of(transition_atoms(history, DEFAULTS)) == {
        (ITEM, VIEWED, "mug", "lamp"),
        (ITEM, BOUGHT, "vase", "candle"),
    }


def test_a_basket_has_no_order() -> None:
    history = [entry("a", "mug", START, Kind.PURCHASE, "Kitchen"), entry("b", "lamp", START, Kind.PURCHASE, "Home")]
    assert pairs_of(transition_atoms(history, DEFAULTS)) == {
        (ITEM, BOUGHT, "mug", "lamp"),
        (ITEM, BOUGHT, "lamp", "mug"),
        (CATEGORY, BOUGHT, "Kitchen", "Home"),
        (CATEGORY, BOUGHT, "Home", "Kitchen"),
    }


def test_the_same_item_again_is_no_transition_but_a_step() -> None:
    history = [entry("a", "mug", START), entry("b", "mug", START + 1), entry("c", "lamp", START + 2)]
    assert transition_atoms(history, DEFAULTS) == {
        (ITEM, VIEWED, "mug", "lamp", 1, START + 2): 1,
        (ITEM, VIEWED, "mug", "lamp", 2, START + 2): 1,
    }


def test_categories_follow_each_other_only_where_they_are_known_and_differ() -> None:
    history = [
        entry("a", "mug", START, category="Kitchen"),
        entry("b", "plate", START + 1, category="Kitchen"),
        entry("c", "vase", START + 2),
        entry("d", "lamp", START + 3, category="Home"),
    ]
    found = {atom[2:5] for atom in transition_atoms(history, DEFAULTS) if atom[0] is CATEGORY}
    assert found == {("Kitchen", "Home", 2), ("Kitchen", "Home", 3)}


def test_a_late_entry_between_two_widens_their_gap() -> None:
    old = transition_atoms([entry("a", "mug", START), entry("c", "lamp", START + 2)], DEFAULTS)
    late = [entry("a", "mug", START), entry("b", "rug", START + 1), entry("c", "lamp", START + 2)]
    new = transition_atoms(late, DEFAULTS)
    deltas = transition_deltas(old, new, pairs_of(old), pairs_of(new), HALF_LIFE)
    assert Delta(ITEM, VIEWED, "mug", "lamp", 0.5 - 1.0, START + 2, 0, 0) in deltas
    assert Delta(ITEM, VIEWED, "mug", "rug", 1.0, START + 1, 1, 1) in deltas
    assert Delta(ITEM, VIEWED, "rug", "lamp", 1.0, START + 2, 1, 1) in deltas
    assert len(deltas) == 3


def test_changes_of_one_pair_are_brought_to_the_time_of_the_latest() -> None:
    later = START + ASSOCIATION_HALF_LIFE_MS
    new = Counter({(ITEM, BOUGHT, "mug", "lamp", 1, START): 1, (ITEM, BOUGHT, "mug", "lamp", 2, later): 3})
    (delta,) = transition_deltas(Counter(), new, set(), pairs_of(new), HALF_LIFE)
    assert delta == Delta(ITEM, BOUGHT, "mug", "lamp", 0.5 + 3 / 2, later, 4, 1)


def test_a_pair_that_falls_out_of_the_history_keeps_its_weight_and_loses_the_user() -> None:
    atoms = transition_atoms([entry("a", "mug", START), entry("b", "lamp", START + 1)], DEFAULTS)
    (delta,) = transition_deltas(atoms, atoms, pairs_of(atoms), set(), HALF_LIFE)
    assert delta == Delta(ITEM, VIEWED, "mug", "lamp", 0.0, 0, 0, -1)


def test_nothing_changed_is_no_delta() -> None:
    atoms = transition_atoms([entry("a", "mug", START), entry("b", "lamp", START + 1)], DEFAULTS)
    assert transition_deltas(atoms, atoms, pairs_of(atoms), pairs_of(atoms), HALF_LIFE) == []


entries = st.builds(
    HistoryEntry,
    at=moments,
    event_id=st.text("abcdef", min_size=1, max_size=4),
    item_id=st.sampled_from(ITEMS),
    kind=st.sampled_from([Kind.VIEW, Kind.CLICK, Kind.PURCHASE, Kind.ADD_TO_CART]),
    category=st.sampled_from([None, *CATEGORIES]),
    active=st.sampled_from([True, True, True, False]),
)


def in_order(history: list[HistoryEntry]) -> list[HistoryEntry]:
    return sorted(history, key=lambda e: e.key)


@st.composite
def changes(draw: st.DrawFn) -> tuple[list[HistoryEntry], list[HistoryEntry]]:
    """Two histories with much in common: some entries are lost, added, moved to a category, taken back."""
    shared = draw(st.lists(entries, max_size=20))
    lost, added = draw(st.lists(entries, max_size=4)), draw(st.lists(entries, max_size=4))
    changed = [
        draw(entries) if draw(st.integers(0, 9)) == 0 else HistoryEntry(*(getattr(e, f) for f in e.__struct_fields__))
        for e in shared
    ]
    return in_order(shared + lost), in_order(changed + added)


@settings(deadline=None, max_examples=200)
@given(changes(), st.integers(0, 6), st.sampled_from([1, 2, 5]))
def test_looking_only_near_the_change_gives_the_same_deltas(
    histories: tuple[list[HistoryEntry], list[HistoryEntry]], trimmed: int, max_gap: int
) -> None:
    chosen = AssociationSettings.model_validate({"max_gap": max_gap})
    before, after = histories
    kept = after[trimmed:]
    old, new, held = (transition_atoms(history, chosen) for history in (before, after, kept))
    expected = transition_deltas(old, new, pairs_of(old), pairs_of(held), HALF_LIFE)
    assert sequence_deltas(sequences(before), sequences(after), sequences(kept), chosen) == expected


def test_a_basket_of_the_same_two_items_over_and_over_is_counted_whole() -> None:
    def basket(times: int) -> list[HistoryEntry]:
        return [entry(f"e{i:02}", item, START, Kind.PURCHASE) for i, item in enumerate(["mug", "lamp"] * times)]

    before, after = basket(6), basket(11)
    old, new = transition_atoms(before, DEFAULTS), transition_atoms(after, DEFAULTS)
    expected = transition_deltas(old, new, pairs_of(old), pairs_of(new), HALF_LIFE)
    steps = sequences(after)
    assert sequence_deltas(sequences(before), steps, steps, DEFAULTS) == expected
