"""A worker with a for-you model: what it publishes, how it takes a new model over, and what the checker compares."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stream.checking.lists import for_you_differences
from stream.checking.published import ForYouList, for_you_list, prefix_differences
from stream.diagnosis.finding import Verdict
from stream.diagnosis.ranking import check_ranker
from stream.encoding import load_encoders
from stream.evaluation.list_rules import broken_rules
from stream.evaluation.worker_told import catalogue_messages
from stream.for_you.file import ForYouCard, read_for_you
from stream.for_you.history import history_of
from stream.for_you.lists import ForYou
from stream.for_you.watch import ForYouWatch
from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.pipeline import Pipeline
from stream.ranker_file import RankerFileError
from stream.recommendations import FOR_YOU, Recommendation, decode
from stream.settings import Settings
from tests.unit.stream.for_you.learned import learned_of, users_of
from tests.unit.stream.for_you.test_file import altered, other_figure, written

SENT = 400


def settings(path: Path | None, **for_you: Any) -> Settings:
    return Settings(
        encoder={"text": "hashing"}, topics={"partitions": 1}, for_you={"model_file": path, "reasons": 2, **for_you}
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "for-you.safetensors"


async def published(folder: Path, with_settings: Settings) -> dict[str, Recommendation]:
    """Send the catalogue and the first interactions; return everybody's last record."""
    shop, interactions, _ = learned_of(folder, "next-step")
    pipeline = Pipeline(with_settings, load_encoders(with_settings.encoder), lambda: 1_760_000_000_000)
    await pipeline.start()
    try:
        for key, value in catalogue_messages(shop.catalogue):
            pipeline.log.append(pipeline.settings.topics.catalogue, key, value)
        await pipeline.drain()
        for one in interactions[:SENT]:
            event = {"event_id": one.event_id, "kind": one.kind.value, "user_id": one.user_id, "item_id": one.item_id}
            value = msgspec.json.encode(event | {"occurred_at": one.occurred_at})
            pipeline.log.append(pipeline.settings.topics.interactions, None, value)
        await pipeline.drain()
        records = [record for log in pipeline.log.topics[pipeline.settings.topics.recommendations] for record in log]
        return {record.key.decode(): decode(record.value) for record in records}
    finally:
        await pipeline.close()


async def test_a_worker_publishes_the_list_of_what_it_remembers(folder: Path, path: Path) -> None:
    card = written(folder, path)
    found = await published(folder, settings(path))
    _, interactions, _ = learned_of(folder, "next-step")
    users = users_of(interactions[:SENT])
    model, _ = read_for_you(path)
    serving = ForYou(model, card.version, 10, 2)
    none_gone = serving.gone(all_items(model.knowledge.catalogue.item_ids))
    assert found.keys() == users.keys()
    reasons = 0
    for user_id, record in found.items():
        (expected,) = serving.lists([history_of(users[user_id])], none_gone)
        assert record.for_you is not None
        assert record.for_you.ranker == card.version
        assert [(item.item_id, item.score) for item in record.for_you.items] == [(p.item_id, p.score) for p in expected]
        for item, place in zip(record.for_you.items, expected, strict=True):
            assert [(r.feature, r.contribution, r.path) for r in item.because] == [
                ("HISTORY", hold.fall, (user_id, hold.item_id, item.item_id)) for hold in place.because
            ]
            assert item.category is not None
            reasons += len(item.because)
        assert record.lists()[FOR_YOU] == record.for_you.items
        assert record.ranker_of(FOR_YOU) == card.version
    assert reasons > len(found)


async def test_without_a_model_there_is_no_such_list(folder: Path) -> None:
    found = await published(folder, settings(None))
    assert len(found) > 50
    assert all(record.for_you is None and FOR_YOU not in record.lists() for record in found.values())


def all_items(item_ids: tuple[str, ...]) -> Any:
    from graph.model import ItemRow
    from graph.ranking.items import ItemIndex

    items = ItemIndex()
    for item_id in item_ids:
        items.upsert(ItemRow(item_id))
    return items


# -- a new model while it runs ----------------------------------------------------------------------------------------


class Worker:
    """What a worker has of it: the watch, the model, and its metrics."""

    def __init__(self, path: Path | None) -> None:
        of = settings(path)
        self.knowledge = Knowledge(load_encoders(of.encoder).user, of.graph)
        self.metrics = Metrics()
        self.watch = ForYouWatch(of.for_you, self.knowledge, self.metrics)

    @property
    def version(self) -> str | None:
        return None if self.knowledge.for_you is None else self.knowledge.for_you.version

    def changes(self, outcome: str) -> float:
        return float(self.metrics.for_you_changes.labels(outcome)._value.get())


