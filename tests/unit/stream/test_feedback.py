"""CTR and conversion by list, position and model; ignored items sink; an exploration slot with its propensity."""

import doctest
import json
from collections.abc import Iterator, Sequence

import msgspec
import pytest
from msgspec import UNSET

from graph.model import Interaction, Kind
from graph.settings import GraphSettings
from stream import feedback
from stream.checking.topics import Record, Span
from stream.feedback import Feedback
from stream.list_report import make_report
from stream.metrics import Metrics
from stream.ranker_file import load_weights
from stream.recommendations import (
    CrossSellItem,
    ForYou,
    ForYouItem,
    NextVisit,
    Position,
    Recommendation,
    UpSellItem,
    rfc3339,
)
from tests.unit.stream.sample_shop import AFTER, SampleShop

DAY_MS = 86_400_000


def record(
    name: str, cross_sell: Sequence[str], up_sell: Sequence[str] = (), model: str = "m1", drawn: float | None = None
) -> Recommendation:
    items = [CrossSellItem(item, "A", 1.0, ()) for item in cross_sell]
    if drawn is not None:
        items[-1] = CrossSellItem(cross_sell[-1], "A", 1.0, (), drawn)
    dearer = tuple(UpSellItem(item, "A", 1.0, 2.0, "x", 1.0, ()) for item in up_sell)
    times = rfc3339(0), rfc3339(0)
    return Recommendation("u", 1, *times, Position("t", 0, 0), model, name, tuple(items), dearer)


def event(kind: Kind, item: str, publication: str | None = "r1", **fields: object) -> Interaction:
    return Interaction(f"{kind}-{item}-{publication}", kind, "u", item, 0, recommendation_id=publication, **fields)  # type: ignore[arg-type]


def test_pairs_are_counted_once_by_list_position_and_model() -> None:
    found = Feedback()
    found.take(event(Kind.PURCHASE, "b"))  # events may come before the record
    found.publish(msgspec.structs.replace(record("r1", ["a", "b"], ["c"]), ranker="linear-1"))
    found.publish(record("r2", ["a"], model="m2"))  # of before rankers had versions
    for item in ("a", "b", "c"):
        found.take(event(Kind.IMPRESSION, item))
    for kind in (Kind.CLICK, Kind.VIEW, Kind.CLICK):
        found.take(event(kind, "b"))
    found.take(event(Kind.CLICK, "a", "r2"))  # nobody said that it was shown
    found.take(event(Kind.CLICK, "a", None))
    found.take(event(Kind.REFUND, "b"))
    report = found.report()
    assert (report.all.shown, report.all.clicked, report.all.taken) == (4, 2, 1)
    assert (report.by_list["cross_sell"].shown, report.by_list["up_sell"].shown) == (3, 1)
    assert report.by_list["cross_sell"].ctr == pytest.approx(2 / 3)
    assert report.by_list["cross_sell"].conversion == pytest.approx(1 / 3)
    assert {place: out.clicked for place, out in report.by_position["cross_sell"].items()} == {1: 1, 2: 1}
    assert {model: out.shown for model, out in report.by_model.items()} == {"m1": 3, "m2": 1}
    assert {ranker: out.shown for ranker, out in report.by_ranker.items()} == {"linear-1": 3, "unknown": 1}
    assert report.unmatched == 0


def test_where_the_record_is_gone_the_event_tells_list_and_place() -> None:
    found = Feedback()
    found.take(event(Kind.IMPRESSION, "a", "gone", list_id="up_sell", position=3))
    found.take(event(Kind.IMPRESSION, "b", "gone", list_id="homepage"))
    report = found.report()
    assert report.by_position["up_sell"][3].shown == 1
    assert (report.by_list["unknown"].shown, report.unmatched) == (1, 1)
    assert report.by_model.keys() == {"unknown"}


def test_an_item_on_both_lists_is_on_the_one_that_an_event_names() -> None:
    found = Feedback()
    found.publish(record("r1", ["a"], ["a"]))
    found.take(event(Kind.IMPRESSION, "a", list_id="up_sell"))
    assert found.report().by_list.keys() == {"up_sell"}


