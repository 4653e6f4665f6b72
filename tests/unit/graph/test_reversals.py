from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.model import Kind
from graph.reversals import Action, reversed_additions
from tests.unit.graph.recompute import left_standing
from tests.unit.graph.scenarios import interaction


def action(event_id: str, at: int, item_id: str = "mug", order_id: str | None = None) -> Action:
    return Action(at, event_id, item_id, order_id)


def test_a_refund_takes_the_latest_purchase_before_it() -> None:
    purchases = [action("p1", 10), action("p2", 20), action("p3", 40)]
    assert reversed_additions(purchases, [action("r", 30)]) == {"p2": "r"}


def test_a_second_refund_takes_the_one_before() -> None:
    purchases = [action("p1", 10), action("p2", 20)]
    assert reversed_additions(purchases, [action("r1", 30), action("r2", 31)]) == {"p2": "r1", "p1": "r2"}


def test_a_refund_that_names_an_order_takes_a_purchase_of_that_order_only() -> None:
    purchases = [action("p1", 10, order_id="o1"), action("p2", 20, order_id="o2")]
    assert reversed_additions(purchases, [action("r", 30, order_id="o1")]) == {"p1": "r"}
    assert reversed_additions(purchases, [action("r", 30, order_id="o3")]) == {}


def test_a_refund_of_another_item_takes_nothing() -> None:
    assert reversed_additions([action("p", 10)], [action("r", 20, item_id="lamp")]) == {}


def test_a_refund_earlier_than_every_purchase_waits_for_the_first_it_fits() -> None:
    refund = action("r", 5, order_id="o2")
    purchases = [action("p1", 10, order_id="o1"), action("p2", 20, order_id="o2"), action("p3", 30, order_id="o2")]
    assert reversed_additions(purchases, [refund]) == {"p2": "r"}


def test_of_two_waiting_refunds_the_older_goes_first() -> None:
    assert reversed_additions([action("p", 10)], [action("r2", 6), action("r1", 5)]) == {"p": "r1"}


def test_within_one_moment_event_ids_decide() -> None:
    assert reversed_additions([action("b", 10), action("a", 10)], [action("c", 10)]) == {"b": "c"}


def test_a_refund_of_an_item_with_forgotten_purchases_does_not_wait_for_a_later_one() -> None:
    later = [action("p", 40, order_id="o1")]
    assert reversed_additions(later, [action("r", 30)], {"mug"}) == {}
    assert reversed_additions(later, [action("r", 30)], {"lamp"}) == {"p": "r"}
    assert reversed_additions(later, [action("r", 30, order_id="o1")], {"mug"}) == {"p": "r"}


steps = st.lists(
    st.tuples(st.booleans(), st.integers(0, 6), st.sampled_from(["mug", "lamp"]), st.sampled_from([None, "o1", "o2"])),
    max_size=14,
)


@given(steps, st.data())
def test_matches_agree_with_the_plain_reading_whatever_the_order(
    drawn: Sequence[tuple[bool, int, str, str | None]], data: st.DataObject
) -> None:
    actions = [(buys, Action(at, f"e{i:02}", item, order)) for i, (buys, at, item, order) in enumerate(drawn)]
    additions = data.draw(st.permutations([a for buys, a in actions if buys]))
    reversals = data.draw(st.permutations([a for buys, a in actions if not buys]))
    taken = reversed_additions(additions, reversals)
    life = [
        interaction(a.event_id, Kind.PURCHASE if buys else Kind.REFUND, a.item_id, a.at, order_id=a.order_id)
        for buys, a in actions
    ]
    assert {a.event_id for a in additions} - taken.keys() == {i.event_id for i in left_standing(life)}
    assert len(set(taken.values())) == len(taken)


@pytest.mark.parametrize("reversals", [[], [action("r", 1, item_id="lamp")]])
def test_without_a_reversal_of_the_item_nothing_is_taken_back(reversals: list[Action]) -> None:
    assert reversed_additions([action("p", 0)], reversals) == {}
