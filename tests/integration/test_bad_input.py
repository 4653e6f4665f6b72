"""Bad input by the thousand on the real servers, and every order and number of deliveries: nothing is left of it."""

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from graph.store import GraphStore
from stream.settings import Settings
from tests.bad_input import Letter, letters
from tests.integration.deliveries import Place, produce_placed, shuffled_within_a_day
from tests.integration.shop import DAY_MS, Message, Shop, answers, make_shop
from tests.integration.test_end_to_end import all_users, check_users, drain, produce_catalogue, workers
from tests.integration.workers import Worker, environment, read_all

__all__ = ["workers"]  # a fixture

pytestmark = [pytest.mark.servers, pytest.mark.timeout(900)]


def check_letters(settings: Settings, wanted: dict[Place, Letter]) -> None:
    """Each bad message has a letter with its reason and field, byte for byte; a crash could repeat one, none did."""
    found: dict[Place, tuple[str, str, bytes | None]] = {}
    records = read_all(settings, settings.topics.dead_letters)
    for _, value, headers, _ in records:
        place = int(headers["dlq.errors.partition"]), int(headers["dlq.errors.offset"])
        found[place] = headers["dlq.errors.reason"].decode(), headers["dlq.errors.field"].decode(), value
    assert found.keys() == wanted.keys()
    for place, letter in wanted.items():
        assert found[place] == (letter.reason, letter.field, letter.value), letter.reason
    assert len(records) == len(wanted)


def check_never_restarted(worker: Worker, pid: int) -> None:
    assert worker.process.poll() is None
    assert worker.process.pid == pid
    events = {json.loads(line)["event"] for line in worker.log.read_text().splitlines()}
    assert not events & {"crashed", "restarting", "halved", "isolated"}, events
    assert "batch" in events


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
async def test_bad_messages_by_the_thousand(
    settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path, count: int
) -> None:
    """Half of them spread between good ones, half in a row."""
    shop = make_shop(seed=51, events=count // 4, users=40, now=time.time_ns() // 1_000_000, malformed=0.0)
    bad = list(letters(51, count))
    middle = len(shop.messages) // 2
    mixed: list[Message | Letter] = [*shop.messages[:middle], *bad[: count // 2]]
    random.Random(51).shuffle(mixed)
    workers.append(Worker(settings, tmp_path / "worker.log"))
    pid = workers[0].process.pid
    produce_catalogue(settings, shop)
    places = produce_placed(settings, [*mixed, *bad[count // 2 :], *shop.messages[middle:]], seed=52)
    await drain(settings, store, workers, seconds=600)
    check_users(await all_users(store), answers(shop))
    check_letters(settings, {place: message for place, message in places.items() if isinstance(message, Letter)})
    check_never_restarted(workers[0], pid)
    assert workers[0].terminate() == 0, workers[0].tail()


@pytest.mark.parametrize("seed", [61, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(62, 66))])
async def test_one_to_five_deliveries_shuffled_within_a_day(
    settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path, seed: int
) -> None:
    """Late events, refunds before their purchase, one user over all source partitions: as the recomputation says."""
    shop = make_shop(
        seed, events=500, users=25, now=time.time_ns() // 1_000_000 - DAY_MS, duplicates=0.0, malformed=0.0
    )
    delivered = shuffled_within_a_day(shop.messages, seed)
    assert len(delivered) > 2 * len(shop.messages)
    workers.extend(Worker(settings, tmp_path / f"worker-{n}.log") for n in range(2))
    half = len(delivered) // 2
    places = produce_placed(settings, delivered[:half], seed)
    produce_catalogue(settings, shop)  # late, too
    places |= {(p, -1 - o): m for (p, o), m in produce_placed(settings, delivered[half:], seed + 1).items()}
    assert one_user_is_everywhere(shop, places, settings.topics.partitions)
    await drain(settings, store, workers)
    await categories_known(settings, store)
    check_users(await all_users(store), answers(shop))
    checked = subprocess.run(  # noqa: ASYNC221 - nothing else is going on
        [sys.executable, "-m", "stream", "check", "--patience", "120", "--json"],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    report: dict[str, Any] = json.loads(checked.stdout.splitlines()[-1])
    assert (checked.returncode, report["differences"]) == (0, 0), checked.stdout


async def categories_known(settings: Settings, store: GraphStore, seconds: float = 120) -> None:
    """Wait for the users whose events came before their items' rows: owners look again after the ledgers moved."""
    deadline = time.monotonic() + seconds
    keys = [f"{settings.topics.bundles}/{partition}" for partition in range(settings.topics.partitions)]
    while waiting := [user for key in keys for user in await store.unresolved_users(key, "", 100)]:
        assert time.monotonic() < deadline, waiting
        await asyncio.sleep(0.3)


def one_user_is_everywhere(shop: Shop, places: dict[Place, Message], partitions: int) -> bool:
    busiest = max({event["user_id"] for event in shop.good}, key=lambda u: sum(e["user_id"] == u for e in shop.good))
    name = f'"{busiest}"'.encode()
    return {p for (p, _), message in places.items() if name in (message.value or b"")} == set(range(partitions))
