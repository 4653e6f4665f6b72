"""A new user model under running workers, on the real servers: no event lost, and every list names its model."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.user.decay import DecayNetwork
from encoders.user.gru import GruNetwork
from encoders.user.model import save_user_model
from graph.store import GraphStore
from stream.settings import Settings
from tests.integration.shop import answers, make_shop
from tests.integration.test_end_to_end import (
    all_users,
    at_rest,
    check_users,
    current_lists,
    drain,
    produce,
    produce_catalogue,
    refresh_all,
)
from tests.integration.workers import Worker, kill_all, wait_until
from tests.unit.encoders.user_models import CARD, model_parts

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

EVENTS = 600


@pytest.fixture
def workers(settings: Settings, tmp_path: Path) -> Iterator[list[Worker]]:
    running = [
        Worker(
            settings,
            tmp_path / f"worker-{number}.log",
            INTERESTREAM_ENCODER__USER_MODEL_DIR=str(tmp_path / "model"),
            INTERESTREAM_ENCODER__USER_MODEL_WATCH_SECONDS="0.2",
        )
        for number in range(2)
    ]
    yield running
    kill_all(running)


@pytest.fixture
def old_model(tmp_path: Path) -> str:
    return save_user_model(tmp_path / "model", model_parts(DecayNetwork(hidden=8)), CARD)


async def test_workers_take_a_new_model_over_and_refuse_a_broken_one(
    old_model: str, settings: Settings, store: GraphStore, workers: list[Worker], tmp_path: Path
) -> None:
    shop = make_shop(5, EVENTS, users=60, items=50, now=time.time_ns() // 1_000_000)
    third = len(shop.messages) // 3

    def all_log(event: str) -> bool:
        return all(event in worker.log.read_text(errors="replace") for worker in workers)

    produce_catalogue(settings, shop)
    produce(settings, settings.topics.interactions, shop.messages[:third])
    await drain(settings, store, workers)
    assert {record["model"] for record in current_lists(settings).values()} == {old_model}

    weights = tmp_path / "model" / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1])
    produce(settings, settings.topics.interactions, shop.messages[third : 2 * third])
    wait_until(lambda: all_log("model_refused"), 90, "both workers refuse the broken model", workers)
    await drain(settings, store, workers)
    assert {record["model"] for record in current_lists(settings).values()} == {old_model}

    new_model = save_user_model(tmp_path / "model", model_parts(GruNetwork(hidden=8), seed=1), CARD)
    produce(settings, settings.topics.interactions, shop.messages[2 * third :])
    wait_until(lambda: all_log("model_swapped"), 90, "both workers take the new model over", workers)
    await drain(settings, store, workers)
    assert {record["model"] for record in current_lists(settings).values()} <= {old_model, new_model}

    refresh_all(settings)
    found, records = await at_rest(settings, store, workers)
    check_users(found, answers(shop))
    assert {record["model"] for record in records.values()} == {new_model}
    assert (await all_users(store)).keys() == records.keys()
    assert [worker.terminate() for worker in workers] == [0, 0]
