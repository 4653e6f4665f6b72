"""A for-you model under running workers, on the real servers: every list names it, a new one is taken over."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from encoders.training.events import TEACHING_KINDS
from graph.model import Interaction, ItemRow
from graph.ranking.items import ItemIndex
from graph.store import GraphStore
from stream.catalogue import Removal, decode_row
from stream.evaluation.contest import Contest
from stream.for_you.file import ForYouCard, card_of, write_for_you
from stream.for_you.history import history_of
from stream.for_you.lists import ForYou
from stream.for_you.log import shop_of
from stream.for_you.training import Learned, train_for_you
from stream.settings import Settings
from stream.trackers import Rejected, decode
from stream.users import loaded_user
from tests.integration.shop import Shop, answers, make_shop
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
from tests.unit.stream.evaluation.small_shops import unseen

pytestmark = [pytest.mark.servers, pytest.mark.timeout(600)]

EVENTS = 450


@pytest.fixture(scope="module")
def shop() -> Shop:
    return make_shop(6, EVENTS, users=60, items=50, now=time.time_ns() // 1_000_000)


def rows_of(shop: Shop) -> list[ItemRow]:
    rows = [decode_row(key, value, Settings().trackers) for key, value in shop.catalogue()]
    return [row for row in rows if not isinstance(row, Removal)]


@pytest.fixture(scope="module")
def learned(shop: Shop) -> Learned:
    """What the whole log teaches, read as intake reads it."""
    now, found = time.time_ns() // 1_000_000, dict[str, Interaction]()
    for message in shop.messages:
        try:
            heard = decode(message.value, record_at=now, now=now, settings=Settings().trackers)
        except Rejected:
            continue
        found |= {one.event_id: one for one in heard.interactions if one.kind.value in TEACHING_KINDS}
    made = shop_of(list(found.values()), rows_of(shop), sessions=False)
    return train_for_you(made, "next-step", Contest(0, unseen, baselines=False))


def write(path: Path, learned: Learned, data: str) -> ForYouCard:
    card = card_of(learned.model, "next-step", figures={}, cases=learned.cases, lead={}, data=data)
    return write_for_you(path, learned.model, card)


def spoil(path: Path) -> None:
    path.write_bytes(b"{}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "for-you.safetensors"


@pytest.fixture
def workers(path: Path, settings: Settings, learned: Learned) -> Iterator[list[Worker]]:
    write(path, learned, "first")
    running = [
        Worker(
            settings,
            path.parent / f"worker-{number}.log",
            INTERESTREAM_FOR_YOU__MODEL_FILE=str(path),
            INTERESTREAM_FOR_YOU__WATCH_SECONDS="0.2",
        )
        for number in range(2)
    ]
    yield running
    kill_all(running)


async def test_workers_publish_the_list_and_take_a_new_model_over(
    path: Path, settings: Settings, store: GraphStore, shop: Shop, learned: Learned, workers: list[Worker]
) -> None:
    half = len(shop.messages) // 2

    def all_log(event: str) -> bool:
        return all(event in worker.log.read_text(errors="replace") for worker in workers)

    def models() -> set[str | None]:
        return {(record.get("for_you") or {}).get("ranker") for record in current_lists(settings).values()}

    old = write(path, learned, "first")
    produce_catalogue(settings, shop)
    produce(settings, settings.topics.interactions, shop.messages[:half])
    await drain(settings, store, workers)
    assert len(models()) == 1
    assert None not in models()

    spoil(path)
    wait_until(lambda: all_log("for_you_refused"), 90, "both workers refuse the broken file", workers)
    new = write(path, learned, "second")
    assert new.version != old.version
    produce(settings, settings.topics.interactions, shop.messages[half:])
    wait_until(
        lambda: all(worker.log.read_text(errors="replace").count(new.version) > 0 for worker in workers),
        90,
        "both workers take the new model over",
        workers,
    )
    await drain(settings, store, workers)
    refresh_all(settings)
    found, records = await at_rest(settings, store, workers)
    check_users(found, answers(shop))
    assert models() == {new.version}
    items, serving = ItemIndex(), ForYou(learned.model, new.version, 10, 3)
    for row in rows_of(shop):
        items.upsert(row)
    users = await store.load_users(sorted(records))
    for user_id, record in records.items():  # as the store has them, and as the evaluation would list for them
        (expected,) = serving.lists([history_of(loaded_user(user_id, users[user_id]))], serving.gone(items))
        assert [item["item_id"] for item in record["for_you"]["items"]] == [place.item_id for place in expected]
        reasons = [[reason["path"][1] for reason in item["because"]] for item in record["for_you"]["items"]]
        assert reasons == [[hold.item_id for hold in place.because] for place in expected]
    assert [worker.terminate() for worker in workers] == [0, 0]


def test_a_worker_whose_file_cannot_be_used_ends_with_2_unless_it_does_not_rank(settings: Settings, path: Path) -> None:
    spoil(path)
    variables = {"INTERESTREAM_FOR_YOU__MODEL_FILE": str(path)}
    with Worker(settings, path.parent / "ranks.log", **variables) as ranks:
        wait_until(lambda: ranks.process.poll() is not None, 90, "it ends")
        assert ranks.process.returncode == 2
        assert "it is no file of `train for-you`" in ranks.tail()
    with Worker(settings, path.parent / "reads.log", ["intake"], **variables) as reads:
        wait_until(lambda: "replicas_read" in reads.log.read_text(errors="replace"), 90, "it works", [reads])
