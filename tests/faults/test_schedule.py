"""The schedules: the same for the same seed, whole numbers of what was promised, shares that are a partition."""

from collections import Counter
from itertools import pairwise

import pytest

from graph.failpoints import PLACES, arm
from tests.faults.schedule import PARTS, Cycle, Deed, Subject, cycles_of, describe, share_of

PRODUCT = {part: [c for c in cycles_of(part, seed=1) if c.subject is Subject.PRODUCT] for part in PARTS}


def blows(part: str, *deeds: Deed) -> int:
    return sum(blow.deed in deeds for cycle in PRODUCT[part] for blow in cycle.blows)


@pytest.mark.parametrize("part", PARTS)
def test_the_same_seed_gives_the_same_storms(part: str) -> None:
    assert cycles_of(part, 5) == cycles_of(part, 5)
    if part not in ("topics",):
        assert [c.lives or c.blows for c in cycles_of(part, 5)] != [c.lives or c.blows for c in cycles_of(part, 6)]


def test_every_kind_of_fault_comes_as_often_as_promised() -> None:
    assert sum(len(cycle.lives) for cycle in PRODUCT["kills"]) == 300
    servers = Counter(blow.target for cycle in PRODUCT["servers"] for blow in cycle.blows)
    assert servers == {"kafka": 60, "neo4j": 60}
    freezes = blows("pauses", Deed.FREEZE) + sum(len(cycle.lives) for cycle in PRODUCT["pauses"])
    assert freezes >= 100
    assert blows("rebalances", Deed.JOIN, Deed.LEAVE) >= 200
    assert sorted(cycle.skews[0] for cycle in PRODUCT["clocks"]) == [-86_400, -3600, 3600, 86_400]


def test_every_place_is_armed_and_readable() -> None:
    orders = [life.end for part in ("kills", "pauses") for c in PRODUCT[part] for life in c.lives if "=" in life.end]
    for order in orders:
        arm(order)
    arm("")
    assert {order.partition("=")[0] for order in orders} == set(PLACES)


def test_no_server_is_hit_while_it_is_down() -> None:
    for cycle in PRODUCT["servers"]:
        for target in ("kafka", "neo4j"):
            hits = [blow for blow in cycle.blows if blow.target == target]
            for before, after in pairwise(hits):
                assert after.at > before.at + before.seconds, describe(cycle)


def test_shares_are_a_partition() -> None:
    cycles = cycles_of("kills", 1)
    shares: list[Cycle] = [cycle for i in range(1, 4) for cycle in share_of(cycles, f"{i}/3")]
    assert sorted(c.key for c in shares) == sorted(c.key for c in cycles)
    with pytest.raises(ValueError, match="0/3"):
        share_of(cycles, "0/3")


def test_controls_share_the_storm_of_the_product() -> None:
    first, *controls = cycles_of("kills", 1)[:4]
    assert [control.subject for control in controls] == [Subject.NAIVE, Subject.TUNED, Subject.TEXTBOOK]
    assert all(control.lives == first.lives for control in controls)
