"""Real workers as processes, and waiting for what they do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition

from stream.kafka_config import confluent_config
from stream.settings import Settings


def environment(settings: Settings, **more: str) -> dict[str, str]:
    """Return the environment in which a command has these settings (servers, topics, short timeouts)."""
    variables = {
        "INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "INTERESTREAM_KAFKA__SESSION_TIMEOUT_SECONDS": str(settings.kafka.session_timeout_seconds),
        "INTERESTREAM_KAFKA__GROUP_PREFIX": settings.kafka.group_prefix,
        "INTERESTREAM_NEO4J__URI": settings.neo4j.uri,
        "INTERESTREAM_NEO4J__USER": settings.neo4j.user,
        "INTERESTREAM_NEO4J__PASSWORD": settings.neo4j.password.get_secret_value(),
        "INTERESTREAM_ENCODER__TEXT": settings.encoder.text.value,
        "INTERESTREAM_METRICS__PORT": "0",
        "INTERESTREAM_LOG__FORMAT": "json",
    }
    topics = settings.topics.model_dump()
    variables |= {f"INTERESTREAM_TOPICS__{name.upper()}": str(value) for name, value in topics.items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INTERESTREAM_")}
    return {**clean, **variables, **more}


class Worker:
    """One `interestream worker` process; its log lines go to a file."""

    def __init__(self, settings: Settings, log: Path, roles: Iterable[str] = (), **variables: str) -> None:
        self.log = log
        arguments = [option for role in roles for option in ("--role", role)]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stream", "worker", *arguments],
                env=environment(settings, **variables),
                stdout=file,
                stderr=file,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def terminate(self, seconds: float = 90) -> int:
        """Stop it as an operator would; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """Kill it without a word."""
        self.process.kill()
        self.process.wait()

    def tail(self, lines: int = 30) -> str:
        """Return the end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def kill_all(workers: Iterable[Worker]) -> None:
    """Let nobody outlive a test."""
    for worker in workers:
        if worker.process.poll() is None:
            worker.kill()


def wait_until(condition: Callable[[], bool], seconds: float, what: str, workers: Iterable[Worker] = ()) -> None:
    """Return as soon as a condition holds; fail with the workers' last words when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        tails = "\n".join(worker.tail() for worker in workers)
        assert time.monotonic() < deadline, f"not in {seconds:.0f} s: {what}\n{tails}"
        time.sleep(0.2)  # between two questions to a real server


def end_offsets(settings: Settings, topic: str) -> dict[int, int]:
    """Return the next offset of every partition of a topic; waits for the leaders of one that was just made."""
    consumer = Consumer({**confluent_config(settings), "group.id": "test-ends"})
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
                places = [TopicPartition(topic, p) for p in partitions]
                return {tp.partition: consumer.get_watermark_offsets(tp, timeout=20)[1] for tp in places}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
    finally:
        consumer.close()


def committed_offsets(settings: Settings, topic: str, role: str) -> dict[int, int]:
    """Return what a role's group has committed; 0 where nothing yet. Waits for a coordinator that is just starting."""
    group = f"{settings.kafka.group_prefix}-{role}"
    consumer = Consumer({**confluent_config(settings), "group.id": group})
    deadline = time.monotonic() + 30
    try:
        while True:
            try:
                partitions = consumer.list_topics(topic, timeout=20).topics[topic].partitions
                found = consumer.committed([TopicPartition(topic, p) for p in partitions], timeout=20)
                return {tp.partition: max(tp.offset, 0) for tp in found}
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
    finally:
        consumer.close()


def read_all(settings: Settings, topic: str) -> list[tuple[bytes | None, bytes | None, Mapping[str, bytes], int]]:
    """Return (key, value, headers, partition) of every record that is in the topic now."""
    consumer = Consumer(
        {**confluent_config(settings), "group.id": "test-read", "enable.partition.eof": False, "fetch.wait.max.ms": 50}
    )
    ends = end_offsets(settings, topic)
    positions = {p: 0 for p in ends}
    consumer.assign([TopicPartition(topic, p, 0) for p in ends])
    records: list[tuple[bytes | None, bytes | None, Mapping[str, bytes], int]] = []
    deadline = time.monotonic() + 60
    try:
        while any(positions[p] < end for p, end in ends.items()):
            assert time.monotonic() < deadline, f"could not read {topic} to its end"
            for message in consumer.consume(500, timeout=0.2):
                assert message.error() is None, message.error()
                headers = {name: value for name, value in message.headers() or []}
                records.append((message.key(), message.value(), headers, message.partition()))
                positions[message.partition()] = message.offset() + 1
            # Compaction and control records leave holes before the end.
            for position in consumer.position([TopicPartition(topic, p) for p in ends]):
                if position.offset not in (-1001, OFFSET_END):
                    positions[position.partition] = max(positions[position.partition], position.offset)
    finally:
        consumer.close()
    return records
