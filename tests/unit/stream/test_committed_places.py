"""Which committed offsets the checker takes for those of the topic that is there."""

from typing import cast

import pytest
from confluent_kafka import TopicPartition

from stream.checking.kafka_topics import _counts

ID = "vUcbXV5KTQq6Hc5oyGTIRw"


class Overread:
    """What librdkafka's binding does with a note that has no end, when what follows in its memory is no text."""

    def __init__(self, noted: bytes) -> None:
        self._noted = noted

    @property
    def metadata(self) -> str:
        return self._noted.decode()


@pytest.mark.parametrize(
    ("noted", "counts"),
    [
        (b"", True),
        (ID.encode(), True),
        (ID.encode() + b"\x01k", True),
        (ID.encode() + b"\xff\x00", True),
        (b"AAAAAAAAAAAAAAAAAAAAAA", False),
        (b"AAAAAAAAAAAAAAAAAAAAAA\xff", False),
    ],
)
def test_only_notes_of_this_topic_count(noted: bytes, counts: bool) -> None:
    assert _counts(cast(TopicPartition, Overread(noted)), ID) is counts


def test_a_place_without_a_note_counts() -> None:
    assert _counts(TopicPartition("events", 0, 7), ID)
