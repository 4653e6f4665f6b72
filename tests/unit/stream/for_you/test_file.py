"""The file: what is read is what was written, and what cannot be used is refused by name."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import skops.io
from safetensors import safe_open
from safetensors.numpy import save_file

from stream.for_you.file import ForYouCard, card_of, read_for_you, write_for_you
from stream.for_you.lists import ForYou
from stream.ranker_file import RankerFileError
from tests.unit.stream.for_you.learned import learned_of
from tests.unit.stream.for_you.test_lists import OCCASIONS, histories_of, offered

CARD = "interestream_for_you"


def written(folder: Path, path: Path, occasion: str = "next-step") -> ForYouCard:
    _, _, learned = learned_of(folder, occasion)
    card = card_of(
        learned.model, occasion, figures=learned.figures, cases=learned.cases, lead=learned.lead, data="made up"
    )
    return write_for_you(path, learned.model, card)


@pytest.mark.parametrize("occasion", OCCASIONS)
def test_what_is_read_makes_the_lists_of_what_was_written(folder: Path, tmp_path: Path, occasion: str) -> None:
    path = tmp_path / "for-you.safetensors"
    card = written(folder, path, occasion)
    model, read = read_for_you(path)
    assert read == card
    assert card.version.startswith("for-you-")
    assert 0 < card.figures["HR@10"] <= 1
    _, _, learned = learned_of(folder, occasion)
    histories = histories_of(folder, occasion)
    found = []
    for one in (learned.model, model):
        serving = ForYou(one, card.version, 10, 2)
        found.append(serving.lists(histories[:40], serving.gone(offered(one))))
    assert found[0] == found[1]


def test_it_names_no_user(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "for-you.safetensors"
    written(folder, path)
    shop, _, _ = learned_of(folder, "next-step")
    content = path.read_bytes()
    assert b"made up" in content
    assert shop.catalogue.item_ids[0].encode() in content
    assert not [user for user in shop.users if f'"{user}'.encode() in content]


def altered(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Write the file again with other arrays or another card."""
    with safe_open(path, framework="numpy") as file:
        card = json.loads(file.metadata()[CARD])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(arrays, card)
    save_file(arrays, path, metadata={CARD: json.dumps(card)})


def other_weight(arrays: dict[str, Any], card: dict[str, Any]) -> None:
    arrays["blend.weights"] = arrays["blend.weights"] + 1


def other_format(arrays: dict[str, Any], card: dict[str, Any]) -> None:
    card["format"] = 99


def other_library(arrays: dict[str, Any], card: dict[str, Any]) -> None:
    card["scikit_learn"] = "0.1"


def other_figure(arrays: dict[str, Any], card: dict[str, Any]) -> None:
    card["figures"]["HR@10"] = 0.99


def no_number(arrays: dict[str, Any], card: dict[str, Any]) -> None:
    card["share"] = "much"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (other_weight, "changed after it was written"),
        (other_figure, "changed after it was written"),
        (other_format, "format 99; this version reads format 1: train again"),
        (other_library, "scikit-learn 0.1"),
        (no_number, r"\$\.share"),
    ],
)
def test_what_was_changed_is_refused(
    folder: Path, tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None], said: str
) -> None:
    path = tmp_path / "for-you.safetensors"
    written(folder, path)
    altered(path, change)
    with pytest.raises(RankerFileError, match=said):
        read_for_you(path)


def test_trees_that_would_run_something_are_refused(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "for-you.safetensors"
    _, _, learned = learned_of(folder, "next-step")
    trees = learned.model.ranker.trees
    assert trees is not None
    strange = replace(trees, models=(msgspec.json.Encoder,))
    model = replace(learned.model, ranker=replace(learned.model.ranker, trees=strange))
    card = card_of(model, "next-step", figures={}, cases=0, lead={})
    write_for_you(path, model, card)
    with pytest.raises(RankerFileError, match="msgspec"):
        read_for_you(path)


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04" + bytes(100)])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "for-you.safetensors"
    path.write_bytes(content)
    with pytest.raises(RankerFileError, match="no file of `train for-you`"):
        read_for_you(path)


def test_another_safetensors_file_and_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "for-you.safetensors"
    with pytest.raises(RankerFileError, match="cannot be read"):
        read_for_you(path)
    save_file({"a": np.zeros(3)}, path)
    with pytest.raises(RankerFileError, match="no file of `train for-you`"):
        read_for_you(path)


def test_skops_still_trusts_no_more_than_it_did() -> None:
    assert skops.io.get_untrusted_types(data=skops.io.dumps(msgspec.json.Encoder))
