"""Finding the message that could not be applied: it, or the certainty that it is gone, and no guess in between."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError

from stream import originals
from stream.deadletter import parse_dead_letter
from stream.originals import KafkaOriginals
from stream.publisher import BrokerUnavailable
from stream.settings import Settings

TOPIC = Settings().topics.interactions
PLACE = TopicPartition(TOPIC, 3)


def record(offset: int) -> ConsumerRecord:
    return ConsumerRecord(TOPIC, 3, offset, 5, 0, b"key", b"value", None, 3, 5, (("traceparent", b"00"),))


class Scripted:
    """A consumer that answers as it is told, and must be stopped."""

    answers: Sequence[Any] = ()
    running = 0

    def __init__(self, **_: Any) -> None:
        self._answers = iter(self.answers)

    async def start(self) -> None:
        Scripted.running += 1

    async def stop(self) -> None:
        Scripted.running -= 1

    def assign(self, places: Sequence[TopicPartition]) -> None:
        assert places == [PLACE]

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert (place, offset) == (PLACE, 42)

    async def getmany(self, *_: Any, **__: Any) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
        answer: Any = next(self._answers, {})
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


async def find(monkeypatch: pytest.MonkeyPatch, *answers: Any, patience: float = 60.0) -> Any:
    monkeypatch.setattr(originals, "AIOKafkaConsumer", Scripted)
    monkeypatch.setattr(Scripted, "answers", answers)
    worker: Any = {"patience_seconds": patience}
    try:
        return await KafkaOriginals(Settings(worker=worker))("topic-id/3", 42, ZeroDivisionError("secret"))
    finally:
        assert Scripted.running == 0


async def test_the_letter_is_the_message_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    letter = await find(monkeypatch, {}, {}, {PLACE: [record(42)]})
    assert (letter.key, letter.value, letter.headers[0]) == (b"key", b"value", ("traceparent", b"00"))
    parsed = parse_dead_letter(letter.headers)
    assert (parsed.topic, parsed.partition, parsed.offset, parsed.stage) == (TOPIC, 3, 42, "apply")
    assert "secret" not in parsed.message


@pytest.mark.parametrize("answer", [OffsetOutOfRangeError(), {PLACE: [record(43)]}], ids=["retention", "compaction"])
async def test_a_message_that_is_gone_leaves_its_place(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    letter = await find(monkeypatch, answer)
    assert letter.value is None
    assert parse_dead_letter(letter.headers).offset == 42


async def test_a_broker_that_is_away_has_not_lost_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaConnectionError):
        await find(monkeypatch, {}, KafkaConnectionError("gone"))
    with pytest.raises(BrokerUnavailable):
        await find(monkeypatch, {}, patience=1e-9)
