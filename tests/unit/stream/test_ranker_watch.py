"""Newly learned weights while events flow: taken over when the file stands still, or refused, once."""

import logging
from pathlib import Path

import pytest

from graph.ranking.weights import fixed_weights
from graph.settings import GraphSettings
from stream.encoding import load_encoders
from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.ranker_file import FIXED, write_ranker
from stream.ranker_watch import RankerWatch
from stream.settings import Settings
from tests.unit.stream.test_ranker_file import CROSS_SELL, file_of

FIXED_WEIGHTS = fixed_weights(GraphSettings().lists, GraphSettings().ranking)


class Worker:
    """What a worker has of it: the watch, the weights it ranks by, and its metrics."""

    def __init__(self, path: Path | None) -> None:
        encoders = load_encoders(Settings(encoder={"text": "hashing"}).encoder)
        self.knowledge = Knowledge(encoders.user, GraphSettings())
        self.knowledge.weights = FIXED_WEIGHTS
        self.metrics = Metrics()
        self.watch = RankerWatch(path, self.knowledge, self.metrics)

    def changes(self, outcome: str) -> float:
        return float(self.metrics.ranker_changes.labels(outcome)._value.get())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ranker.json"


def spoil(path: Path) -> None:
    path.write_text("{}")


def take_away(path: Path) -> None:
    path.unlink()


async def test_weights_are_taken_over_when_their_file_has_stood_still(path: Path) -> None:
    worker = Worker(path)
    assert not await worker.watch.look()
    write_ranker(path, file_of())
    assert [await worker.watch.look() for _ in range(3)] == [False, True, False]
    assert worker.knowledge.weights == file_of().weights
    write_ranker(path, file_of(CROSS_SELL | {"category": 0.4}))
    assert not await worker.watch.look()
    write_ranker(path, file_of(CROSS_SELL | {"category": 0.3}))
    assert [await worker.watch.look() for _ in range(2)] == [False, True]
    assert worker.knowledge.weights == file_of(CROSS_SELL | {"category": 0.3}).weights
    assert worker.changes("swapped") == 2


async def test_a_file_that_cannot_be_used_is_refused_once_and_the_former_weights_go_on(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(path)
    write_ranker(path, file_of())
    await worker.watch.look()
    await worker.watch.look()
    spoil(path)
    with caplog.at_level(logging.ERROR):
        assert [await worker.watch.look() for _ in range(4)] == [False] * 4
    assert [record.message for record in caplog.records] == ["ranker_refused"]
    assert "format" in caplog.records[0].__dict__["reason"]
    assert worker.knowledge.weights == file_of().weights
    assert (worker.changes("refused"), worker.changes("swapped")) == (1, 1)


async def test_a_file_that_goes_away_changes_nothing(path: Path) -> None:
    worker = Worker(path)
    write_ranker(path, file_of())
    await worker.watch.look()
    await worker.watch.look()
    take_away(path)
    assert [await worker.watch.look() for _ in range(2)] == [False] * 2
    assert worker.knowledge.weights == file_of().weights


async def test_a_file_of_the_weights_that_rank_already_is_no_change(path: Path) -> None:
    worker = Worker(path)
    fixed = dict(zip(CROSS_SELL, FIXED_WEIGHTS.cross_sell, strict=True))
    write_ranker(path, file_of(fixed, FIXED))
    assert [await worker.watch.look() for _ in range(3)] == [False] * 3
    assert worker.changes("swapped") == 0


async def test_without_a_setting_nobody_looks() -> None:
    assert not await Worker(None).watch.look()