def test_lists_for_the_next_visit_are_counted_apart_with_a_ranker_of_their_own() -> None:
    found, lists = Feedback(), record("r1", ["a"], [])
    visit = NextVisit(tuple(CrossSellItem(item, "A", 1.0, ()) for item in ("a", "b")), (), "fixed-later")
    found.publish(msgspec.structs.replace(lists, ranker="fixed-now", next_visit=visit))
    found.take(event(Kind.IMPRESSION, "a", list_id="next_visit_cross_sell"))
    found.take(event(Kind.CLICK, "b"))  # in no other list, so nobody needs to name this one
    report = found.report()
    assert report.by_list.keys() == {"next_visit_cross_sell"}
    assert {place: out.clicked for place, out in report.by_position["next_visit_cross_sell"].items()} == {1: 0, 2: 1}
    assert report.by_ranker.keys() == {"fixed-later"}


def test_the_for_you_list_is_counted_apart_with_the_model_that_made_it() -> None:
    found = Feedback()
    mine = ForYou(tuple(ForYouItem(item, "A", 1.0, ()) for item in ("x", "a")), "for-you-1")
    found.publish(msgspec.structs.replace(record("r1", ["a"], []), ranker="fixed-now", for_you=mine))
    found.take(event(Kind.IMPRESSION, "a", list_id="for_you"))
    report = found.report()
    assert report.by_list.keys() == {"for_you"}
    assert report.by_position["for_you"].keys() == {2}
    assert report.by_ranker.keys() == {"for-you-1"}


def test_what_the_lot_showed_is_weighed_by_its_propensity() -> None:
    found = Feedback()
    found.publish(record("r1", ["a", "b"], drawn=0.1))
    found.publish(record("r2", ["a", "c"], drawn=0.9))
    found.take(event(Kind.IMPRESSION, "b"))
    found.take(event(Kind.CLICK, "c", "r2"))
    report = found.report()
    assert (report.explored.shown, report.explored.clicked) == (2, 1)
    assert report.explored_ctr == pytest.approx((1 / 0.9) / (1 / 0.1 + 1 / 0.9))


def test_nothing_at_all_is_a_report() -> None:
    report = Feedback().report()
    assert (report.all.shown, report.all.ctr, report.explored_ctr) == (0, None, None)


def test_the_examples_hold() -> None:
    assert doctest.testmod(feedback).failed == 0


def test_the_metric_has_no_unbounded_label() -> None:
    metrics = Metrics()
    for name, place in (("cross_sell", 3), ("up_sell", 999), ("whatever", None), (None, 0)):
        metrics.count_feedback("click", name, place, "r1")
    labels = {
        (sample.labels["list"], sample.labels["position"])
        for family in metrics.registry.collect()
        if family.name == "interest_list_feedback"
        for sample in family.samples
        if sample.name.endswith("_total")
    }
    assert labels == {("cross_sell", "3"), ("up_sell", "other"), ("other", "other")}


