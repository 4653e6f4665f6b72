"""A batch that takes longer than every timeout: alone it loses nothing, and who is thrown out for it notices."""

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from graph.store import GraphStore
from stream.kafka_config import confluent_config
from stream.settings import FAILPOINTS_VARIABLE, Settings
from tests.integration.deliveries import produce_placed
from tests.integration.shop import answers, make_shop
from tests.integration.test_end_to_end import all_users, check_users, drain, produce_catalogue, workers
from tests.integration.workers import Worker, end_offsets, wait_until

__all__ = ["workers"]  # a fixture

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(900)]

LONG_PAUSE_SECONDS = 60
"""Longer than a worker that has loaded everything takes to join, on a busy machine."""
PAUSE_SECONDS = 25
"""Of one batch, in its transaction: four times the session timeout."""
TIMEOUTS = {
    "INTERESTREAM_KAFKA__REBALANCE_TIMEOUT_SECONDS": "8",
    "INTERESTREAM_NEO4J__TRANSACTION_TIMEOUT_SECONDS": "200",
}


def slow(seconds: float) -> dict[str, str]:
    return {**TIMEOUTS, FAILPOINTS_VARIABLE: f"mid_transaction=pause:{seconds}"}


def lines(worker: Worker) -> Counter[tuple[str, str]]:
    parsed = [json.loads(line) for line in worker.log.read_text().splitlines()]
    return Counter((line["event"], str(line.get("role", ""))) for line in parsed)


def members(settings: Settings) -> set[str]:
    """Return who has partitions in interest's group, by member id; nobody while it is rebalancing."""
    group = f"{settings.kafka.group_prefix}-interest"
    admin = AdminClient(confluent_config(settings))  # held: who is let go drops what was asked
    found = admin.describe_consumer_groups([group], request_timeout=20)[group].result(timeout=30)
    if found.state is not ConsumerGroupState.STABLE:
        return set()
    return {member.member_id for member in found.members if member.assignment.topic_partitions}


def slow_and_rest(settings: Settings, folder: Path, seconds: float) -> list[Worker]:
    """Start a worker whose first batch of bundles takes so long, and one with the other roles."""
    rest = ("intake", "association", "catalogue")
    started = [
        Worker(settings, folder / "slow.log", ["interest"], **slow(seconds)),
        Worker(settings, folder / "rest.log", rest, **TIMEOUTS),
    ]
    wait_until(
        lambda: lines(started[0])["claimed", "interest"] > 0 and all(lines(started[1])["claimed", r] for r in rest),
        120,
        "partitions",
        started,
    )
    return started


async def test_a_long_batch_alone_keeps_its_partitions(
    settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path
) -> None:
    shop = make_shop(seed=91, events=300, users=15, now=time.time_ns() // 1_000_000)
    workers.extend(slow_and_rest(settings, tmp_path, PAUSE_SECONDS))
    started = time.monotonic()
    produce_placed(settings, shop.messages, 1)
    produce_catalogue(settings, shop)
    await drain(settings, store, workers)
    assert time.monotonic() - started > PAUSE_SECONDS, "the batch was not slow at all"
    check_users(await all_users(store), answers(shop))
    said = lines(workers[0])
    assert said["claimed", "interest"] == 1, "it was thrown out, or left"
    assert not said["crashed", ""]


async def test_a_worker_that_was_thrown_out_notices(
    settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path
) -> None:
    """Another worker joins meanwhile: the group waits for the rebalance timeout and goes on without the slow one."""
    shop = make_shop(seed=92, events=300, users=15, now=time.time_ns() // 1_000_000)
    workers.extend(slow_and_rest(settings, tmp_path, LONG_PAUSE_SECONDS))
    workers.append(Worker(settings, tmp_path / "other.log", ["interest"], **TIMEOUTS))
    wait_until(lambda: lines(workers[2])["loaded", ""] > 0, 180, "the other to have loaded", workers)
    workers[2].process.send_signal(signal.SIGSTOP)
    assert not lines(workers[2])["claimed", "interest"]
    alone = members(settings)
    assert len(alone) == 1
    produce_placed(settings, shop.messages, 1)
    bundles = settings.topics.bundles
    wait_until(lambda: sum(end_offsets(settings, bundles).values()) > 0, 60, "bundles for the slow batch", workers)
    workers[2].process.send_signal(signal.SIGCONT)
    wait_until(lambda: bool(members(settings) - alone), 120, "the group to have gone on without waiting", workers)
    assert not lines(workers[0])["batch", "interest"], "the slow one was through before the other joined"
    # The claim may wait for the open transaction's locks.
    wait_until(lambda: lines(workers[2])["claimed", "interest"] > 0, 120, "the other's partitions", workers)
    produce_catalogue(settings, shop)
    await drain(settings, store, workers)
    check_users(await all_users(store), answers(shop))
    said = lines(workers[0])
    assert said["claimed", "interest"] >= 2, "it came back by a claim of its own"
    assert [worker.terminate() for worker in workers] == [0, 0, 0]
