import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.decay import rank_key
from graph.interest import ignored_items, interests, owned_items, touches, unresolved_items
from graph.model import Interaction, Interest, Kind, Touch
from graph.settings import GraphSettings, InterestSettings
from graph.state import UserState, add_interaction, decode_state, encode_state
from tests.unit.graph.recompute import DAY_MS, ExpectedInterest, distinct, expected_interests, left_standing
from tests.unit.graph.scenarios import (
    CATEGORIES,
    ITEMS,
    START,
    Run,
    catalogues,
    deliveries,
    interaction,
    lives,
    weight_at_end,
    with_interest,
)

WEEK_SECONDS = 7 * 86_400.0


def silent(item_id: str) -> None:
    """Be a catalogue that has not spoken yet."""


def assert_same(found: dict[str, Interest], expected: dict[str, ExpectedInterest]) -> None:
    assert found.keys() == expected.keys()
    for category, interest in expected.items():
        shown = found[category]
        assert (shown.views, shown.purchases, shown.updated_at) == (
            interest.views,
            interest.purchases,
            interest.updated_at,
        )
        assert weight_at_end(shown.weight, shown.updated_at) == pytest.approx(
            weight_at_end(interest.weight, interest.updated_at), rel=1e-9
        )


@settings(deadline=None, max_examples=150)
@given(st.data(), lives(), catalogues)
def test_interests_are_those_recomputed_from_the_log_whatever_the_arrival(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str]
) -> None:
    run = Run().steps(data.draw(deliveries(life)), catalogue)
    assert_same(run.interests(catalogue), expected_interests(life, catalogue))
    assert run.state.events == run.applied == len(distinct(life))
    assert run.state.last_event_at == max((i.occurred_at for i in life), default=0)


@settings(deadline=None, max_examples=60)
@given(st.data(), lives(), catalogues)
def test_two_arrivals_of_one_life_give_the_same_interests(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str]
) -> None:
    one = Run().steps(data.draw(deliveries(life)), catalogue)
    other = Run().steps(data.draw(deliveries(life)), catalogue)
    assert one.interests(catalogue).keys() == other.interests(catalogue).keys()
    for category, interest in one.interests(catalogue).items():
        twin = other.interests(catalogue)[category]
        assert (twin.updated_at, twin.views, twin.purchases) == (
            interest.updated_at,
            interest.views,
            interest.purchases,
        )
        assert twin.weight == pytest.approx(interest.weight, rel=1e-9)
        assert twin.rank_key == pytest.approx(interest.rank_key, abs=1e-9)
    assert touches(one.state) == touches(other.state)
    assert owned_items(one.state) == owned_items(other.state)


@settings(deadline=None, max_examples=60)
@given(st.data(), lives(), catalogues, catalogues)
def test_a_catalogue_that_comes_late_or_changes_moves_everything(
    data: st.DataObject, life: list[Interaction], early: dict[str, str], final: dict[str, str]
) -> None:
    run = Run().steps(data.draw(deliveries(life)), early).step([], final)
    assert_same(run.interests(final), expected_interests(life, final))


def test_one_interaction_of_each_kind_adds_its_weight() -> None:
    for kind, weight in ((Kind.CLICK, 1.0), (Kind.VIEW, 1.0), (Kind.ADD_TO_CART, 3.0), (Kind.PURCHASE, 5.0)):
        run = Run().step([interaction("e1", kind, "mug", START, "Home")], {})
        key = rank_key(weight, START, WEEK_SECONDS)
        views, purchases = int(kind in (Kind.CLICK, Kind.VIEW)), int(kind is Kind.PURCHASE)
        assert run.interests({}) == {"Home": Interest("Home", weight, START, key, views, purchases)}


def test_a_weight_is_valid_at_the_latest_contribution_and_halves_in_a_week() -> None:
    life = [interaction("e1", Kind.PURCHASE, "mug", START), interaction("e2", Kind.VIEW, "mug", START + 7 * DAY_MS)]
    interest = Run().step(life, {"mug": "Home"}).interests({"mug": "Home"})["Home"]
    assert interest.weight == pytest.approx(5.0 / 2 + 1.0, rel=1e-15)
    assert interest.updated_at == START + 7 * DAY_MS
    at_end = interest.weight * 0.5 ** ((START + 14 * DAY_MS - interest.updated_at) / (7 * DAY_MS))
    assert at_end == pytest.approx(5.0 / 4 + 1.0 / 2)


