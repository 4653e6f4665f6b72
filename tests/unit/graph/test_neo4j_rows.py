"""Rows sent to Neo4j come sorted, each once, so that transactions take their locks in one order."""

from graph import neo4j_rows
from graph.model import AssociationEdge, Family, Interest, ItemRow, Touch
from graph.store import LedgerCommit, LedgerMove, UserWrite


def test_categories_come_once_with_their_ancestors_first() -> None:
    rows = neo4j_rows.category_rows(["B > C", "A", "B > C > D", "B > C"])
    assert [(row["path"], row["name"], row["level"], row["parent"]) for row in rows] == [
        ("A", "A", 1, None),
        ("B", "B", 1, None),
        ("B > C", "C", 2, "B"),
        ("B > C > D", "D", 3, "B > C"),
    ]


def test_ledgers_users_and_items_come_sorted_by_key() -> None:
    commit = LedgerCommit({}, [LedgerMove(key, 0, 1, b"", b"") for key in "bca"])
    assert [row["key"] for row in neo4j_rows.move_rows(commit)] == ["a", "b", "c"]
    assert [row["key"] for row in neo4j_rows.owner_rows({"b": "1", "a": "2"})] == ["a", "b"]
    assert [row[0] for row in neo4j_rows.user_rows([UserWrite(u, 1, 1, 1, [], [], b"", [], []) for u in "ba"])] == [
        "a",
        "b",
    ]
    assert [row[0] for row in neo4j_rows.item_rows([ItemRow("b"), ItemRow("a")])] == ["a", "b"]


def test_a_users_touches_are_parted_by_what_was_done() -> None:
    touches = [Touch("i1", False, 2, 9), Touch("i1", True, 1, 8), Touch("i2", True, 3, 7)]
    interests = [Interest("A", 1.5, 9, 2.5, 3, 1, 0.25)]
    [row] = neo4j_rows.edge_rows([UserWrite("u1", 1, 1, 1, [], [], b"", interests, touches)])
    assert row == ("u1", {"i1": (2, 9)}, {"i1": (1, 8), "i2": (3, 7)}, {"A": (1.5, 9, 2.5, 0.25, 3, 1)})


def test_associations_are_parted_by_family_and_sorted() -> None:
    edges = [
        AssociationEdge(family, source, target, 1.0, 2, 0.5, 1.5, 9)
        for family in Family
        for source, target in [("B", "A"), ("A", "B")]
    ]
    for family in Family:
        assert [row[:2] for row in neo4j_rows.association_rows(edges, family)] == [("A", "B"), ("B", "A")]


def test_the_caption_of_an_item_is_its_title_or_its_id() -> None:
    assert [row[1:3] for row in neo4j_rows.item_rows([ItemRow("a", "Title"), ItemRow("b")])] == [
        ("Title", "Title"),
        ("b", ""),
    ]
