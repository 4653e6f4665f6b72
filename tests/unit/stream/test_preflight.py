import logging
import socket

import pytest

from stream.embedded import EmbeddedBroker
from stream.preflight import Patience, ServerAway, wait_for_topics
from stream.settings import KafkaSettings, Settings, WorkerSettings


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_it_waits_until_the_patience_is_over_and_says_for_what() -> None:
    clock = Clock()
    patience = Patience(2.5, clock)
    for _ in range(3):
        patience.wait("Kafka does not answer", clock.sleep)
    assert clock.slept == [1.0, 1.0, 0.5]
    with pytest.raises(ServerAway, match="Kafka does not answer; gave up after 2 s"):
        patience.wait("Kafka does not answer", clock.sleep)
    assert len(clock.slept) == 3


def test_it_says_so_at_once_and_then_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    patience = Patience(300.0, clock)
    with caplog.at_level(logging.WARNING):
        for _ in range(150):
            patience.wait("topics are missing", clock.sleep)
    said = [record for record in caplog.records if record.message == "waiting"]
    assert len(said) == 3
    assert said[0].__dict__["reason"] == "topics are missing"


def test_without_patience_it_gives_up_at_once() -> None:
    clock = Clock()
    with pytest.raises(ServerAway):
        Patience(0.0, clock).wait("x", clock.sleep)
    assert clock.slept == []


def settings_for(servers: str, patience_seconds: float = 60.0) -> Settings:
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=servers), worker=WorkerSettings(patience_seconds=patience_seconds)
    )


@pytest.fixture
def _quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.preflight._ANSWER_SECONDS", 1.0)  # the embedded broker never tells topic ids


@pytest.mark.usefixtures("_quick_answers")
def test_a_broker_with_all_topics_tells_their_sizes_and_names() -> None:
    with EmbeddedBroker() as broker:
        settings = settings_for(broker.bootstrap_servers)
        broker.create_topics(settings.topics)
        facts = wait_for_topics(settings)
    assert facts.partitions.keys() == {topic.name for topic in settings.topics.table()}
    assert all(count > 0 for count in facts.partitions.values())
    assert facts.ids.keys() == facts.partitions.keys()


def test_missing_topics_are_named_with_the_mend() -> None:
    with EmbeddedBroker() as broker:
        settings = settings_for(broker.bootstrap_servers, patience_seconds=0.01)
        with pytest.raises(ServerAway, match=r"shop\.interactions\.v1.*interestream topics apply"):
            wait_for_topics(settings)


@pytest.mark.usefixtures("_quick_answers")
def test_a_broker_that_is_away_is_named() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, but nobody listens
        servers = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ServerAway, match=f"Kafka at {servers} does not answer"):
            wait_for_topics(settings_for(servers, patience_seconds=0.01))
