"""Sending many messages from a command: paced, idempotent, every delivery counted."""

import math
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from stream.deadletter import Headers
from stream.interrupts import Interrupts
from stream.kafka_config import confluent_config
from stream.settings import Settings
from stream.topics import MAX_MESSAGE_BYTES

_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.1
_LAST_SECONDS = 5.0
"""How long an interrupted command waits for what it has sent: at a broker that is away this would be minutes."""


class ServerAway(Exception):
    """The broker does not answer; start it, or correct ``kafka.bootstrap_servers``."""


class TopicMissing(Exception):
    """The broker has no such topic; ``interestream topics apply`` creates it."""


class Sending(NamedTuple):
    """One message and where it goes."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Figures(msgspec.Struct):
    """What was sent: ``delivered`` + ``failed`` = ``sent``; ``too_large`` were not sent at all.

    When ``interrupted``, whether the rest of ``sent`` arrived is not known.
    """

    sent: int = 0
    delivered: int = 0
    failed: int = 0
    too_large: int = 0
    seconds: float = 0.0
    error: str = ""
    interrupted: bool = False


class Pacer:
    """Says how long to wait so that no more than ``rate`` messages leave per second (None: never wait)."""

    def __init__(self, rate: float | None, now: float) -> None:
        self._rate = rate
        self._started = now

    def wait_seconds(self, sent: int, now: float) -> float:
        """Return the seconds until message number ``sent`` (from 0) is due."""
        return 0.0 if self._rate is None else max(0.0, self._started + sent / self._rate - now)


def make_producer(settings: Settings) -> Producer:
    """Return a producer that neither doubles nor reorders, and partitions as the Java client does."""
    return Producer(
        {
            **confluent_config(settings),
            "enable.idempotence": True,
            "partitioner": "murmur2_random",
            "message.max.bytes": MAX_MESSAGE_BYTES,
            "linger.ms": 5,
            "delivery.timeout.ms": round(settings.worker.patience_seconds * 1000),
        }
    )


def check_topics(producer: Producer, topics: Iterable[str], servers: str) -> None:
    """See that the broker answers and has the topics, without letting it create one by being asked.

    Raises ServerAway or TopicMissing.
    """
    try:
        known = producer.list_topics(timeout=_ANSWER_SECONDS).topics
    except KafkaException as error:
        raise ServerAway(f"no broker answers at {servers} ({error.args[0].str()})") from None
    for topic in topics:
        if topic not in known:
            raise TopicMissing(f"the broker at {servers} has no topic {topic}")


def send_all(producer: Producer, messages: Iterable[Sending], rate: float | None, step: Callable[[], None]) -> Figures:
    """Send messages in order and wait for every delivery; ``step`` is called for each delivered one.

    Stops at the first delivery that fails: what follows would fail the same way. Stops at SIGINT too, then waits some
    seconds, or to the second SIGINT, for what was sent.
    """
    figures = Figures()
    started = time.monotonic()
    pacer = Pacer(rate, started)

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is None:
            figures.delivered += 1
            step()
        else:
            figures.failed += 1
            figures.error = figures.error or error.str()

    with Interrupts() as interrupts:
        try:
            for message in messages:
                while (wait := pacer.wait_seconds(figures.sent, time.monotonic())) > 0:
                    interrupts.hold(producer.poll, min(wait, _POLL_SECONDS))
                if figures.failed:
                    break
                _produce(producer, message, figures, delivered, interrupts)
        except KeyboardInterrupt:
            figures.interrupted = True
        finally:  # where reading on fails, what was read is still delivered
            _deliver_rest(producer, figures, interrupts)
    figures.seconds = round(time.monotonic() - started, 3)
    return figures


def _deliver_rest(producer: Producer, figures: Figures, interrupts: Interrupts) -> None:
    until = time.monotonic() + _LAST_SECONDS if figures.interrupted else math.inf
    while time.monotonic() < until:
        try:
            if not interrupts.hold(producer.flush, _POLL_SECONDS):
                return
        except KeyboardInterrupt:
            if figures.interrupted:
                return
            figures.interrupted = True
            until = time.monotonic() + _LAST_SECONDS


def _produce(
    producer: Producer,
    message: Sending,
    figures: Figures,
    delivered: Callable[[KafkaError | None, Message], None],
    interrupts: Interrupts,
) -> None:
    while not figures.failed:
        try:
            producer.produce(
                message.topic, message.value, message.key, headers=list(message.headers), on_delivery=delivered
            )
        except BufferError:
            interrupts.hold(producer.poll, _POLL_SECONDS)
            continue
        except KafkaException as error:
            if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE:
                figures.failed += 1
                figures.sent += 1
                figures.error = error.args[0].str()
            else:
                figures.too_large += 1
            return
        figures.sent += 1
        interrupts.hold(producer.poll, 0)
        return
