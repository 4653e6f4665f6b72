import gzip
from pathlib import Path

import numpy as np
import pytest

from stream.evaluation.cases import Candidates
from stream.evaluation.interactions import Catalogue, Knowledge
from stream.evaluation.protocols.last_step import last_step_splits
from stream.evaluation.relations import cross_category_splits, read_relation, relation_split, share_of_related
from stream.event_files import EventFileError
from tests.unit.stream.evaluation.small_shops import catalogue_of, log_of

SHOP = catalogue_of(
    "a", "b", "c", "d", categories=(("Shop", "X"), ("Shop", "X"), ("Shop", "Y"), ("Shop", "Y"))
)  # fmt: skip


def write_relations(folder: Path, lines: str) -> Path:
    with gzip.open(folder / "product.txt.gz", "wt") as file:
        file.write("b\na\nunknown\n")
    (folder / "related_product.txt").write_text("elsewhere\na\nc\nd\nb\n")
    (folder / "also_bought_p_p.txt").write_text(lines)
    return folder


def test_a_relation_is_read_by_line_numbers(tmp_path: Path) -> None:
    relation = read_relation(write_relations(tmp_path, "1 2 0\n4 3\n1\n"), "also_bought", SHOP)
    assert relation.offsets.tolist() == [0, 2, 4, 4, 4]
    assert relation.items.tolist() == [1, 3, 0, 2]


def test_only_items_of_other_top_categories_are_asked_for(tmp_path: Path) -> None:
    relation = read_relation(write_relations(tmp_path, "1 2 0\n4\n1\n"), "also_bought", SHOP)
    split = relation_split(Knowledge(log_of([0, 1, 2, 3]), SHOP, 0), relation)
    assert (split.cases.items.tolist(), split.cases.targets.tolist()) == ([1], [2])
    assert split.candidates is Candidates.OTHER_CATEGORIES
    assert split.candidates.banned(split.cases, SHOP).tolist() == [[True, True, False, False]]


def test_what_is_learned_is_the_next_item_of_another_category() -> None:
    log = log_of([0, 1, 3], [2, 3, 0], [0, 0, 1])
    (first, *_) = cross_category_splits(list(last_step_splits(log, SHOP)))
    pairs = list(zip(first.cases.items.tolist(), first.cases.targets.tolist(), strict=True))
    assert sorted(pairs) == [(0, 3), (1, 3), (2, 0), (3, 0)]  # the third user stays in a category
    assert sorted(first.knowledge.log.items) == [0, 0, 0, 1, 2, 3]  # and no target has been counted


def test_share_of_related(tmp_path: Path) -> None:
    relation = read_relation(write_relations(tmp_path, "1 2\n2 3\n\n"), "also_bought", SHOP)
    split = relation_split(Knowledge(log_of([0, 1, 2, 3]), SHOP, 0), relation)
    lists = np.array([[2, 3, -1], [3, 2, -1]])
    assert share_of_related(lists, split.cases, relation, 4, 10) == pytest.approx(3 / 4)


@pytest.mark.parametrize("lines", ["9\n", "x\n", "-1000\n"])
def test_a_line_that_names_nothing_is_refused(tmp_path: Path, lines: str) -> None:
    with pytest.raises(EventFileError, match="line 1"):
        read_relation(write_relations(tmp_path, lines), "also_bought", SHOP)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match=r"product\.txt"):
        read_relation(tmp_path, "also_bought", SHOP)


def test_one_root_for_all_does_not_tell_items_apart() -> None:
    assert isinstance(SHOP, Catalogue)
    assert SHOP.top_categories.tolist() == [0, 0, 1, 1]
