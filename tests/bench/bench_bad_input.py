"""What bad input costs: a log whose half is bad against a clean one, drained by one worker on real servers.

    python -m tests.bench.bench_bad_input --messages 20000 --rounds 2

Both logs have the same number of messages and are there before the worker starts. They take turns, clean and mixed,
mixed and clean, in one process on the same servers, so that both meet the same machine. The time runs from the begin of
intake's first batch to the end of the last batch of intake or interest, by the worker's own log; a run counts only if
every good event was applied and every bad one is a dead letter. Prints one line per run and a JSON object last.
"""

import argparse
import json
import random
import statistics
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from stream.servers.kafka import KafkaServer
from stream.servers.neo4j import Neo4jServer
from stream.settings import Settings
from tests.bad_input import Letter, event, letters
from tests.bench.servers import fresh_topics, servers
from tests.integration.deliveries import produce_placed
from tests.integration.shop import Message
from tests.integration.workers import Worker, end_offsets, wait_until

PARTITIONS = 4
USERS = 2_000


def good(dice: random.Random, run: int) -> Message:
    """Return a good event of one of this run's users."""
    now = time.time_ns() // 1_000_000
    user = f"r{run}-u{int(dice.random() ** 2 * USERS)}"
    body = event(
        dice, user_id=user, occurred_at=now - dice.randrange(86_400_000), category=f"Shelf {dice.randrange(40)}"
    )
    return Message(None, json.dumps(body).encode())


def log_of(count: int, bad_share: float, run: int) -> list[Message | Letter]:
    """Return ``count`` messages in random order, ``bad_share`` of them bad, of every class; none of them huge."""
    dice = random.Random(run)
    bad = [letter for letter in letters(run, int(count * bad_share * 1.02)) if len(letter.value or b"") < 10_000]
    bad = bad[: int(count * bad_share)]
    messages: list[Message | Letter] = [*bad, *(good(dice, run) for _ in range(count - len(bad)))]
    dice.shuffle(messages)
    return messages


def batches_of(log: Path) -> list[dict[str, Any]]:
    """Return the log's lines about batches of intake and interest."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [line for line in lines if line["event"] == "batch" and line["role"] in ("intake", "interest")]


def drain(settings: Settings, folder: Path, messages: list[Message | Letter], run: int) -> dict[str, float]:
    """Produce a log, let a worker drain it, and return what it took."""
    produce_placed(settings, messages, run)
    bad = sum(isinstance(message, Letter) for message in messages)
    with Worker(settings, folder / f"worker-{run}.log") as worker:

        def applied() -> int:
            return sum(batch.get("applied", 0) for batch in batches_of(worker.log))

        wait_until(lambda: applied() >= len(messages) - bad, 600, "everything applied", [worker])
        worker.terminate()
        batches = batches_of(worker.log)
    dead = sum(end_offsets(settings, settings.topics.dead_letters).values())
    if (applied_in_all := sum(b.get("applied", 0) for b in batches)) != len(messages) - bad or dead != bad:
        raise SystemExit(f"the run does not count: {applied_in_all} applied, {dead} dead letters")
    ends = [datetime.fromisoformat(batch["timestamp"]).timestamp() for batch in batches]
    began = min(end - batch["seconds"] for end, batch in zip(ends, batches, strict=True))
    seconds = max(ends) - began
    return {"seconds": round(seconds, 2), "messages_per_second": len(messages) / seconds, "bad": bad}


def measure(kafka: KafkaServer, neo4j: Neo4jServer, folder: Path, count: int, rounds: int) -> dict[str, object]:
    """Run both logs by turns."""
    shares = {"clean": 0.0, "half bad": 0.5}
    found: dict[str, list[float]] = {name: [] for name in shares}
    order = [name for n in range(rounds) for name in (list(shares) if n % 2 == 0 else list(shares)[::-1])]
    for run, name in enumerate(order):
        with fresh_topics(kafka, neo4j, PARTITIONS) as settings:
            result = drain(settings, folder, log_of(count, shares[name], run), run)
        found[name].append(result["messages_per_second"])
        print(f"{name:9} {result['seconds']:8.2f} s {result['messages_per_second']:8.0f} messages/s")  # noqa: T201
    clean, mixed = (statistics.median(found[name]) for name in shares)
    return {
        "messages": count,
        "clean_messages_per_second": round(clean, 1),
        "mixed_messages_per_second": round(mixed, 1),
        "mixed_good_per_second": round(mixed / 2, 1),
        "ratio": round(mixed / clean, 3),
        "runs": {name: [round(figure, 1) for figure in figures] for name, figures in found.items()},
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=2)
    arguments = parser.parse_args()
    with servers() as (kafka, neo4j, folder):
        result = measure(kafka, neo4j, folder, arguments.messages, arguments.rounds)
    print(json.dumps({"bad_input": result}))  # noqa: T201


if __name__ == "__main__":
    main()
