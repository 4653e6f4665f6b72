"""The clients of confluent-kafka while no broker answers."""

import logging
from collections.abc import Callable

import pytest
from confluent_kafka import KafkaException

from stream import admin, deadletter_reader, published, sender
from stream.checking import kafka_topics
from stream.settings import KafkaSettings, Settings

AWAY = Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"))


def list_topics_as_admin(settings: Settings) -> None:
    admin.admin_client(settings).list_topics(timeout=0.5)


def check_topics_as_sender(settings: Settings) -> None:
    sender.check_topics(sender.make_producer(settings), ["t"], "nowhere")


def read_as_checker(settings: Settings) -> None:
    topics = kafka_topics.KafkaTopics(settings)
    try:
        topics.spans("t")
    finally:
        topics.close()


def read_dead_letters(settings: Settings) -> None:
    next(deadletter_reader.read_to_current_end(settings, "t"))


def read_lists(settings: Settings) -> None:
    published.read_published(settings, "u")


@pytest.mark.parametrize(
    "ask", [list_topics_as_admin, check_topics_as_sender, read_as_checker, read_dead_letters, read_lists]
)
def test_a_broker_that_is_away_is_told_by_the_error_alone(
    ask: Callable[[Settings], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for module in (sender, kafka_topics, deadletter_reader, published):
        monkeypatch.setattr(module, "_ANSWER_SECONDS", 0.5)
    caplog.set_level(logging.DEBUG)
    with pytest.raises((KafkaException, sender.ServerAway), match="transport failure"):
        ask(AWAY)
    assert capfd.readouterr().err == ""
    assert caplog.records == []
