import random
import statistics
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import Interaction, Kind
from graph.settings import GraphSettings, InterestSettings
from graph.state import UserState, add_interaction, decode_state, encode_state
from graph.store import Refused
from tests.unit.graph.scenarios import START, Run, catalogues, deliveries, interaction, lives

DAY_MS = 86_400_000


def small(**limits: int) -> GraphSettings:
    return GraphSettings(interest=InterestSettings.model_validate(limits))


@settings(deadline=None, max_examples=60)
@given(lives(), catalogues)
def test_a_state_survives_its_bytes(life: list[Interaction], catalogue: dict[str, str]) -> None:
    state = Run().step(life, catalogue).state
    assert decode_state(encode_state(state)) == state


@settings(deadline=None, max_examples=60)
@given(st.data(), lives(max_size=20), catalogues)
def test_a_state_read_back_between_bundles_goes_on_as_if_never_written(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str]
) -> None:
    bundles = data.draw(deliveries(life))
    straight, restarted = Run(), Run()
    for bundle in bundles:
        straight.step(bundle, catalogue)
        restarted.state = decode_state(encode_state(restarted.state))
        restarted.step(bundle, catalogue)
    assert restarted.state == straight.state
    assert restarted.deltas == straight.deltas


def test_bytes_of_a_newer_format_are_refused_by_name() -> None:
    data = encode_state(UserState())
    with pytest.raises(Refused, match=r"format 2.*reads 1.*upgrade all workers"):
        decode_state(bytes([2]) + data[1:])


def test_the_state_of_a_usual_user_takes_at_most_2_kilobytes() -> None:
    dice = random.Random(7)
    sizes = []
    for _ in range(101):
        life = realistic_life(dice, events=dice.randint(10, 20))
        state = Run().steps(([i] for i in life), {}).state
        assert state.events == len(life)
        sizes.append(len(encode_state(state)))
    assert statistics.median(sizes) <= 2048


def realistic_life(dice: random.Random, events: int) -> list[Interaction]:
    """Ids as trackers make them (UUIDs), long category paths, a few visits over some days."""
    kinds = [Kind.VIEW, Kind.CLICK, Kind.ADD_TO_CART, Kind.PURCHASE]
    at, life = START, []
    for _ in range(events):
        at += dice.randrange(1_000, 90_000) if dice.random() < 0.8 else dice.randrange(3_600_000, 3 * DAY_MS)
        shelf = dice.randrange(40)
        life.append(
            Interaction(
                event_id=str(uuid.UUID(int=dice.getrandbits(128))),
                kind=dice.choices(kinds, [60, 20, 12, 8])[0],
                user_id="u1",
                item_id=f"SKU-{10_000 + shelf * 50 + dice.randrange(50)}",
                occurred_at=at,
                category=f"Home & Garden > Kitchen and Dining > Shelf number {shelf}",
                price=round(dice.uniform(2, 80), 2),
                currency="GBP",
                order_id=f"order-{dice.randrange(10**6)}",
            )
        )
    return life


def test_an_event_id_counts_once() -> None:
    run = Run().step([interaction("e1", Kind.VIEW, "mug"), interaction("e1", Kind.VIEW, "mug")], {})
    run.step([interaction("e1", Kind.VIEW, "mug")], {})
    assert (run.applied, run.duplicates, run.state.events) == (1, 2, 1)
    assert len(run.state.history) == 1


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 12))
def test_exactly_the_last_event_ids_are_remembered(count: int, limit: int) -> None:
    run = Run(small(max_event_ids=limit))
    for i in range(count):
        run.step([interaction(f"e{i}", Kind.IMPRESSION, "mug")], {})
    remembered = max(0, count - limit)
    run.step([interaction(f"e{i}", Kind.IMPRESSION, "mug") for i in range(remembered, count)], {})
    assert run.duplicates == min(count, limit)
    assert run.state.events == count


def test_bytes_across_two_neighbouring_ids_are_not_a_known_id() -> None:
    limits = InterestSettings.model_validate({})
    other = UserState()
    add_interaction(other, interaction("e1", Kind.VIEW, "mug"), limits)
    state = UserState(event_ids=b"abc" + other.event_ids + b"defgh")
    assert add_interaction(state, interaction("e1", Kind.VIEW, "mug"), limits)
    assert not add_interaction(state, interaction("e1", Kind.VIEW, "mug"), limits)


