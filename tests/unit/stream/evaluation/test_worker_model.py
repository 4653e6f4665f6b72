"""The user model of the trained worker knows what came before the tests, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from encoders.base import EncoderError
from stream.encoding import load_encoders
from stream.evaluation.plan import Protocol, Shop, read_shop
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_model import WorkerModels
from stream.evaluation.worker_run import stretch_of
from stream.settings import Settings
from tests.unit.stream.evaluation.small_shops import unseen, write_shop

SETTINGS = Settings.model_validate({"encoder": {"text": "hashing"}})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    events, items = write_shop(tmp_path_factory.mktemp("shop"), users=60, items=30)
    return read_shop([events], items, Protocol.PREQUENTIAL)


def model_of(raw: RawEvents, shop: Shop, folder: Path) -> str:
    folder.mkdir()
    places, tested_from = stretch_of(raw, 300)
    told = range(places.start, tested_from)
    return WorkerModels(raw, shop.catalogue, SETTINGS, 0, unseen).train(told, folder, "").name


def with_item(raw: RawEvents, place: int) -> RawEvents:
    """Return the log with another item at one place."""
    items = list(raw.items)
    items[place] = next(item for item in items if item != items[place])
    return replace(raw, items=items)


def test_tests_and_what_the_worker_never_saw_teach_nothing(shop: Shop, tmp_path: Path) -> None:
    places, tested_from = stretch_of(shop.raw, 300)
    assert len(shop.raw) > 300
    name = model_of(shop.raw, shop, tmp_path / "as-it-is")
    assert model_of(with_item(shop.raw, tested_from), shop, tmp_path / "test") == name
    assert model_of(with_item(shop.raw, places.start - 1), shop, tmp_path / "before") == name
    assert model_of(with_item(shop.raw, tested_from - 1), shop, tmp_path / "last") != name


def test_a_worker_can_use_it(shop: Shop, tmp_path: Path) -> None:
    model = WorkerModels(shop.raw, shop.catalogue, SETTINGS, 0, unseen).train(range(240), tmp_path, "")
    assert load_encoders(model.settings.encoder).user.name == model.name
    assert model.metrics["test_ndcg@10"] > 0
    assert SETTINGS.encoder.user_model_dir is None


def test_a_catalogue_without_titles_is_refused(shop: Shop, tmp_path: Path) -> None:
    blank = replace(shop, catalogue=replace(shop.catalogue, titles=("",) * len(shop.catalogue)))
    with pytest.raises(EncoderError, match="no item with a title"):
        model_of(shop.raw, blank, tmp_path / "model")
