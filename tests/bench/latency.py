"""From the moment an event is handed to the broker until a subscriber has the list that knows of it."""

import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from confluent_kafka import OFFSET_END, Consumer, Producer, TopicPartition

from stream.kafka_config import confluent_config
from stream.settings import Settings


@dataclass
class Subscriber:
    """Reads the recommendations topic from its end and notes when each (user, event time) arrived."""

    settings: Settings
    arrived: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._over = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)

    def start(self) -> None:
        """Return when it reads."""
        self._thread.start()
        if not self._ready.wait(30):
            raise TimeoutError("the subscriber could not start")

    def stop(self) -> None:
        """End the reading."""
        self._over.set()
        self._thread.join(30)

    def _read(self) -> None:
        topic = self.settings.topics.recommendations
        consumer = Consumer({**confluent_config(self.settings), "group.id": "bench", "fetch.wait.max.ms": 10})
        partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
        consumer.assign([TopicPartition(topic, p, OFFSET_END) for p in partitions])
        consumer.poll(2.0)
        self._ready.set()
        while not self._over.is_set():
            for message in consumer.consume(500, timeout=0.02):
                if message.error() is None and message.value():
                    record = json.loads(message.value())
                    event_ms = round(datetime.fromisoformat(record["event_time"]).timestamp() * 1000)
                    self.arrived.setdefault((record["user_id"], event_ms), time.monotonic())
        consumer.close()


def measure(
    settings: Settings, users: Sequence[str], items: Sequence[str], rate: float, seconds: float, seed: int
) -> dict[str, float]:
    """Send views at an even rate, each of another user; return seconds: p50, p95, p99, max, and what never came.

    A user's next event comes len(users)/rate seconds later, so that every event has a list of its own.
    """
    dice = np.random.default_rng(seed)
    subscriber = Subscriber(settings)
    subscriber.start()
    producer = Producer({**confluent_config(settings), "linger.ms": 0, "acks": "all"})
    sent: dict[tuple[str, int], float] = {}
    order = dice.permutation(len(users))
    start = time.monotonic()
    for n in range(int(rate * seconds)):
        wait = start + n / rate - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        user, at = users[order[n % len(users)]], time.time_ns() // 1_000_000
        event = {
            "event_id": f"latency-{seed}-{n}",
            "kind": "view",
            "user_id": user,
            "item_id": items[int(dice.integers(len(items)))],
            "occurred_at": at,
        }
        sent[user, at] = time.monotonic()
        producer.produce(settings.topics.interactions, value=json.dumps(event).encode())
        producer.poll(0)
    producer.flush(30)
    deadline = time.monotonic() + 60
    while sent.keys() - subscriber.arrived.keys() and time.monotonic() < deadline:
        time.sleep(0.1)
    subscriber.stop()
    waits = np.array([subscriber.arrived[key] - at for key, at in sent.items() if key in subscriber.arrived])
    figures = {name: float(np.percentile(waits, q)) for name, q in (("p50", 50), ("p95", 95), ("p99", 99))}
    return {
        **{name: round(value, 4) for name, value in figures.items()},
        "max": round(float(waits.max()), 4),
        "events": len(sent),
        "rate": rate,
        "never_came": len(sent) - len(waits),
    }
