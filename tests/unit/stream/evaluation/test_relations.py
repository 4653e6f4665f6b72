import gzip
from pathlib import Path

import numpy as np
import pytest

from stream.evaluation.cases import Candidates
from stream.evaluation.interactions import Catalogue, Knowledge
from stream.evaluation.relations import (
    cross_category_split,
    read_relation,
    relation_split,
    remarkable_pairs,
    share_of_related,
)
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


def test_what_is_learned_is_what_left_out_users_took_together_in_either_order() -> None:
    log = log_of([0, 2], [0, 1], [1, 3], [2, 3], [3, 2])  # the first and the last are left out
    split = cross_category_split(log, SHOP)
    assert list(zip(split.cases.items.tolist(), split.cases.targets.tolist(), strict=True)) == [(0, 2), (2, 0)]
    assert split.knowledge.log.items.tolist() == [0, 1, 1, 3, 2, 3]  # and what is asked for has not been counted
    assert split.candidates is Candidates.OTHER_CATEGORIES


def test_every_item_is_asked_once_with_its_most_remarkable_pairs() -> None:
    titles = ("",) * 14
    categories = (("Shop", "X"), *(("Shop", "Y"),) * 12, ("Shop", "X"))
    shop = catalogue_of(*(f"i{code}" for code in range(14)), titles=titles, categories=categories)
    together = [[0, code] for code in range(1, 13)]
    with_common = [[13, 12]] * 50  # what goes with everything says least of the first item
    source, target = remarkable_pairs(log_of(*together, *with_common), shop)
    assert np.bincount(source)[0] == 10
    assert set(target[source == 0]) < set(range(1, 12))


def test_pairs_further_apart_than_the_look_ahead_are_not_together() -> None:
    source, target = remarkable_pairs(log_of([0, 1, 1, 1, 2]), SHOP)
    assert (0, 2) not in zip(source.tolist(), target.tolist(), strict=True)
    assert (1, 2) in zip(source.tolist(), target.tolist(), strict=True)


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
