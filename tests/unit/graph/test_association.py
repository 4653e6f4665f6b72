from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.association import (
    PairSums,
    SourceState,
    add_delta,
    decode_source,
    encode_source,
    forget_weakest,
    source_key,
    successor_record,
)
from graph.model import Family, Interaction, Level, Successor, SuccessorRecord
from graph.settings import AssociationSettings
from graph.store import Refused
from graph.transitions import Delta, pairs_of, transition_atoms, transition_deltas
from tests.unit.graph.recompute import ASSOCIATION_HALF_LIFE_MS, expected_associations
from tests.unit.graph.scenarios import DEFAULTS, END, START, Run, catalogues, deliveries, lives

CHOSEN = DEFAULTS.association
BOUGHT = Family.BOUGHT_NEXT
Sources = dict[str, SourceState]


def delta(target: str, weight: float, at: int = START, count: int = 1, users: int = 1) -> Delta:
    return Delta(Level.ITEM, BOUGHT, "mug", target, weight, at, count, users)


def mug() -> SourceState:
    return SourceState(Level.ITEM, "mug")


def aggregate(deltas: list[Delta]) -> Sources:
    """Give every delta to the owner of its source."""
    sources: Sources = {}
    for change in deltas:
        key = source_key(change.level, change.source)
        state = sources.setdefault(key, SourceState(change.level, change.source))
        add_delta(state, change, CHOSEN)
    return sources


@settings(deadline=None, max_examples=50)
@given(st.data(), st.lists(lives(max_size=12), min_size=1, max_size=4), catalogues)
def test_associations_are_the_sum_over_users_in_whatever_order_these_are_heard(
    data: st.DataObject, users: list[list[Interaction]], catalogue: dict[str, str]
) -> None:
    heard: list[list[Delta]] = [Run().steps(data.draw(deliveries(life)), catalogue).deltas for life in users]
    order = data.draw(st.permutations([user for user, deltas in enumerate(heard) for _ in deltas]))
    remaining = [iter(deltas) for deltas in heard]
    sources = aggregate([next(remaining[user]) for user in order])

    expected = [expected_associations(life, catalogue) for life in users]
    for level, family, source, target in {pair for associations in expected for pair in associations}:
        holders = [a for associations in expected if (a := associations.get((level, family, source, target)))]
        sums = sources[source_key(level, source)].family(family)[target]
        assert sums.count == sum(len(association.parts) for association in holders)
        assert sums.users == len(holders)
        at_end = sums.weight * 0.5 ** ((END - sums.at) / ASSOCIATION_HALF_LIFE_MS)
        assert at_end == pytest.approx(sum(association.weight_at(END) for association in holders), rel=1e-9)
    kept = sum(len(state.viewed) + len(state.bought) for state in sources.values())
    assert kept == len({pair for associations in expected for pair in associations})


@settings(deadline=None, max_examples=50)
@given(st.data(), lives(max_size=30), catalogues)
def test_erasing_the_only_user_leaves_no_association_at_all(
    data: st.DataObject, life: list[Interaction], catalogue: dict[str, str]
) -> None:
    run = Run().steps(data.draw(deliveries(life)), catalogue)
    atoms = transition_atoms(run.state.history, CHOSEN)
    erased = transition_deltas(atoms, Counter(), pairs_of(atoms), set(), CHOSEN.half_life_seconds)
    assert all(not encode_source(state) for state in aggregate(run.deltas + erased).values())


def test_weights_meet_at_the_later_time() -> None:
    state = mug()
    add_delta(state, delta("lamp", 1.0, START + ASSOCIATION_HALF_LIFE_MS), CHOSEN)
    add_delta(state, delta("lamp", 1.0, START), CHOSEN)
    assert state.bought == {"lamp": PairSums(1.5, START + ASSOCIATION_HALF_LIFE_MS, 2, 2)}
    assert state.viewed == {}


def test_a_change_of_users_alone_leaves_weight_and_time() -> None:
    state = mug()
    add_delta(state, delta("lamp", 1.0), CHOSEN)
    add_delta(state, delta("lamp", 0.0, at=0, count=0, users=-1), CHOSEN)
    assert state.bought == {"lamp": PairSums(1.0, START, 1, 0)}


