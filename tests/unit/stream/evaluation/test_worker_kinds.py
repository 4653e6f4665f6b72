"""Kinds of a log as the worker knows them."""

from dataclasses import replace

import numpy as np
import pytest

from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_kinds import known_to_worker, say_unknown, worker_kind

RAW = RawEvents(
    users=["u", "v", "w"],
    items=["a", "b", "c"],
    kinds=["Cart", "buy", ""],
    times=np.array([1, 2, 3]),
    prices=np.array([1.0, 2.0, 3.0]),
    sessions=["s", "t", ""],
    tested=np.array([False, False, True]),
    repeated=4,
)


@pytest.mark.parametrize(
    ("written", "kind"), [("cart", "add_to_cart"), ("PURCHASE", "purchase"), ("", "view"), ("buy", "buy")]
)
def test_kinds_are_named_as_a_tracker_names_them(written: str, kind: str) -> None:
    assert worker_kind(written) == kind


def test_what_the_worker_does_not_know_is_left_out_and_counted() -> None:
    known, unknown = known_to_worker(RAW)
    assert unknown == {"buy": 1}
    assert (known.users, known.items, known.kinds) == (["u", "w"], ["a", "c"], ["add_to_cart", "view"])
    assert (known.times.tolist(), known.prices.tolist(), known.sessions) == ([1, 3], [1.0, 3.0], ["s", ""])
    assert (known.tested.tolist(), known.repeated) == ([False, True], 4)


@pytest.mark.parametrize("kind", ["REFUND", "Impression"])
def test_what_takes_back_or_was_only_shown_is_no_interaction_in_capitals_either(kind: str) -> None:
    known, unknown = known_to_worker(replace(RAW, kinds=["view", kind, "view"]))
    assert (len(known), unknown) == (2, {kind: 1})


def test_how_many_of_how_many_is_said_the_most_frequent_first() -> None:
    told = say_unknown({"a": 1, "buy": 1500, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}, 2000)
    assert told == (
        "1,506 of 2,000 events have kinds that the worker does not know: 'buy' 1,500, 'a' 1, 'b' 1, 'c' 1, 'd' 1, "
        "and 2 more; write add_to_cart, click, purchase or view"
    )