async def test_a_new_model_is_taken_over_when_its_file_has_stood_still(folder: Path, path: Path) -> None:
    worker = Worker(path)
    assert not await worker.watch.look()
    card = written(folder, path)
    assert [await worker.watch.look() for _ in range(3)] == [False, True, False]
    assert worker.version == card.version
    os.utime(path)
    assert [await worker.watch.look() for _ in range(2)] == [False, False]
    assert worker.changes("swapped") == 1


def spoil(path: Path) -> None:
    path.write_bytes(b"{}")


def alter(path: Path) -> None:
    altered(path, other_figure)


@pytest.mark.parametrize("change", [spoil, alter])
async def test_a_file_that_cannot_be_used_is_refused_once(
    folder: Path, path: Path, change: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    worker, card = Worker(path), written(folder, path)
    assert [await worker.watch.look() for _ in range(2)] == [False, True]
    change(path)
    with caplog.at_level(logging.ERROR):
        assert [await worker.watch.look() for _ in range(3)] == [False, False, False]
    assert [record.message for record in caplog.records] == ["for_you_refused"]
    assert worker.version == card.version
    assert worker.changes("refused") == 1


async def test_a_file_that_goes_away_changes_nothing(folder: Path, path: Path) -> None:
    worker, card = Worker(path), written(folder, path)
    assert [await worker.watch.look() for _ in range(2)] == [False, True]
    os.unlink(path)
    assert [await worker.watch.look() for _ in range(2)] == [False, False]
    assert worker.version == card.version
    assert not await Worker(None).watch.look()


def test_a_worker_does_not_start_with_a_file_that_cannot_be_used(path: Path) -> None:
    spoil(path)
    of = settings(path)
    with pytest.raises(RankerFileError, match="no file of `train for-you`"):
        Pipeline(of, load_encoders(of.encoder), lambda: 0)


def test_doctor_says_whether_it_can_be_used(folder: Path, path: Path) -> None:
    card: ForYouCard = written(folder, path)
    _, good = check_ranker(settings(path))
    assert (good.verdict, good.check) == (Verdict.OK, "for_you")
    assert card.version in good.message
    assert "for the next step" in good.message
    spoil(path)
    _, bad = check_ranker(settings(path))
    assert bad.verdict is Verdict.FAILED
    assert "train for-you" in bad.mend
    assert len(check_ranker(settings(None))) == 1


# -- the checks -------------------------------------------------------------------------------------------------------

LIST = ForYouList(("a", "b"), (2.0, 1.0), "for-you-1")


@pytest.mark.parametrize(
    ("published_list", "said"),
    [
        (LIST, []),
        (None, ["for_you: another model made it"]),
        (msgspec.structs.replace(LIST, ranker="for-you-2"), ["for_you: another model made it"]),
        (msgspec.structs.replace(LIST, items=("b", "a"), scores=(1.0, 2.0)), ["for_you is not what ranking gives"]),
        (msgspec.structs.replace(LIST, items=("b", "a")), ["for_you is not what ranking gives"]),
        (msgspec.structs.replace(LIST, items=("a", "c")), ["for_you is not what ranking gives"]),
    ],
)
def test_the_checker_compares_the_list(published_list: ForYouList | None, said: list[str]) -> None:
    assert [what for what, _, _ in for_you_differences(LIST, published_list)] == said


def test_near_ties_may_change_places() -> None:
    tied = msgspec.structs.replace(LIST, scores=(1.0, 1.0))
    assert not list(for_you_differences(tied, msgspec.structs.replace(tied, items=("b", "a"))))
    assert not list(for_you_differences(None, None))
    assert for_you_list(None) is None


async def test_what_was_bought_may_be_for_you_and_in_no_other_list(folder: Path, path: Path) -> None:
    written(folder, path)
    found = await published(folder, settings(path))
    _, interactions, _ = learned_of(folder, "next-step")
    record = found[interactions[0].user_id]
    assert record.for_you is not None
    bought = {item.item_id: 10**15 for item in record.for_you.items}
    graph = settings(None).graph
    only = msgspec.structs.replace(record, cross_sell=(), up_sell=(), next_visit=None)
    assert not list(broken_rules(only, lambda _: None, bought, graph.lists, 10**15))
    twice = msgspec.structs.replace(record.for_you, items=record.for_you.items[:1] * 2)
    assert list(broken_rules(msgspec.structs.replace(only, for_you=twice), lambda _: None, {}, graph.lists, 0))
    state = users_of(interactions[:SENT])[record.user_id].state
    assert not list(prefix_differences(only, state, graph.lists))
