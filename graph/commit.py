"""What every store checks before it writes: a call's own consistency, and whose ledgers it moves, from where."""

from collections.abc import Iterable, Mapping, Sequence

from graph.model import AssociationEdge, ItemRow, category_ancestors
from graph.store import Fenced, LedgerCommit, Refused, StaleLedger, StoreError, UserWrite

LedgerStanding = tuple[str, int]
"""(owner, applied) of a ledger as it stands."""


def check_commit(commit: LedgerCommit) -> None:
    """Refuse a commit that moves no ledger, one ledger twice, or a ledger without an owner token.

    Raises StoreError.
    """
    if not commit.moves:
        raise StoreError("a transaction must move at least one ledger")
    keys = [move.key for move in commit.moves]
    _refuse_twice("ledger", keys)
    for key in keys:
        if key not in commit.owners:
            raise StoreError(f"no owner token for ledger {key}")


def judge_ledgers(commit: LedgerCommit, standing: Mapping[str, LedgerStanding]) -> None:
    """Compare the ledgers as they stand, under their lock, with what the commit was computed from.

    Raises Fenced before StaleLedger: a ledger that another worker owns may well have moved too.
    """
    for move in commit.moves:
        owner, _ = standing.get(move.key, ("", 0))
        if owner != commit.owners[move.key]:
            state = "another worker owns it" if owner else "nobody has claimed it"
            raise Fenced(f"ledger {move.key}: {state}")
    for move in commit.moves:
        _, applied = standing[move.key]
        if applied != move.expected:
            raise StaleLedger(f"ledger {move.key}: applied is {applied}, the batch was computed from {move.expected}")


def has_happened(commit: LedgerCommit, standing: Mapping[str, LedgerStanding]) -> bool:
    """Tell from the ledgers, under their lock, whether a commit of unknown outcome went through.

    One that moves no offset cannot be told apart and counts as not happened: its values are absolute, so that writing
    them again changes nothing.
    """
    moves_an_offset = any(move.applied != move.expected for move in commit.moves)
    return moves_an_offset and all(
        standing.get(move.key) == (commit.owners[move.key], move.applied) for move in commit.moves
    )


def check_users(users: Sequence[UserWrite], erased: Sequence[str] = ()) -> None:
    """Refuse a user, an interest or a touch that is given twice, and a user both written and erased.

    Raises StoreError.
    """
    _refuse_twice("user", [*(user.user_id for user in users), *erased])
    for user in users:
        _refuse_twice("interest of a user", [interest.category for interest in user.interests])
        _refuse_twice("touch of a user", [(touch.item_id, touch.purchased) for touch in user.touches])


def check_edges(edges: Sequence[AssociationEdge]) -> None:
    """Refuse an association that is given twice. Raises StoreError."""
    _refuse_twice("association", [(edge.family, edge.source, edge.target) for edge in edges])


def check_items(rows: Sequence[ItemRow], removed: Sequence[str]) -> None:
    """Refuse an item that is given twice, or both written and removed. Raises StoreError."""
    _refuse_twice("item", [*(row.item_id for row in rows), *removed])


def check_partitions(recorded: Mapping[str, int], wanted: Mapping[str, int]) -> None:
    """Compare topics' partition counts with those the graph was built with.

    Raises Refused naming the topic, both counts, and the ways out.
    """
    for topic, partitions in sorted(wanted.items()):
        built_with = recorded.get(topic, partitions)
        if built_with != partitions:
            raise Refused(
                f"topic {topic} has {partitions} partitions, but this graph was built with {built_with}: keys would "
                f"move to other owners and be applied twice. Either create the topic with {built_with} partitions "
                f"again, or stop all workers, give the internal topics new names and the graph an empty database, "
                f"and replay the interactions from their beginning."
            )


def named_categories(rows: Iterable[ItemRow]) -> dict[str, bool]:
    """Return every category that rows name, ancestors included -> whether all rows that do so derived it.

    >>> named_categories([ItemRow("i1", category="Kitchen > Mugs"), ItemRow("i2", category="Kitchen", derived=True)])
    {'Kitchen': False, 'Kitchen > Mugs': False}
    """
    categories: dict[str, bool] = {}
    for row in rows:
        if row.category is not None:
            for path in category_ancestors(row.category):
                categories[path] = categories.get(path, True) and row.derived
    return categories


def _refuse_twice(kind: str, keys: Sequence[object]) -> None:
    if len(set(keys)) != len(keys):
        raise StoreError(f"the same {kind} is given twice in one call")