def test_weights_of_kinds_and_the_half_life_are_settings() -> None:
    chosen = GraphSettings(
        interest=InterestSettings.model_validate(
            {"purchase_weight": 7.0, "half_life_seconds": 10.0, "view_weight": 0.0}
        )
    )
    life = [interaction("e1", Kind.PURCHASE, "mug", START), interaction("e2", Kind.PURCHASE, "mug", START + 10_000)]
    run = Run(chosen).step([*life, interaction("e3", Kind.VIEW, "lamp", START)], {"mug": "Home", "lamp": "Light"})
    found = run.interests({"mug": "Home", "lamp": "Light"})
    assert found.keys() == {"Home"}, "a category whose contributions weigh nothing has no edge"
    assert found["Home"].weight == pytest.approx(10.5)


def test_quantity_never_weighs() -> None:
    dozen = Interaction("e1", Kind.PURCHASE, "u1", "mug", START, "Home", quantity=12)
    assert Run().step([dozen], {}).interests({})["Home"].weight == 5.0


def test_an_interest_without_contributions_is_gone() -> None:
    run = Run().step([interaction("p", Kind.PURCHASE, "mug", START, "Home")], {})
    run.step([interaction("r", Kind.REFUND, "mug", START + 1)], {})
    assert run.interests({}) == {}


def test_a_refund_leaves_the_weight_that_was_there_before_the_purchase() -> None:
    view = interaction("v", Kind.VIEW, "mug", START, "Home")
    purchase = interaction("p", Kind.PURCHASE, "mug", START + 3 * DAY_MS)
    refund = interaction("r", Kind.REFUND, "mug", START + 9 * DAY_MS)
    assert Run().step([view, purchase, refund], {}).interests({}) == Run().step([view], {}).interests({})


def test_the_catalogue_beats_the_event_and_the_latest_event_beats_the_earlier() -> None:
    life = [
        interaction("b", Kind.VIEW, "mug", START + 1, "New"),
        interaction("a", Kind.VIEW, "mug", START + 1, "Tied, but of a smaller event id"),
        interaction("c", Kind.VIEW, "mug", START, "Old"),
        interaction("d", Kind.VIEW, "mug", START + 2),
    ]
    run = Run().step(life, {})
    assert run.interests({}).keys() == {"New"}
    assert unresolved_items(run.state, silent) == ["mug"]
    assert run.interests({"mug": "Home"}).keys() == {"Home"}
    assert unresolved_items(run.state, {"mug": "Home"}.get) == []


def test_an_item_without_any_category_weighs_nowhere_until_it_has_one() -> None:
    run = Run().step([interaction("v", Kind.VIEW, "mug"), interaction("p", Kind.PURCHASE, "mug", START + 1)], {})
    assert run.interests({}) == {}
    interest = run.interests({"mug": "Home"})["Home"]
    assert (interest.views, interest.purchases) == (1, 1)


def test_interests_come_strongest_first_and_ties_by_path() -> None:
    life = [
        interaction("e1", Kind.VIEW, "mug", START, "B"),
        interaction("e2", Kind.VIEW, "lamp", START, "A"),
        interaction("e3", Kind.PURCHASE, "rug", START - 7 * DAY_MS, "C"),
    ]
    run = Run().step(life, {})
    found = interests(run.state, silent, run.settings.interest)
    assert [interest.category for interest in found] == ["C", "A", "B"]


folding = InterestSettings.model_validate({"max_items": 2, "max_purchases": 3, "max_cart_additions": 2})


@settings(deadline=None, max_examples=80)
@given(st.data(), lives(), st.fixed_dictionaries({item: st.sampled_from(CATEGORIES) for item in ITEMS}))
def test_folding_changes_no_sum_while_categories_stay_and_nothing_is_taken_back(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str]
) -> None:
    taken_back = (Kind.REFUND, Kind.REMOVE_FROM_CART)
    life = [i for i in life if i.kind not in taken_back]
    run = Run(with_interest(folding)).steps(data.draw(deliveries(life)), catalogue)
    assert_same(run.interests(catalogue), expected_interests(life, catalogue))
    assert len(run.state.items) <= 2


