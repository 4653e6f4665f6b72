from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import Family, Interaction, Kind, Level
from graph.settings import InterestSettings
from graph.state import encode_state
from graph.transitions import Pair, pairs_of, transition_atoms
from tests.unit.graph.recompute import DAY_MS, expected_associations, left_standing
from tests.unit.graph.scenarios import (
    DEFAULTS,
    END,
    START,
    Run,
    catalogues,
    deliveries,
    interaction,
    lives,
    with_interest,
)

MUG_TO_LAMP = Level.ITEM, Family.BOUGHT_NEXT, "mug", "lamp"


def assert_totals(run: Run, life: list[Interaction], catalogue: dict[str, str]) -> None:
    expected = expected_associations(life, catalogue)
    totals = run.totals()
    assert totals.keys() == expected.keys()
    for pair, association in expected.items():
        assert (totals[pair].count, totals[pair].users) == (len(association.parts), 1)
        assert totals[pair].weight == pytest.approx(association.weight_at(END), rel=1e-9)


@settings(deadline=None, max_examples=150)
@given(st.data(), lives(), catalogues)
def test_deltas_add_up_to_the_transitions_of_the_log_whatever_the_arrival(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str]
) -> None:
    assert_totals(Run().steps(data.draw(deliveries(life)), catalogue), life, catalogue)


@settings(deadline=None, max_examples=80)
@given(st.data(), lives(), catalogues, catalogues)
def test_after_a_refresh_a_late_or_changed_catalogue_leaves_no_trace_of_the_former(
    data: st.DataObject, life: list[Interaction], early: dict[str, str], final: dict[str, str]
) -> None:
    run = Run().steps(data.draw(deliveries(life)), early)
    assert_totals(run.step([], final), life, final)
    told = len(run.deltas)
    assert len(run.step([], final).deltas) == told, "a second refresh has nothing to tell"


@settings(deadline=None, max_examples=60)
@given(st.data(), lives(max_size=25), catalogues)
def test_taking_every_purchase_back_leaves_no_pair_bought_next(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str]
) -> None:
    bought = [i for i in left_standing(life) if i.kind is Kind.PURCHASE]
    bought.sort(key=lambda i: i.order_id is None)  # a refund without an order might take what another one names
    refunds = [
        interaction(f"refund of {i.event_id}", Kind.REFUND, i.item_id, END + n, order_id=i.order_id)
        for n, i in enumerate(bought)
    ]
    refunded = Run().steps(data.draw(deliveries([*life, *refunds])), catalogue)
    assert not [pair for pair in refunded.totals() if pair[1] is Family.BOUGHT_NEXT]
    assert all(interest.purchases == 0 for interest in refunded.interests(catalogue).values())


def test_a_refund_before_its_purchase_leaves_no_trace_of_it() -> None:
    catalogue = {"mug": "Kitchen > Mugs", "lamp": "Home > Light"}
    purchases = [interaction("p1", Kind.PURCHASE, "mug", START), interaction("p2", Kind.PURCHASE, "lamp", START + 1)]
    run = Run().step([interaction("r", Kind.REFUND, "lamp", START + DAY_MS)], catalogue)
    run.steps([purchases[:1], purchases[1:]], catalogue)
    assert run.totals() == {}
    assert run.interests(catalogue).keys() == {"Kitchen > Mugs"}


def test_a_moved_category_moves_weights_and_associations() -> None:
    life = [interaction("p1", Kind.PURCHASE, "mug", START), interaction("p2", Kind.PURCHASE, "lamp", START + 1)]
    run = Run().step(life, {"mug": "Kitchen", "lamp": "Home"})
    moved = {"mug": "Tableware", "lamp": "Home"}
    run.step([], moved)
    assert run.interests(moved).keys() == {"Tableware", "Home"}
    assert run.totals().keys() == {MUG_TO_LAMP, (Level.CATEGORY, Family.BOUGHT_NEXT, "Tableware", "Home")}


def test_duplicates_change_neither_the_state_nor_the_associations() -> None:
    life = [interaction("p1", Kind.PURCHASE, "mug", START), interaction("p2", Kind.PURCHASE, "lamp", START + 1)]
    run = Run().step(life, {})
    state, told = encode_state(run.state), len(run.deltas)
    run.step(life, {})
    assert (run.applied, run.duplicates) == (2, 2)
    assert encode_state(run.state) == state
    assert len(run.deltas) == told


def test_what_falls_out_of_the_history_keeps_its_weight_and_loses_the_user() -> None:
    run = Run(with_interest(InterestSettings.model_validate({"max_history": 2})))
    for i, item in enumerate(["mug", "lamp", "rug"]):
        run.step([interaction(f"p{i}", Kind.PURCHASE, item, START + i)], {})
    total = run.totals()[MUG_TO_LAMP]
    assert (total.count, total.users) == (1, 0)
    assert total.weight == pytest.approx(0.5 ** ((END - START - 1) / (60 * DAY_MS)))


def test_an_item_that_is_folded_away_keeps_its_place_in_the_associations() -> None:
    run = Run(with_interest(InterestSettings.model_validate({"max_items": 1})))
    for i in range(7):
        run.step([interaction(f"e{i}", Kind.VIEW, f"item-{i}", START + i, f"category-{i}")], {})
    assert "item-0" not in run.state.items
    assert run.totals()[Level.CATEGORY, Family.VIEWED_NEXT, "category-0", "category-1"].users == 1


small = st.fixed_dictionaries(
    {
        "max_history": st.integers(1, 8),
        "max_items": st.integers(1, 8),
        "max_purchases": st.integers(1, 4),
        "max_cart_additions": st.integers(1, 3),
        "max_categories": st.integers(1, 3),
    }
)


@settings(deadline=None, max_examples=120)
@given(st.data(), lives(), catalogues, small)
def test_users_and_counts_never_disagree_with_the_memory_whatever_the_bounds(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str], bounds: dict[str, int]
) -> None:
    run = Run(with_interest(InterestSettings.model_validate(bounds)))
    run.steps(data.draw(deliveries(life)), catalogue).step([], {})
    atoms = transition_atoms(run.state.history, DEFAULTS.association)
    held: defaultdict[Pair, int] = defaultdict(int)
    for atom, times in atoms.items():
        held[atom[:4]] += times
    totals = run.totals()
    assert {pair for pair, total in totals.items() if total.users} == pairs_of(atoms)
    for pair, total in totals.items():
        assert total.users in (0, 1)
        assert total.count >= held[pair], "what is remembered can always be taken back"
        assert total.weight >= -1e-9
