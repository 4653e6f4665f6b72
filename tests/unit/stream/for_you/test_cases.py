"""A user whom a worker remembers is asked about as the same user is in the evaluation."""

from pathlib import Path

import numpy as np
import pytest

from graph.model import Interaction, Kind
from graph.settings import GraphSettings
from stream.evaluation.cases import Cases, cases_from_log
from stream.evaluation.shop import SESSION_GAP_MS
from stream.for_you.cases import STRANGER, cases_of, mark_of_user
from stream.for_you.history import History, history_of
from stream.for_you.log import shop_of
from tests.unit.stream.for_you.learned import rows_and_interactions, users_of

CODES = {"a": 0, "b": 1, "c": 2}


@pytest.mark.parametrize("sessions", [False, True])
def test_the_stream_asks_what_the_evaluation_asks(folder: Path, sessions: bool) -> None:
    rows, interactions = rows_and_interactions(folder)
    shop = shop_of(interactions, rows, sessions=sessions)
    users = users_of(interactions)
    codes = {mark_of_user(name): code for code, name in enumerate(shop.users)}
    asked = cases_of([history_of(users[name]) for name in shop.users], shop.catalogue.codes, codes, sessions=sessions)
    ends = shop.log.offsets[1:]
    known = cases_from_log(shop.log, np.arange(len(shop.users)), ends, ends)
    for name in ("users", "offsets", "items", "ages", "times", "at"):
        assert getattr(asked, name).tolist() == getattr(known, name).tolist(), name
    assert asked.ages.max() > 3


def cases(*histories: History, sessions: bool = False) -> Cases:
    return cases_of(histories, CODES, {mark_of_user("u1"): 7}, sessions=sessions)


def test_a_pause_of_half_an_hour_ends_a_visit() -> None:
    history = History("u1", ("a", "b", "c"), (0, SESSION_GAP_MS, 2 * SESSION_GAP_MS + 1))
    assert cases(history).ages.tolist() == [2, 1, 0]
    assert cases(history, sessions=True).ages.tolist() == [1, 1, 0]


def test_items_that_the_model_does_not_know_are_left_out_and_strangers_are_nobody() -> None:
    found = cases(History("u1", ("a", "new", "b"), (1, 2, 3)), History("u2", ("new",), (4,)), History("u1", (), ()))
    assert found.items.tolist() == [0, 1]
    assert found.offsets.tolist() == [0, 2, 2, 2]
    assert found.users.tolist() == [7, STRANGER, 7]
    assert found.at.tolist() == [3, 0, 0]


def test_what_was_taken_back_is_no_history() -> None:
    def one(event_id: str, kind: Kind, item_id: str, at: int) -> Interaction:
        return Interaction(event_id, kind, "u1", item_id, at)

    (user,) = users_of(
        [
            one("1", Kind.PURCHASE, "a", 10),
            one("2", Kind.VIEW, "b", 20),
            one("3", Kind.PURCHASE, "c", 30),
            one("4", Kind.IMPRESSION, "c", 35),
            one("5", Kind.REFUND, "c", 40),
        ]
    ).values()
    assert history_of(user) == History("u1", ("a", "b"), (10, 20))


def test_purchases_are_remembered_longer_than_the_rest() -> None:
    longest = GraphSettings().interest.max_history
    events = [Interaction(f"{at:05}", Kind.PURCHASE, "u1", "a", at) for at in range(longest)]
    events += [Interaction(f"{at:05}", Kind.VIEW, "u1", "b", at) for at in range(longest, 2 * longest + 5)]
    (user,) = users_of(events).values()
    assert history_of(user).items == ("a",) * longest + ("b",) * longest


def test_without_an_item_a_user_has_never_met_it() -> None:
    history = History("u1", ("a", "b", "a", "c"), (1, 2, 3, 4))
    assert history.without("a") == History("u1", ("b", "c"), (2, 4))
    assert history.latest(2) == ["c", "a"]
    assert history.latest(9) == ["c", "a", "b"]
    assert not history.latest(0)