def test_beyond_the_bound_the_item_touched_longest_ago_is_folded_and_stays_in_its_category() -> None:
    run = Run(with_interest(folding))
    before = {"mug": "Old", "lamp": "Old", "rug": "Old"}
    after = dict.fromkeys(before, "New")
    for i, item in enumerate(before):
        run.step([interaction(f"e{i}", Kind.VIEW, item, START)], before)
    run.step([], after)
    found = run.interests(after)
    assert run.state.items.keys() == {"mug", "rug"}, "ties are broken by item id"
    assert (found["Old"].views, found["New"].views) == (1, 2)


def test_items_that_wait_for_the_catalogue_are_kept_five_times_longer() -> None:
    run = Run(with_interest(folding))
    for i in range(11):
        run.step([interaction(f"e{i:02}", Kind.VIEW, f"item-{i:02}", START + i, "Said")], {})
    assert sorted(run.state.items) == [f"item-{i:02}" for i in range(1, 11)]
    assert run.interests({})["Said"].views == 11


def test_beyond_the_bound_the_weakest_folded_category_is_dropped() -> None:
    limits = InterestSettings.model_validate({"max_items": 1, "max_categories": 2})
    run = Run(with_interest(limits))
    catalogue = {f"item-{i}": f"category-{i}" for i in range(4)}
    kinds = [Kind.VIEW, Kind.VIEW, Kind.VIEW, Kind.VIEW]
    for i, at in enumerate([5, 0, 9, 10]):
        run.step([interaction(f"e{i}", kinds[i], f"item-{i}", START + at * DAY_MS)], catalogue)
    assert run.interests(catalogue).keys() == {"category-0", "category-2", "category-3"}


def test_touches_are_counts_and_latest_times_of_the_history() -> None:
    life = [
        interaction("e1", Kind.VIEW, "mug", START),
        interaction("e2", Kind.CLICK, "mug", START + 5),
        interaction("e3", Kind.ADD_TO_CART, "mug", START + 6),
        interaction("e4", Kind.PURCHASE, "mug", START + 7),
        interaction("e5", Kind.PURCHASE, "lamp", START + 8),
        interaction("e6", Kind.REFUND, "lamp", START + 9),
    ]
    run = Run().step(life, {})
    assert touches(run.state) == [Touch("mug", False, 2, START + 5), Touch("mug", True, 1, START + 7)]
    assert owned_items(run.state) == {"mug": START + 7}


@settings(deadline=None, max_examples=60)
@given(lives())
def test_owned_items_are_the_purchases_left_standing(life: list[Interaction]) -> None:
    owned = owned_items(Run().step(life, {}).state)
    assert owned == {i.item_id: i.occurred_at for i in left_standing(life) if i.kind is Kind.PURCHASE}


def test_what_a_wholesaler_bought_in_a_month_is_known() -> None:
    """More than any customer of the shops that this was measured on; beyond the bound the oldest are forgotten."""
    bought = [interaction(f"e{n:04}", Kind.PURCHASE, f"item-{n}", START + n) for n in range(4_100)]
    owned = owned_items(Run().step(bought, {}).state)
    assert owned == {f"item-{n}": START + n for n in range(4, 4_100)}


def test_what_was_shown_in_vain_is_counted_decayed_and_forgiven() -> None:
    """Only impressions of recommendations count; acting on the item forgives those before."""
    day = 86_400_000
    state = UserState()
    events = [
        Interaction("s1", Kind.IMPRESSION, "u", "a", 10 * day, recommendation_id="r"),
        Interaction("s2", Kind.IMPRESSION, "u", "a", 8 * day, recommendation_id="r"),
        Interaction("s3", Kind.IMPRESSION, "u", "b", 9 * day, recommendation_id="r"),
        Interaction("s4", Kind.IMPRESSION, "u", "c", 9 * day),
        Interaction("v1", Kind.VIEW, "u", "b", 10 * day),
        Interaction("s5", Kind.IMPRESSION, "u", "b", 10 * day + 1, recommendation_id="r"),
    ]
    for event in reversed(events):
        add_interaction(state, event, InterestSettings())
    found = ignored_items(state, 2 * 86_400.0)
    assert found.keys() == {"a", "b"}
    assert found["a"] == pytest.approx(1.5, rel=1e-6)
    assert found["b"] == pytest.approx(1.0)
    for number in range(300):
        add_interaction(
            state,
            Interaction(f"m{number}", Kind.IMPRESSION, "u", f"i{number}", 11 * day, recommendation_id="r"),
            InterestSettings(),
        )
    assert len(state.shown) <= 100
    assert decode_state(encode_state(state)).shown == state.shown