def test_a_pair_is_gone_with_its_last_transition() -> None:
    state = mug()
    add_delta(state, delta("lamp", 0.1), CHOSEN)
    add_delta(state, delta("lamp", 0.2, START + 1), CHOSEN)
    add_delta(state, delta("lamp", -0.3, START + 1, count=-2, users=-2), CHOSEN)
    assert state.bought == {}
    assert encode_source(state) == b""


def test_what_was_forgotten_cannot_be_taken_back() -> None:
    state = mug()
    add_delta(state, delta("lamp", -1.0, count=-1, users=-1), CHOSEN)
    add_delta(state, delta("lamp", 0.0, at=0, count=0, users=-1), CHOSEN)
    assert state.bought == {}
    add_delta(state, delta("lamp", -0.5, count=1), CHOSEN)
    assert state.bought == {"lamp": PairSums(0.0, START, 1, 1)}


def test_a_weight_never_falls_below_nothing() -> None:
    state = mug()
    long_ago = START - 60 * ASSOCIATION_HALF_LIFE_MS
    for change in (delta("lamp", 1 / 3, long_ago), delta("lamp", 0.7), delta("lamp", 0.1)):
        add_delta(state, change, CHOSEN)
    add_delta(state, delta("lamp", -0.8, count=-2, users=-2), CHOSEN)
    assert state.bought["lamp"].count == 1
    assert 0.0 <= state.bought["lamp"].weight < 1e-12


@pytest.mark.parametrize(("level", "bound"), [(Level.ITEM, 2), (Level.CATEGORY, 3)])
def test_the_weakest_successors_leave_at_one_common_time(level: Level, bound: int) -> None:
    chosen = AssociationSettings.model_validate({"max_item_successors": 2, "max_category_successors": 3})
    old = START - 2 * ASSOCIATION_HALF_LIFE_MS
    state = SourceState(level, "mug")
    for target, weight, at in (("faded", 3.0, old), ("b", 1.0, START), ("a", 1.0, START), ("strong", 5.0, old)):
        state.bought[target] = PairSums(weight, at, 1, 1)
    ranked = ["strong", "b", "a", "faded"]  # 1.25, then a tie, then 0.75
    assert forget_weakest(state, BOUGHT, chosen) == ranked[bound:][::-1]
    assert state.bought.keys() == set(ranked[:bound])
    assert forget_weakest(state, BOUGHT, chosen) == []


def test_a_record_holds_every_weight_at_the_newest_time() -> None:
    state = mug()
    state.bought["b"] = PairSums(1.0, START, 3, 2)
    state.bought["a"] = PairSums(2.0, START, 1, 1)
    state.viewed["c"] = PairSums(1.0, START + ASSOCIATION_HALF_LIFE_MS, 1, 1)
    assert successor_record(state, CHOSEN) == SuccessorRecord(
        Level.ITEM,
        "mug",
        START + ASSOCIATION_HALF_LIFE_MS,
        viewed=(Successor("c", 1.0, 1, 1),),
        bought=(Successor("a", 1.0, 1, 1), Successor("b", 0.5, 3, 2)),
    )
    assert successor_record(mug(), CHOSEN) == SuccessorRecord(Level.ITEM, "mug", 0)


def test_a_record_that_would_be_too_large_is_left_without_its_weakest() -> None:
    state = mug()
    for n in range(20):
        state.bought[f"{n:02}" + "🛒" * 100] = PairSums(1.0 + n, START, 1, 1)
        state.viewed[f"{n:02}" + "🛒" * 100] = PairSums(0.5, START, 1, 1)
    whole = successor_record(state, CHOSEN)
    assert (len(whole.bought), len(whole.viewed)) == (20, 20)
    small = successor_record(state, CHOSEN, max_bytes=5_000)
    assert [successor.target[:2] for successor in small.bought] == [f"{n:02}" for n in range(9, 20)]
    assert small.viewed == ()


def test_a_source_survives_its_bytes_and_a_newer_format_is_refused() -> None:
    state = mug()
    add_delta(state, delta("lamp", 1.0), CHOSEN)
    data = encode_source(state)
    assert decode_source(data) == state
    with pytest.raises(Refused, match=r"format 9.*reads 1"):
        decode_source(bytes([9]) + data[1:])


def test_levels_do_not_share_keys() -> None:
    assert source_key(Level.ITEM, "a") != source_key(Level.CATEGORY, "a")
