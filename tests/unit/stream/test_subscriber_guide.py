"""The subscriber of the guide runs, keeps the highest version, and forgets who is gone."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer

from stream.popular import decode_popular
from stream.recommendations import CrossSellItem, Position, Reason, Recommendation, decode, encode, rfc3339

GUIDES = Path(__file__).parents[3] / "docs" / "guides"
TOPIC = "shop.recommendations.v1"


def lists(version: int, item_id: str) -> bytes:
    because = (Reason("BOUGHT_NEXT", 0.4, ("u1", "A", "B", item_id)),)
    return encode(
        Recommendation(
            user_id="u1",
            version=version,
            event_time=rfc3339(version),
            generated_at=rfc3339(version),
            position=Position("t", 0, version),
            model="m",
            recommendation_id="r",
            cross_sell=(CrossSellItem(item_id, "B", 0.5, because),),
            up_sell=(),
        )
    )


@pytest.fixture
def broker() -> Iterator[tuple[str, Producer]]:
    cluster = Producer({"test.mock.num.brokers": 1, "log_level": 0})
    (node,) = cluster.list_topics(timeout=10).brokers.values()
    address = f"{node.host}:{node.port}"
    producer = Producer({"bootstrap.servers": address, "log_level": 0})
    producer.list_topics(TOPIC, timeout=10)  # this broker creates what it is asked for
    yield address, producer
    producer.flush(1)


@pytest.mark.timeout(60)
def test_the_subscriber_runs(broker: tuple[str, Producer]) -> None:
    address, producer = broker
    for value in (lists(5, "five"), lists(4, "stale"), lists(5, "again"), None, lists(3, "back"), lists(6, "six")):
        producer.produce(TOPIC, value, b"u1")
    assert producer.flush(10) == 0
    command = [sys.executable, str(GUIDES / "subscriber.py"), address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as subscriber:
        try:
            assert subscriber.stdout is not None
            printed = [subscriber.stdout.readline() for _ in range(3)]
        finally:
            subscriber.terminate()
    assert [re.findall(r"'(\w+)': \['BOUGHT_NEXT'\]", line) for line in printed] == [["five"], ["back"], ["six"]]


def test_the_example_of_the_guide_is_the_contract() -> None:
    example, popular = re.findall(r"```json\n(.*?)```", (GUIDES / "subscribers.md").read_text(), re.DOTALL)
    assert json.loads(encode(decode(example.encode()))) == json.loads(example)
    assert json.loads(msgspec.json.encode(decode_popular(popular.encode()))) == json.loads(popular)
