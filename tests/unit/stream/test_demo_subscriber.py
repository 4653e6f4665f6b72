import pytest
from aiokafka import ConsumerRecord

from graph.model import Interaction, Kind
from stream.bundles import FORMAT, Bundle, Entry
from stream.bundles import encode as encode_bundle
from stream.demo.subscriber import Latencies, Subscriber
from stream.preflight import TopicFacts
from stream.recommendations import Position, Recommendation, encode
from stream.settings import Settings

START = 1_795_000_000_000


class Clock:
    now = START

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def subscriber(clock: Clock) -> Subscriber:
    settings = Settings()
    names = {topic.name: 4 for topic in settings.topics.table()}
    return Subscriber(settings, TopicFacts(names, {}), clock)


def record(topic: str, partition: int, offset: int, key: bytes | None, value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord(topic, partition, offset, START, 0, key, value, None, 0, 0, ())


def bundle(partition: int, offset: int, *produced: tuple[str, int]) -> ConsumerRecord:
    entries = tuple(
        Entry(0, number, 0, at, Interaction(f"{offset}-{number}", Kind.VIEW, user, "i", START))
        for number, (user, at) in enumerate(produced)
    )
    return record("bundles", partition, offset, None, encode_bundle(Bundle(FORMAT, ("s/0",), entries)))


def lists(user: str, version: int, partition: int, offset: int) -> ConsumerRecord:
    moment = "2026-01-01T00:00:00.000Z"
    value = Recommendation(user, version, moment, moment, Position("b", partition, offset), "m", "r", (), ())
    return record("lists", 0, version, user.encode(), encode(value))


def test_an_event_is_as_old_as_its_record_when_its_first_list_arrives(subscriber: Subscriber, clock: Clock) -> None:
    subscriber.take_bundles([bundle(2, 0, ("u", START), ("v", START + 100)), bundle(2, 1, ("u", START + 400))])
    clock.now = START + 500
    subscriber.take_lists([lists("u", 1, 2, 0)])
    assert subscriber.latencies.percentiles()["max"] == 0.5
    assert len(subscriber.latencies) == 1
    clock.now = START + 1400
    subscriber.take_lists([lists("u", 2, 2, 1)])
    assert subscriber.latencies.percentiles()["max"] == 1.0
    assert len(subscriber.latencies) == 2


def test_a_list_that_overtakes_its_bundle_is_settled_with_its_own_arrival(subscriber: Subscriber, clock: Clock) -> None:
    clock.now = START + 250
    subscriber.take_lists([lists("u", 1, 0, 0)])
    assert len(subscriber.latencies) == 0
    clock.now = START + 9_000
    subscriber.take_bundles([bundle(0, 0, ("u", START))])
    assert subscriber.latencies.percentiles()["max"] == 0.25


def test_a_second_list_for_the_same_events_counts_none(subscriber: Subscriber, clock: Clock) -> None:
    subscriber.take_bundles([bundle(0, 0, ("u", START))])
    subscriber.take_lists([lists("u", 1, 0, 0), lists("u", 2, 0, 0)])
    assert len(subscriber.latencies) == 1
    assert subscriber.received == 2


def test_the_highest_version_is_kept_whatever_the_order(subscriber: Subscriber) -> None:
    subscriber.take_bundles([bundle(0, 0, ("u", START))])
    subscriber.take_lists([lists("u", 7, 0, 0), lists("u", 3, 0, 0)])
    assert subscriber.lists["u"].version == 7


def test_an_empty_value_means_that_the_user_is_gone(subscriber: Subscriber) -> None:
    subscriber.take_bundles([bundle(0, 0, ("u", START))])
    subscriber.take_lists([lists("u", 7, 0, 0), record("lists", 0, 8, b"u", None)])
    assert subscriber.lists == {}


def test_percentiles_are_exact() -> None:
    latencies = Latencies()
    assert latencies.percentiles() == {}
    for hundredths in range(101):
        latencies.add(hundredths / 100)
    assert latencies.percentiles() == {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
