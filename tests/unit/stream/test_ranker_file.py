"""The file of learned weights: there and back, and everything that makes it useless is named."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from graph.ranking.weights import fixed_weights
from graph.settings import GraphSettings
from stream.ranker_file import (
    FIXED,
    FORMAT,
    LEARNED,
    MAX_BYTES,
    LearnedList,
    LearnedVisit,
    RankerFile,
    RankerFileError,
    load_weights,
    read_ranker,
    version_of,
    write_ranker,
)

CROSS_SELL = {
    "category": 0.2,
    "transition": 1.5,
    "embedding": 0.0,
    "likeness": 0.3,
    "words": 0.5,
    "repeat": 0.7,
    "popularity": 0.6,
}
UP_SELL = {"transition": 8.0, "embedding": 0.8, "price": 0.2, "repeat": 0.5, "popularity": 0.0}


def file_of(cross_sell: dict[str, float] = CROSS_SELL, chosen: str = LEARNED) -> RankerFile:
    file = RankerFile(FORMAT, "", LearnedList(cross_sell, chosen, "better"), LearnedList(UP_SELL, FIXED, "too few"))
    return msgspec.structs.replace(file, version=version_of(file))


def test_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    write_ranker(path, file_of())
    assert read_ranker(path) == file_of()
    assert read_ranker(path).weights.cross_sell == (0.2, 1.5, 0.0, 0.3, 0.5, 0.7, 0.6)
    assert read_ranker(path).weights.up_sell == (8.0, 0.8, 0.2, 0.5, 0.0)
    assert [found.name for found in tmp_path.iterdir()] == ["ranker.json"]


def with_visit(file: RankerFile, cross_sell: dict[str, float] = CROSS_SELL) -> RankerFile:
    visit = LearnedVisit("", LearnedList(cross_sell, LEARNED, "better"), LearnedList(UP_SELL, FIXED, "too few"))
    return msgspec.structs.replace(file, next_visit=msgspec.structs.replace(visit, version=version_of(visit)))


def test_the_weights_for_the_next_visit_go_with_the_others(tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    assert file_of().weights.next_visit is None
    file = with_visit(file_of(), CROSS_SELL | {"repeat": 3.0})
    write_ranker(path, file)
    found = read_ranker(path).weights
    assert found.version == file_of().version
    assert found.next_visit is not None
    assert found.next_visit.cross_sell == (0.2, 1.5, 0.0, 0.3, 0.5, 3.0, 0.6)
    assert found.next_visit.version.startswith("linear-")
    assert found.next_visit.version != found.version


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": "linear-00000000"}, r"next_visit\.version is 'linear-00000000', its weights' is"),
        (
            {"cross_sell": {"weights": {"category": 1.0}, "chosen": LEARNED, "reason": ""}},
            r"next_visit\.cross_sell\.weights has category",
        ),
        ({"up_sell": None}, r"\$\.next_visit\.up_sell"),
    ],
)
def test_weights_for_the_next_visit_are_looked_at_likewise(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    plain = msgspec.to_builtins(with_visit(file_of()))
    path.write_text(json.dumps(plain | {"next_visit": plain["next_visit"] | change}))
    with pytest.raises(RankerFileError, match=said):
        read_ranker(path)


def test_the_version_follows_from_the_weights() -> None:
    assert file_of().version.startswith("linear-")
    assert file_of(CROSS_SELL | {"category": 0.3}).version != file_of().version


def test_fixed_weights_in_a_file_have_the_version_of_those_of_the_settings() -> None:
    settings = GraphSettings()
    fixed = dict(zip(CROSS_SELL, fixed_weights(settings.lists, settings.ranking).cross_sell, strict=True))
    assert file_of(fixed, FIXED).version == fixed_weights(settings.lists, settings.ranking).version


def test_without_a_file_the_weights_are_those_of_the_settings(tmp_path: Path) -> None:
    assert load_weights(GraphSettings()) == fixed_weights(GraphSettings().lists, GraphSettings().ranking)
    path = tmp_path / "ranker.json"
    write_ranker(path, file_of())
    assert load_weights(GraphSettings.model_validate({"ranking": {"learned_file": path}})) == file_of().weights


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 1}, "format 1; this version reads format 6: train again"),
        ({"format": "1"}, r"Expected `int`, got `str` - at `\$.format`"),
        ({"version": "linear-00000000"}, "version is 'linear-00000000', its weights' is"),
        ({"cross_sell": None}, r"\$.cross_sell"),
        ({"cross_sell": {"weights": {"category": 1.0}, "chosen": LEARNED, "reason": ""}}, "cross_sell.weights has"),
        ({"cross_sell": {"weights": CROSS_SELL, "chosen": "maybe", "reason": ""}}, "cross_sell.chosen is 'maybe'"),
        (
            {"up_sell": {"weights": UP_SELL | {"price": -0.1}, "chosen": LEARNED, "reason": ""}},
            r"up_sell.weights.price is -0.1; wanted: 0 to 1000",
        ),
        (
            {"up_sell": {"weights": UP_SELL | {"price": 1001}, "chosen": LEARNED, "reason": ""}},
            r"up_sell.weights.price is 1001.0; wanted: 0 to 1000",
        ),
        (
            {"up_sell": {"weights": dict.fromkeys(UP_SELL, 0), "chosen": LEARNED, "reason": ""}},
            "up_sell.weights are all 0",
        ),
    ],
)
def test_what_cannot_be_ranked_with_is_refused_by_field_and_limit(
    change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "ranker.json"
    path.write_text(json.dumps(msgspec.to_builtins(file_of()) | change))
    with pytest.raises(RankerFileError, match=said) as refused:
        read_ranker(path)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"[1]", b'{"format": 1', b"\xff" * 9])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    path.write_bytes(content)
    with pytest.raises(RankerFileError, match=r"ranker\.json"):
        read_ranker(path)


def test_files_that_are_not_there_or_too_large_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RankerFileError, match="cannot be read: No such file"):
        read_ranker(tmp_path / "none.json")
    with pytest.raises(RankerFileError, match="cannot be read"):
        read_ranker(tmp_path)
    large = tmp_path / "large.json"
    large.write_bytes(b" " * (MAX_BYTES + 1))
    with pytest.raises(RankerFileError, match="at most 1048576"):
        read_ranker(large)


def test_weights_that_are_no_numbers_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(RankerFileError, match="category is nan"):
        write_ranker(tmp_path / "ranker.json", file_of(CROSS_SELL | {"category": float("nan")}))
    assert not list(tmp_path.iterdir())
