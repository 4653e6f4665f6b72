"""What one user with a fifth of the traffic costs the others: how late their lists are, with and without that user.

    python -m tests.bench.bench_hot_user --rate 100 --seconds 40 --rounds 2

Open loop: events leave by a fixed schedule, whatever the worker does. An event's latency runs from the moment at which
it was to be sent to the timestamp of the first list that counts it. Phases take turns, even and hot, hot and even, with
one worker each, on the same servers. In the hot phase every fifth event is one user's, and the others' events are as
many as before. A phase before all others warms up the servers and is left out, as are each phase's first seconds. The
generator's own lateness is told, and a phase in which it was more than 100 ms late (99th percentile) is void.
Prints one line per phase and a JSON object last.
"""

import argparse
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from stream.kafka_config import confluent_config
from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.settings import Settings
from tests.bench.servers import fresh_topics, servers
from tests.integration.workers import Worker, end_offsets, wait_until

PARTITIONS = 4
USERS = 500
WARM_UP_SECONDS = 8.0
MOST_GENERATOR_LATENESS_MS = 100.0


class Sent(NamedTuple):
    """One event: whose it is, when it was to be sent, and by how much it was late (ms)."""

    user: str
    due: int
    late: float


def schedule(rate: float, seconds: float, hot: bool, phase: int) -> list[tuple[float, str]]:
    """Return (seconds from the start, user): the others' events come ``rate`` times a second in both phases."""
    dice = random.Random(phase)
    events = [(n / rate, f"p{phase}-u{dice.randrange(USERS)}") for n in range(int(rate * seconds))]
    if hot:
        extra = rate / 4  # a fifth of all
        events += [(n / extra, f"p{phase}-hot") for n in range(int(extra * seconds))]
    return sorted(events)


def send(settings: Settings, events: Sequence[tuple[float, str]]) -> list[Sent]:
    """Send by the schedule; an event's time is the moment at which it was due."""
    dice = random.Random(1)
    producer = Producer({**confluent_config(settings), "linger.ms": 1})
    sent: list[Sent] = []
    start = time.monotonic() + 0.5
    wall = time.time() + 0.5
    for n, (at, user) in enumerate(events):
        while (wait := start + at - time.monotonic()) > 0:
            producer.poll(min(wait, 0.005))
        due = round((wall + at) * 1000)
        body = {"event_id": f"{user}-{n}", "kind": "view", "user_id": user, "item_id": f"item-{dice.randrange(200)}"}
        value = json.dumps({**body, "occurred_at": due, "category": f"Shelf {dice.randrange(20)}"}).encode()
        producer.produce(settings.topics.interactions, value, partition=n % PARTITIONS)
        sent.append(Sent(user, due, max(0.0, time.time() * 1000 - due)))
    producer.flush(60)
    return sent


def lists_of(settings: Settings) -> dict[str, list[tuple[int, int]]]:
    """Return user -> (event time, record's timestamp) of every list, in order of publication; both in ms."""
    topic = settings.topics.recommendations
    ends = end_offsets(settings, topic)
    consumer = Consumer({**confluent_config(settings), "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in ends])
    found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    left = sum(ends.values())
    while left > 0:  # more may come while we read
        for message in consumer.consume(500, timeout=5):
            record = json.loads(message.value() or b"{}")
            event_time = datetime.fromisoformat(record["event_time"])
            found[record["user_id"]].append((round(event_time.timestamp() * 1000), message.timestamp()[1]))
            left -= 1
    consumer.close()
    return found


def latencies(sent: Sequence[Sent], lists: dict[str, list[tuple[int, int]]], since: int) -> list[float]:
    """Return the seconds from due to listed, of the others' events that were due after ``since`` (ms)."""
    found = []
    for event in sent:
        if event.due < since or event.user.endswith("-hot"):
            continue
        listed = next(at for event_time, at in lists[event.user] if event_time >= event.due)
        found.append((listed - event.due) / 1000)
    return found


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def run_phase(settings: Settings, folder: Path, rate: float, seconds: float, hot: bool, phase: int) -> dict[str, float]:
    """Run a worker for one phase and return percentiles in seconds."""
    with Worker(settings, folder / f"worker-{phase}.log") as worker:
        first = [(0.0, f"p{phase}-first")]
        send(settings, first)
        lists = settings.topics.recommendations
        wait_until(lambda: sum(end_offsets(settings, lists).values()) > 0, 180, "the first list", [worker])
        sent = send(settings, schedule(rate, seconds, hot, phase))
        last = {event.user: event.due for event in sent}

        def through() -> bool:
            found = lists_of(settings)
            return all(user in found and found[user][-1][0] >= due for user, due in last.items())

        wait_until(through, 120, "every list", [worker])
        listed = lists_of(settings)
        worker.terminate()
    since = sent[0].due + round(WARM_UP_SECONDS * 1000)
    values = latencies(sent, listed, since)
    lateness = percentile([event.late for event in sent if event.due >= since], 0.99)
    figures = {name: percentile(values, share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    return {**figures, "events": len(values), "generator_late_ms_p99": lateness}


def measure(
    kafka: KafkaServer, neo4j: Neo4jServer, folder: Path, rate: float, seconds: float, rounds: int
) -> dict[str, object]:
    """Run both kinds of phases by turns."""
    found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
    order = [hot for n in range(rounds) for hot in ((False, True) if n % 2 == 0 else (True, False))]
    with fresh_topics(kafka, neo4j, PARTITIONS) as settings:  # Neo4j's first half minute is its compilers'
        run_phase(settings, folder, rate, seconds, hot=False, phase=len(order))
    void = 0
    for phase, hot in enumerate(order):
        with fresh_topics(kafka, neo4j, PARTITIONS) as settings:
            figures = run_phase(settings, folder, rate, seconds, hot, phase)
        is_void = figures["generator_late_ms_p99"] > MOST_GENERATOR_LATENESS_MS
        void += is_void
        if not is_void:
            found[hot].append(figures)
        name = "hot " if hot else "even"
        texts = (f"{key} {value:.3f}" for key, value in figures.items())
        print(f"{name} {' '.join(texts)}{' VOID' if is_void else ''}", flush=True)  # noqa: T201
    result: dict[str, object] = {"others_per_second": rate, "void_phases": void}
    for share in ("p50", "p90", "p99"):
        if not found[False] or not found[True]:
            continue
        even, hot_ = (statistics.median(figures[share] for figures in found[kind]) for kind in (False, True))
        result[share] = {"even": round(even, 3), "hot": round(hot_, 3), "ratio": round(hot_ / even, 2)}
    return result


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100.0, help="events of the others per second")
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with servers() as (kafka, neo4j, folder):
        result = measure(kafka, neo4j, folder, arguments.rate, arguments.seconds, arguments.rounds)
    print(json.dumps({"hot_user": result}))  # noqa: T201


if __name__ == "__main__":
    main()
