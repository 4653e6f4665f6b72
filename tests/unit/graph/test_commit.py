"""Whose ledgers, from where: the judgement that every store shares."""

import pytest

from graph.commit import check_partitions, has_happened, judge_ledgers, named_categories
from graph.model import ItemRow
from graph.store import Fenced, LedgerCommit, LedgerMove, Refused, StaleLedger

COMMIT = LedgerCommit(
    {"a": "mine", "b": "mine too"}, [LedgerMove("a", 3, 5, b"", b""), LedgerMove("b", 7, 7, b"", b"")]
)
BEFORE = {"a": ("mine", 3), "b": ("mine too", 7)}
AFTER = {"a": ("mine", 5), "b": ("mine too", 7)}


def test_ledgers_as_expected_pass() -> None:
    judge_ledgers(COMMIT, BEFORE)


@pytest.mark.parametrize(
    ("standing", "error"),
    [
        ({**BEFORE, "b": ("another", 7)}, Fenced),
        ({**BEFORE, "b": ("another", 8)}, Fenced),
        ({"a": ("mine", 3)}, Fenced),
        ({**BEFORE, "a": ("mine", 4), "b": ("another", 7)}, Fenced),
        ({**BEFORE, "a": ("mine", 4)}, StaleLedger),
        (AFTER, StaleLedger),
    ],
)
def test_other_ledgers_do_not(standing: dict[str, tuple[str, int]], error: type[Exception]) -> None:
    with pytest.raises(error):
        judge_ledgers(COMMIT, standing)


@pytest.mark.parametrize(
    ("standing", "happened"),
    [
        (AFTER, True),
        (BEFORE, False),
        ({}, False),
        ({**AFTER, "a": ("another", 5)}, False),
        ({**AFTER, "b": ("mine too", 9)}, False),
    ],
)
def test_a_commit_has_happened_when_every_ledger_stands_where_it_leads(
    standing: dict[str, tuple[str, int]], happened: bool
) -> None:
    assert has_happened(COMMIT, standing) is happened


def test_a_commit_that_moves_no_offset_never_counts_as_happened() -> None:
    still = LedgerCommit({"b": "mine too"}, [LedgerMove("b", 7, 7, b"", b"o")])
    assert not has_happened(still, AFTER)


def test_partition_counts_that_differ_are_refused_with_both_numbers() -> None:
    check_partitions({"topic": 4}, {"topic": 4, "new": 9})
    with pytest.raises(Refused, match=r"topic has 8 partitions.*built with 4"):
        check_partitions({"topic": 4}, {"topic": 8})


def test_a_real_row_makes_its_ancestors_real_and_no_others() -> None:
    rows = [
        ItemRow("1", category="A > B > C", derived=True),
        ItemRow("2", category="A > B"),
        ItemRow("3", category="D", derived=True),
        ItemRow("4"),
    ]
    assert named_categories(rows) == {"A": False, "A > B": False, "A > B > C": True, "D": True}
