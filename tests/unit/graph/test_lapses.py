"""When a silence becomes a warning: a function of the visits alone."""

import random

import pytest

from graph.advance import advance
from graph.lapses import DAY_MS, due_at, lapses, silence, visits
from graph.model import Interaction, Kind
from graph.settings import GraphSettings, SignalSettings
from graph.state import UserState

START = 1_700_000_000_000 // DAY_MS * DAY_MS
SETTINGS = SignalSettings()
FAR = START + 3000 * DAY_MS


def days(*numbers: int) -> list[int]:
    return [START + number * DAY_MS for number in numbers]


def test_silence_by_hand() -> None:
    """One visit 180 days ago: V = 1/2, E = 180 / ln 2 / 2 days; prior and horizon 62 and 60 days."""
    exposure = 180 / 0.6931471805599453 / 2
    expected = ((62 + exposure) / (62 + exposure + 60)) ** (0.08 + 0.5)
    assert silence(days(0), days(180)[0], SETTINGS) == pytest.approx(expected)


def test_silence_grows_while_the_user_stays_away_and_falls_with_a_visit() -> None:
    values = [silence(days(0, 10, 20), days(day)[0], SETTINGS) for day in range(20, 800, 5)]
    assert values == sorted(values)
    assert silence(days(0, 10, 20, 60), days(60)[0], SETTINGS) < silence(days(0, 10, 20), days(60)[0], SETTINGS)


def test_who_comes_often_is_missed_later_but_from_the_same_probability() -> None:
    seldom, often = days(0, 60), days(*range(0, 61, 10))
    first, second = due_at(seldom, FAR, SETTINGS), due_at(often, FAR, SETTINGS)
    assert first is not None
    assert second is not None
    assert first < second
    for seen, due in ((seldom, first), (often, second)):
        assert silence(seen, due - 3_600_000, SETTINGS) < SETTINGS.threshold <= silence(seen, due, SETTINGS)


def test_the_moment_does_not_depend_on_when_somebody_looks() -> None:
    seen = days(0, 7, 30)
    due = due_at(seen, FAR, SETTINGS)
    assert due is not None
    assert due_at(seen, due, SETTINGS) == due
    assert due_at(seen, due - 1, SETTINGS) is None


def test_a_visit_is_a_day() -> None:
    assert visits([START + 5, START + DAY_MS - 1, START + 2 * DAY_MS]) == [START + DAY_MS - 1, START + 2 * DAY_MS]


def state_of(*events: tuple[int, str, Kind]) -> UserState:
    state = UserState()
    interactions = [
        Interaction(f"{day}-{item}-{kind}", kind, "u", item, START + day * DAY_MS, category=item[0].upper())
        for day, item, kind in events
    ]
    random.Random(1).shuffle(interactions)
    advance(state, interactions, lambda item_id: None, GraphSettings())
    return state


def test_who_still_comes_has_lost_an_interest_and_who_does_not_is_leaving() -> None:
    events = [(day, "a1", Kind.PURCHASE) for day in range(0, 40, 10)]
    events += [(day, "b1", Kind.VIEW) for day in range(0, 300, 10)]
    state = state_of(*events)
    now = START + 295 * DAY_MS
    (lost,) = lapses(state, now, lambda item_id: None, SETTINGS)
    assert (lost.category, lost.visits, lost.last_visit) == ("A", 4, START + 30 * DAY_MS)
    assert START + 40 * DAY_MS < lost.due <= now
    (leaving,) = lapses(state, FAR, lambda item_id: None, SETTINGS)
    assert (leaving.category, leaving.visits) == (None, 30)


def test_a_category_seen_once_is_no_loss_and_what_was_taken_back_no_visit() -> None:
    seen = [(day, "b1", Kind.VIEW) for day in range(0, 300, 10)]
    now = START + 295 * DAY_MS
    assert lapses(state_of((0, "a1", Kind.PURCHASE), *seen), now, lambda item_id: None, SETTINGS) == []
    twice = [(0, "a1", Kind.PURCHASE), (20, "a2", Kind.PURCHASE)]
    assert len(lapses(state_of(*twice, *seen), now, lambda item_id: None, SETTINGS)) == 1
    returned = [*twice, (21, "a2", Kind.REFUND)]
    assert lapses(state_of(*returned, *seen), now, lambda item_id: None, SETTINGS) == []
    assert lapses(UserState(), now, lambda item_id: None, SETTINGS) == []