def test_impressions_count_as_events_and_do_nothing_else() -> None:
    run = Run().step([interaction("e1", Kind.IMPRESSION, "mug", START, "Home")], {"mug": "Home"})
    assert (run.state.events, run.state.last_event_at) == (1, START)
    assert not run.state.history
    assert not run.interests({"mug": "Home"})


def test_every_bound_holds_however_much_one_user_does() -> None:
    bounds = {
        "max_items": 5, "max_categories": 3, "max_purchases": 4, "max_cart_additions": 2,
        "max_event_ids": 6, "max_history": 8,
    }  # fmt: skip
    dice = random.Random(3)
    run = Run(small(**bounds))
    kinds = [kind for kind in Kind if kind is not Kind.IMPRESSION]
    catalogue = {f"item-{i}": f"category-{i % 11}" for i in range(0, 60, 2)}
    for n in range(400):
        at = START + dice.randrange(10 * DAY_MS)
        item = f"item-{dice.randrange(60)}"
        order = dice.choice([None, "o1", "o2"])
        run.step([interaction(f"e{n}", dice.choice(kinds), item, at, dice.choice([None, "Home"]), order)], catalogue)
        state = run.state
        assert len(state.event_ids) <= 6 * 8
        assert len(state.history) <= 8
        assert len(state.purchases) <= 4
        assert len(state.refunds) <= 2 * 4
        assert len(state.cart_additions) <= 2
        assert len(state.cart_removals) <= 2 * 2
        assert len(state.items) <= 5 * 5
        assert len(state.categories) <= 3
    assert run.state.events == 400
    assert run.state.forgotten_reversals > 0


@pytest.mark.parametrize(
    ("add", "take_back", "weight"), [(Kind.PURCHASE, Kind.REFUND, 5.0), (Kind.ADD_TO_CART, Kind.REMOVE_FROM_CART, 3.0)]
)
def test_taking_back_what_is_no_longer_remembered_is_counted_and_not_applied(
    add: Kind, take_back: Kind, weight: float
) -> None:
    catalogue = {"mug": "Kitchen > Mugs", "lamp": "Home > Light"}
    run = Run(small(max_purchases=2, max_cart_additions=2))
    run.step([interaction("a1", add, "mug", START), interaction("a2", add, "lamp", START + 1)], catalogue)
    run.step([interaction("a3", add, "lamp", START + 2)], catalogue)
    run.step([interaction("r1", take_back, "mug", START + 3)], catalogue)
    assert run.state.forgotten_reversals == 1
    assert run.interests(catalogue)["Kitchen > Mugs"].weight == pytest.approx(weight)
    run.step([interaction("a4", add, "mug", START + 4)], catalogue)
    assert run.interests(catalogue)["Kitchen > Mugs"].weight == pytest.approx(2 * weight)
    run.step([interaction("r2", take_back, "mug", START + 5)], catalogue)
    assert run.state.forgotten_reversals == 1
    assert run.interests(catalogue)["Kitchen > Mugs"].weight == pytest.approx(weight)


def test_the_oldest_waiting_refunds_beyond_the_bound_are_counted_out() -> None:
    run = Run(small(max_purchases=2))
    for i in range(5):
        run.step([interaction(f"r{i}", Kind.REFUND, f"item-{i}", START + i)], {})
    assert [refund.event_id for refund in run.state.refunds] == ["r3", "r4"]
    assert run.state.forgotten_reversals == 3
    run.step([interaction("p4", Kind.PURCHASE, "item-4", START + 9, "Home")], {})
    assert not run.interests({})


def test_a_refunded_purchase_stays_taken_back_in_the_history_when_it_is_folded() -> None:
    catalogue = {"mug": "Kitchen > Mugs", "lamp": "Home > Light"}
    run = Run(small(max_purchases=1))
    run.step(
        [interaction("p1", Kind.PURCHASE, "mug", START), interaction("r1", Kind.REFUND, "mug", START + 1)], catalogue
    )
    run.step([interaction("p2", Kind.PURCHASE, "lamp", START + 2)], catalogue)
    run.step([interaction("r2", Kind.REFUND, "lamp", START + 3)], catalogue)
    assert [(entry.event_id, entry.active) for entry in run.state.history] == [("p1", False), ("p2", False)]
    assert not run.interests(catalogue)
    assert not run.totals()
