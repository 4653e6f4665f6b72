"""Users erased on the real servers, under load and kill -9: nothing of them is left, everybody else is as before."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from neo4j import Driver, GraphDatabase

from graph.store import GraphStore
from stream.settings import FAILPOINTS_VARIABLE, Settings
from tests.integration.shop import Message, answers, make_shop
from tests.integration.test_check import check
from tests.integration.test_end_to_end import all_users, check_users, drain, produce, produce_catalogue
from tests.integration.workers import Worker, environment, kill_all, read_all, wait_until

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

EVERYTHING = "MATCH (n) WHERE any(key IN keys(n) WHERE toStringOrNull(n[key]) = $id) RETURN count(n)"


@pytest.fixture
def driver(settings: Settings) -> Iterator[Driver]:
    auth = (settings.neo4j.user, settings.neo4j.password.get_secret_value())
    with GraphDatabase.driver(settings.neo4j.uri, auth=auth) as opened:
        yield opened


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[list[Worker]]:
    running = [Worker(settings, tmp_path / f"worker-{number}.log") for number in range(2)]
    yield running
    kill_all(running)


def erase(settings: Settings, *user_ids: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "stream", "erase", *user_ids, "--yes", "--json"]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment(settings), stdout=pipe, stderr=pipe, text=True)


def lists(settings: Settings) -> dict[str, bytes | None]:
    """Return the last record of every user."""
    return {(key or b"").decode(): value for key, value, _, _ in read_all(settings, settings.topics.recommendations)}


def others_of(messages: list[Message], gone: list[str]) -> list[Message]:
    return [
        m
        for m in messages
        if not any(f'"{user_id.removeprefix("anon:")}"'.encode() in (m.value or b"") for user_id in gone)
    ]


@pytest.mark.parametrize("failpoint", ["", "mid_transaction", "after_commit"])
async def test_nothing_is_left_of_who_is_erased(
    failpoint: str, settings: Settings, store: GraphStore, driver: Driver, workers: list[Worker], tmp_path: Path
) -> None:
    """``failpoint``: where the worker that does it dies, as by kill -9; another one takes its place."""
    shop = make_shop(8, 500, users=40, items=40, now=time.time_ns() // 1_000_000, malformed=0.0)
    half = len(shop.messages) // 2
    produce_catalogue(settings, shop)
    produce(settings, settings.topics.interactions, shop.messages[:half])
    await drain(settings, store, workers)
    gone = sorted(await store.user_ids("", 100))[:12]
    if failpoint:
        for worker in workers:
            assert worker.terminate() == 0
        armed = {FAILPOINTS_VARIABLE: f"{failpoint}=kill"}
        workers[:] = [Worker(settings, tmp_path / "armed.log", **armed)]
    asked = erase(settings, *gone)
    produce(settings, settings.topics.interactions, others_of(shop.messages[half:], gone))
    if failpoint:
        wait_until(lambda: workers[0].process.poll() is not None, 120, "the worker dies", ())
        workers[:] = [Worker(settings, tmp_path / f"next-{number}.log") for number in range(2)]
    out, err = asked.communicate(timeout=180)
    assert asked.returncode == 0, err
    done = json.loads(out.splitlines()[-1])
    assert (done["users"], done["unknown"], done["left"]) == (len(gone), [], [])
    await drain(settings, store, workers)

    last = lists(settings)
    with driver.session() as session:
        for user_id in gone:
            assert session.run(EVERYTHING, id=user_id).single(strict=True).value() == 0
            assert last[user_id] is None
    assert all(value for user_id, value in last.items() if user_id not in gone)
    wanted = {user_id: answer for user_id, answer in answers(shop).items() if user_id not in gone}
    check_users(await all_users(store), wanted)
    code, report = check(settings)
    assert report["found"] == []
    assert code == 0