class LogTopics:
    """The topics of an in-process pipeline."""

    def __init__(self, shop: SampleShop) -> None:
        self._topics = shop.pipeline.log.topics

    def topic_id(self, topic: str) -> str:
        return topic

    def spans(self, topic: str) -> dict[int, Span]:
        return {p: Span(0, len(log)) for p, log in enumerate(self._topics[topic])}

    def intake_positions(self) -> dict[int, int]:
        return {}

    def records(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        for r in self._topics[topic][partition][start:end]:
            yield Record(topic, partition, r.offset, r.timestamp, r.key, r.value, r.headers)


def send(shop: SampleShop, kind: str, user_id: str, item_id: str, at: int, **fields: object) -> None:
    value = {"event_id": f"{kind}-{item_id}-{at}", "kind": kind, "user_id": user_id, "item_id": item_id}
    event = json.dumps({**value, "occurred_at": at, **fields}).encode()
    shop.pipeline.log.append(shop.settings.topics.interactions, None, event, timestamp=at)


def renew(shop: SampleShop, users: Sequence[str], at: int) -> dict[str, Recommendation]:
    """Have users ranked with what is known now, by an event that says nothing; return their lists."""
    for user_id in users:
        send(shop, "impression", user_id, f"unheard-of-{user_id}", at)
    shop.drain()
    found = shop.published()
    return {user_id: found[user_id] for user_id in users}


@pytest.fixture
def shop(sample_shop: SampleShop) -> Iterator[SampleShop]:
    fork = sample_shop.fork()
    yield fork
    fork.close()


def test_the_report_reads_the_topics(shop: SampleShop) -> None:
    user_id = min(shop.published())
    before = shop.published()[user_id]
    first, second = before.cross_sell[0].item_id, before.up_sell[0].item_id
    for item in (first, second):
        send(shop, "impression", user_id, item, AFTER, recommendation_id=before.recommendation_id)
    send(shop, "click", user_id, second, AFTER + 1, recommendation_id=before.recommendation_id)
    shop.drain()
    report = make_report(shop.settings, LogTopics(shop), AFTER + DAY_MS)
    assert report.lists == len(shop.published())
    assert (report.feedback.all.shown, report.feedback.all.clicked) == (2, 1)
    assert report.feedback.by_position["up_sell"][1].ctr == 1.0
    assert report.feedback.by_model.keys() == {before.model}
    assert report.feedback.by_ranker.keys() == {before.ranker} == {load_weights(GraphSettings()).version}
    shown = report.exposure["cross_sell"]
    assert shown.places == sum(len(r.cross_sell) for r in shop.published().values())
    assert shown.one_category == 0.0
    assert 0.2 < shown.tail < 0.8


def test_the_metric_names_the_model_of_the_lists_that_were_shown(shop: SampleShop) -> None:
    user_id = min(shop.published())
    before = shop.published()[user_id]
    shown = {"recommendation_id": before.recommendation_id, "list_id": "cross_sell"}

    def counted(kind: str, name: str, model: str) -> float | None:
        labels = {"kind": kind, "list": name, "model": model}
        return shop.pipeline.metrics.registry.get_sample_value("interest_model_feedback_total", labels)

    assert counted("click", "cross_sell", before.model) == 0
    for kind in ("impression", "click"):
        send(shop, kind, user_id, before.cross_sell[0].item_id, AFTER, **shown)
    send(shop, "click", user_id, before.cross_sell[0].item_id, AFTER + 1, recommendation_id="0" * 32)
    shop.drain()
    assert counted("impression", "cross_sell", before.model) == counted("click", "cross_sell", before.model) == 1
    assert counted("click", "other", "other") == 1


def test_what_is_shown_and_ignored_sinks_and_comes_back(shop: SampleShop) -> None:
    user_id = min(shop.published())
    before = renew(shop, [user_id], AFTER)[user_id]
    item = before.cross_sell[0]

    def score(record: Recommendation) -> float:
        return next((entry.score for entry in record.cross_sell if entry.item_id == item.item_id), 0.0)

    for time in range(4):
        shown = {"recommendation_id": before.recommendation_id}
        send(shop, "impression", user_id, item.item_id, AFTER + time, **shown)
    shop.drain()
    ignored = shop.published()[user_id]
    assert ignored.cross_sell[0].item_id != item.item_id
    assert score(ignored) <= item.score * 0.8**3.9
    # Twenty half-lives later nobody remembers that.
    assert score(renew(shop, [user_id], AFTER + 40 * DAY_MS)[user_id]) == pytest.approx(item.score, rel=0.05)


def test_an_impression_without_our_id_changes_nothing(shop: SampleShop) -> None:
    user_id = min(shop.published())
    before = renew(shop, [user_id], AFTER)[user_id]
    send(shop, "impression", user_id, before.cross_sell[0].item_id, AFTER)
    shop.drain()
    now = shop.published()[user_id]
    assert now.version > before.version
    assert now.cross_sell == before.cross_sell
    assert all(item.propensity is UNSET for item in now.cross_sell)


def test_exploration_draws_a_place_by_lot_and_logs_its_propensity(sample_shop: SampleShop) -> None:
    lists = []
    users = sorted(sample_shop.published())[:100]
    for exploration in (0.0, 0.5, 0.5):
        shop = sample_shop.fork(graph={"lists": {"exploration": exploration}})
        lists.append(renew(shop, users, AFTER))
        shop.close()
    plain, explored, again = lists
    drawn = 0
    for user_id in users:
        *others, last = explored[user_id].cross_sell
        assert tuple(others) == plain[user_id].cross_sell[:-1]
        assert isinstance(last.propensity, float)
        if last.propensity == 0.5:
            assert last.item_id == plain[user_id].cross_sell[-1].item_id
        else:
            drawn += 1
            assert last.propensity < 0.5 / 20
            assert last.item_id not in {item.item_id for item in others}
        assert again[user_id].cross_sell == explored[user_id].cross_sell  # the same lot for the same event
    assert 30 <= drawn <= 70
