from collections import Counter

import pytest

from graph.model import Kind
from stream.demo.sample import SIMULATED, Sample, SampleEvent, load_sample, shopper_to_watch, with_views
from stream.settings import TrackerSettings
from stream.trackers import decode

NOW = 1_795_000_000_000
DAY = 86_400_000


@pytest.fixture(scope="module")
def sample() -> Sample:
    return load_sample()


def event(number: int, user: str, item: str, kind: Kind = Kind.PURCHASE, at: int = NOW) -> SampleEvent:
    return SampleEvent(f"e{number}", kind, user, item, at)


def test_the_sample_is_what_its_description_says(sample: Sample) -> None:
    assert Counter(e.kind for e in sample.events) == {Kind.PURCHASE: 10_560, Kind.REFUND: 351}
    assert len({e.user_id for e in sample.events}) == 303
    assert {e.item_id for e in sample.events} == sample.items.keys()
    assert len(sample.items) == 1_792
    assert {e.currency for e in sample.events} == {"GBP"}
    assert [e.occurred_at for e in sample.events] == sorted(e.occurred_at for e in sample.events)


def test_intake_accepts_every_event_as_it_is_sent(sample: Sample) -> None:
    import msgspec

    events = with_views(sample.events, 0)
    for sent in events:
        decoded = decode(msgspec.json.encode(sent), record_at=NOW, now=NOW, settings=TrackerSettings())
        (interaction,) = decoded.interactions
        assert (interaction.event_id, interaction.kind, interaction.item_id) == (sent.event_id, sent.kind, sent.item_id)
        assert (interaction.list_id == SIMULATED) == sent.simulated


def test_views_come_ahead_of_a_third_of_the_purchases_and_say_that_they_are_made_up(sample: Sample) -> None:
    events = with_views(sample.events, 3)
    views = [e for e in events if e.simulated]
    purchases = {e.event_id: e for e in sample.events if e.kind is Kind.PURCHASE}
    assert len(views) / len(purchases) == pytest.approx(1 / 3, abs=0.02)
    for view in views:
        purchase = purchases[view.event_id.removeprefix(f"{SIMULATED}-")]
        assert view.kind is Kind.VIEW
        assert (view.user_id, view.item_id) == (purchase.user_id, purchase.item_id)
        assert 60_000 <= purchase.occurred_at - view.occurred_at < 30 * 60_000
    assert len({e.event_id for e in events}) == len(events)
    assert [e.occurred_at for e in events] == sorted(e.occurred_at for e in events)


def test_the_seed_decides_the_views_and_nothing_else(sample: Sample) -> None:
    assert with_views(sample.events, 1) == with_views(sample.events, 1)
    assert with_views(sample.events, 1) != with_views(sample.events, 2)
    assert [e for e in with_views(sample.events, 1) if not e.simulated] == sorted(
        sample.events, key=lambda e: (e.occurred_at, e.event_id)
    )


def test_the_shopper_to_watch_comes_often_for_many_things() -> None:
    often = [event(n, "often", f"i{n}", at=NOW + n * DAY) for n in range(3)]
    once = [event(10 + n, "once", f"i{n}") for n in range(8)]
    assert shopper_to_watch([*once, *often]) == "often"


def test_a_shopper_who_returned_something_is_preferred() -> None:
    often = [event(n, "often", f"i{n}", at=NOW + n * DAY) for n in range(3)]
    returned = [event(10, "returned", "i1"), event(11, "returned", "i1", Kind.REFUND)]
    assert shopper_to_watch([*often, *returned]) == "returned"
