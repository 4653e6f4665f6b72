"""Relations are looked at before anything runs, and a relation that cannot be tested costs no other test."""

from pathlib import Path

import numpy as np
import pytest

from stream.evaluation.plan import Shop
from stream.evaluation.reading import RawEvents
from stream.evaluation.relation_tests import read_relations, relation_tests
from stream.event_files import EventFileError
from tests.unit.stream.evaluation.small_shops import catalogue_of, log_of

CATALOGUE = catalogue_of("a", "b", "c", categories=(("X",), ("X",), ("Y",)))


def relations(folder: Path, bought_together: str = "", also_bought: str = "") -> Path:
    """The items a, b and c are the lines of both files of products."""
    for name in ("product.txt", "related_product.txt"):
        (folder / name).write_text("a\nb\nc\n")
    for name, lines in (("bought_together", bought_together), ("also_bought", also_bought), ("also_viewed", "")):
        (folder / f"{name}_p_p.txt").write_text(lines)
    return folder


def shop_of(*sequences: list[int]) -> Shop:
    nothing = RawEvents([], [], [], np.empty(0, np.int64), np.empty(0), [], np.empty(0, np.bool_))
    return Shop(nothing, log_of(*sequences), (), CATALOGUE)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="nowhere is not a folder of item relations"):
        read_relations(tmp_path / "nowhere", CATALOGUE)


def test_a_folder_of_other_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match=r"there is no product\.txt"):
        read_relations(tmp_path, CATALOGUE)


def test_relations_of_another_shop_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="hold no pair of items of the catalogue"):
        read_relations(relations(tmp_path), CATALOGUE)


def test_a_relation_without_pairs_of_two_categories_costs_only_its_own_test(tmp_path: Path) -> None:
    found = read_relations(relations(tmp_path, bought_together="1\n", also_bought="2\n"), CATALOGUE)
    tests, left_out = relation_tests(shop_of([0, 2], [0, 2], [0, 2], [1, 2]), found)
    assert [test.name for test in tests] == ["also_bought"]
    assert left_out.keys() == {"bought_together"}


def test_a_log_without_pairs_teaches_nothing(tmp_path: Path) -> None:
    found = read_relations(relations(tmp_path, also_bought="2\n"), CATALOGUE)
    tests, left_out = relation_tests(shop_of([0], [2]), found)
    assert tests == []
    assert "to learn from" in left_out["also_bought"]
