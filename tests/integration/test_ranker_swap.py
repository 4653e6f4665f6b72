"""Newly learned weights under running workers, on the real servers: no event lost, and every list names its ranker."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.ranking.weights import fixed_weights
from graph.store import GraphStore
from stream.ranker_file import write_ranker
from stream.settings import Settings
from tests.integration.shop import answers, make_shop
from tests.integration.test_end_to_end import (
    at_rest,
    check_users,
    current_lists,
    drain,
    produce,
    produce_catalogue,
    refresh_all,
)
from tests.integration.workers import Worker, kill_all, wait_until
from tests.unit.stream.test_ranker_file import CROSS_SELL, file_of

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

EVENTS = 450


@pytest.fixture
def path(settings: Settings, tmp_path: Path) -> Path:
    """A file that holds weights which are not those of the settings."""
    write_ranker(tmp_path / "ranker.json", file_of())
    assert file_of().version != fixed_weights(settings.graph.lists, settings.graph.ranking).version
    return tmp_path / "ranker.json"


@pytest.fixture
def workers(path: Path, settings: Settings) -> Iterator[list[Worker]]:
    running = [
        Worker(
            settings,
            path.parent / f"worker-{number}.log",
            INTERESTREAM_GRAPH__RANKING__LEARNED_FILE=str(path),
            INTERESTREAM_GRAPH__RANKING__LEARNED_WATCH_SECONDS="0.2",
        )
        for number in range(2)
    ]
    yield running
    kill_all(running)


def alter(path: Path) -> None:
    """Change a weight by hand: the version is no longer that of the weights."""
    path.write_bytes(path.read_bytes().replace(b"1.5", b"1.6"))


async def test_workers_take_new_weights_over_and_refuse_broken_ones(
    path: Path, settings: Settings, store: GraphStore, workers: list[Worker]
) -> None:
    shop = make_shop(6, EVENTS, users=60, items=50, now=time.time_ns() // 1_000_000)
    third = len(shop.messages) // 3
    old, new = file_of(), file_of(CROSS_SELL | {"category": 2.5, "transition": 0.1})

    def all_log(event: str) -> bool:
        return all(event in worker.log.read_text(errors="replace") for worker in workers)

    def rankers() -> set[str]:
        return {record["ranker"] for record in current_lists(settings).values()}

    produce_catalogue(settings, shop)
    produce(settings, settings.topics.interactions, shop.messages[:third])
    await drain(settings, store, workers)
    assert rankers() == {old.version}

    alter(path)
    produce(settings, settings.topics.interactions, shop.messages[third : 2 * third])
    wait_until(lambda: all_log("ranker_refused"), 90, "both workers refuse the altered file", workers)
    await drain(settings, store, workers)
    assert rankers() == {old.version}

    write_ranker(path, new)
    produce(settings, settings.topics.interactions, shop.messages[2 * third :])
    wait_until(lambda: all_log("ranker_swapped"), 90, "both workers take the new weights over", workers)
    await drain(settings, store, workers)
    assert rankers() <= {old.version, new.version}

    refresh_all(settings)
    found, records = await at_rest(settings, store, workers)
    check_users(found, answers(shop))
    assert {record["ranker"] for record in records.values()} == {new.version}
    assert [worker.terminate() for worker in workers] == [0, 0]
