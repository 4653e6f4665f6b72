"""What a storm is fed: a log with duplicates, early refunds and bad input, and a late catalogue."""

import random
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, Producer
from confluent_kafka import Message as Delivered

from stream.kafka_config import confluent_config
from stream.settings import Settings
from tests.faults.controls.events import decode
from tests.integration.shop import Message, Shop

_CATALOGUE_FROM, _CATALOGUE_TO = 0.15, 0.3
"""The shares of the log between which the catalogue arrives; afterwards single rows come again, unchanged."""


def users_in(message: Message) -> set[str]:
    """Return whom a message is about, read without the product; nobody where it is malformed."""
    if message.malformed is not None or message.value is None:
        return set()
    return {event["user_id"] for event in decode(message.value)}


@dataclass
class Feed:
    """Produces a shop's log little by little, and remembers where every message ended up."""

    settings: Settings
    shop: Shop
    seed: int
    places: dict[tuple[int, int], Message] = field(default_factory=dict)
    """(partition, offset) -> message, for all that was delivered to the interactions topic."""
    silenced: set[str] = field(default_factory=set)
    """Users who send nothing more."""

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._partitions = self.settings.topics.partitions
        self._rows = list(self.shop.catalogue())
        self._sent = self._sent_rows = 0
        self._next = dict.fromkeys(range(self._partitions), 0)
        self.connect()

    def connect(self) -> None:
        """Take a new producer: one that knew a topic under a former id does not find it again."""
        # Idempotent, so that every duplicate is one that we chose; a broker may be away for minutes.
        self._producer = Producer(
            {
                **confluent_config(self.settings),
                "enable.idempotence": True,
                "linger.ms": 5,
                "message.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 0,
            }
        )

    @property
    def share(self) -> float:
        """How much of the log was produced."""
        return self._sent / len(self.shop.messages)

    def advance(self, share: float) -> None:
        """Produce the log up to ``share`` (0 to 1), and of the catalogue what is due by then."""
        self._rows_until(share)
        wanted = int(min(share, 1.0) * len(self.shop.messages))
        for message in self.shop.messages[self._sent : wanted]:
            if not self.silenced or self.silenced.isdisjoint(users_in(message)):
                self._produce(message)
        self._sent = max(self._sent, wanted)
        self._producer.poll(0)

    def finish(self, seconds: float = 120) -> None:
        """Produce the rest and wait until the broker has all of it."""
        self.advance(1.0)
        self.flush(seconds)

    def flush(self, seconds: float = 120) -> None:
        """Wait until the broker has everything that was produced."""
        left = self._producer.flush(seconds)
        assert left == 0, f"{left} messages were not delivered within {seconds} s"

    def produce_row(self, key: bytes, value: bytes) -> None:
        """Produce one more catalogue row."""
        self._producer.produce(self.settings.topics.catalogue, key=key, value=value)

    def _rows_until(self, share: float) -> None:
        done = (share - _CATALOGUE_FROM) / (_CATALOGUE_TO - _CATALOGUE_FROM)
        wanted = int(min(max(done, 0.0), 1.0) * len(self._rows))
        rows = self._rows[self._sent_rows : wanted]
        if share > _CATALOGUE_TO and self._dice.random() < 0.2:
            rows = [*rows, self._dice.choice(self._rows)]
        for key, value in rows:
            self.produce_row(key, value)
        self._sent_rows = max(self._sent_rows, wanted)

    def _produce(self, message: Message) -> None:
        def on_delivery(error: KafkaError | None, record: Delivered) -> None:
            assert error is None, error
            partition, offset = record.partition(), record.offset()
            assert partition is not None
            if offset is None:  # the broker only said that it has it from an earlier try; the order is kept
                offset = self._next[partition]
            self._next[partition] = offset + 1
            self.places[partition, offset] = message

        topic = self.settings.topics.interactions
        partition = self._dice.randrange(self._partitions)
        self._producer.produce(
            topic, key=message.key, value=message.value, partition=partition, on_delivery=on_delivery
        )
