"""What the model is fitted on: the questions that a worker will be asked."""

import numpy as np
import pytest

from graph.model import Interaction, Kind
from stream.evaluation.cases import Candidates
from stream.evaluation.plan import plan
from stream.for_you.log import shop_of
from stream.for_you.training import PROTOCOLS, asked_at_once

DAY_MS = 86_400_000


def interactions(repeated: bool) -> list[Interaction]:
    """40 users on twelve days each, three things a day: always the same ones, or never the same again."""
    return [
        Interaction(f"{user}-{day}-{place}", Kind.PURCHASE, f"u{user}", f"i{item}", at)
        for user in range(40)
        for day in range(12)
        for place in range(3)
        for item in [(user + place) % 50 if repeated else (user + 3 * day + place) % 50]
        for at in [day * DAY_MS + user * 1000 + place * 60_000]
    ]


@pytest.mark.parametrize("occasion", PROTOCOLS)
@pytest.mark.parametrize(("repeated", "rule"), [(True, Candidates.ALL), (False, Candidates.NEW)])
def test_what_was_had_is_offered_again_only_where_things_are_had_again(
    occasion: str, repeated: bool, rule: Candidates
) -> None:
    shop = shop_of(interactions(repeated), [], sessions=occasion == "next-visit")
    test = asked_at_once(next(plan(shop, PROTOCOLS[occasion], None, 1.0)))
    assert {split.candidates for split in (test.split, *test.earlier)} == {rule}


@pytest.mark.parametrize("occasion", PROTOCOLS)
def test_everybody_is_asked_right_after_the_last_interaction(occasion: str) -> None:
    shop = shop_of(interactions(repeated=True), [], sessions=occasion == "next-visit")
    test = asked_at_once(next(plan(shop, PROTOCOLS[occasion], None, 1.0)))
    for split in (test.split, *test.earlier):
        ends = split.cases.times[split.cases.offsets[1:] - 1]
        assert split.cases.at.tolist() == ends.tolist()
        assert np.diff(split.cases.offsets).min() > 0


def test_a_visit_is_one_step() -> None:
    by_session = shop_of(interactions(repeated=True), [], sessions=True).log
    assert np.bincount(by_session.users, minlength=40).tolist() == [36] * 40
    assert by_session.steps.max() == 11
    assert shop_of(interactions(repeated=True), [], sessions=False).log.steps.max() == 35
