"""The doctor on the language of the catalogue, with the real text model."""

import asyncio
from pathlib import Path

import pytest

from encoders.settings import DeviceName, EncoderSettings
from graph.memory_store import MemoryGraphStore
from graph.model import ItemRow
from stream.diagnosis import language
from stream.diagnosis.finding import Finding, Verdict
from stream.settings import Settings, StoreName
from tests.unit.stream.graphs import commit

FOREIGN = "无线蓝牙耳机 降噪"


def examine(monkeypatch: pytest.MonkeyPatch, titles: list[str], **encoder: object) -> Finding:
    """Return what the check says of a graph with items of these titles."""
    store = MemoryGraphStore()

    async def fill() -> None:
        await store.claim({"catalogue/0": "owner"})
        rows = [ItemRow(f"i{n}", title) for n, title in enumerate(titles)]
        await store.apply_items(commit(store, "catalogue/0", -1, 1, "owner"), rows, [])

    asyncio.run(fill())
    monkeypatch.setattr(language, "open_store", lambda settings, patience: store)
    settings = Settings(encoder=EncoderSettings(**{"device": DeviceName.CPU, **encoder}))
    (finding,) = language.check_language(settings)
    return finding


def test_a_catalogue_that_the_model_can_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(monkeypatch, ["Red retrospot mug", "Lantern for tea lights", ""])
    assert found.verdict is Verdict.OK
    assert "knows 100% of the tokens of 2 items' texts" in found.message


def test_a_catalogue_of_another_language_is_named_with_the_model_to_use(monkeypatch: pytest.MonkeyPatch) -> None:
    found = examine(monkeypatch, ["Red mug", FOREIGN, FOREIGN])
    assert found.verdict is Verdict.WARNING
    assert "of 3 items' texts" in found.message
    assert "multilingual-e5-small" in found.mend


def test_without_titles_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine(monkeypatch, [""]).verdict is Verdict.OK


def test_a_model_that_cannot_be_loaded_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = examine(monkeypatch, ["Red mug"], text_model_dir=tmp_path / "absent")
    assert found.verdict is Verdict.FAILED
    assert str(tmp_path / "absent") in found.message


def test_a_store_in_memory_has_no_catalogue() -> None:
    assert language.check_language(Settings(store=StoreName.MEMORY)) == []
