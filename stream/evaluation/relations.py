"""Cross-sell judged by what is known of pairs of items: bought together, also bought, also viewed.

The folder holds, as McAuley, Targett, Shi & van den Hengel (SIGIR 2015) give them for Amazon: ``product.txt`` and
``related_product.txt``, an item id per line, and ``<relation>_p_p.txt``, whose line i lists the related items of
product i as 0-based lines of ``related_product.txt``; each also with ``.gz`` behind it. Relations are truth only:
nothing learns from them.
"""

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream.evaluation.cases import Candidates, Cases, Split
from stream.evaluation.interactions import Catalogue, IntArray, Knowledge
from stream.event_files import EventFileError

COMPLEMENTS = ("bought_together", "also_bought")
SUBSTITUTES = "also_viewed"

LOOK_AHEAD = 3
"""How many steps behind an item its next item of another category may be, to be learned from."""


@dataclass(frozen=True)
class Relation:
    """related: items[offsets[i]:offsets[i + 1]] are the catalogue codes related to item i."""

    offsets: IntArray
    items: IntArray


def read_relation(folder: Path, name: str, catalogue: Catalogue) -> Relation:
    """Read one relation between items of the catalogue. Raises EventFileError."""
    ids = _lines(folder, "product.txt")
    others = [catalogue.codes.get(item_id, -1) for item_id in _lines(folder, "related_product.txt")]
    related: list[list[int]] = [[] for _ in range(len(catalogue))]
    for number, line in enumerate(_lines(folder, f"{name}_p_p.txt")):
        code = catalogue.codes.get(ids[number], -1) if number < len(ids) else -1
        if code < 0:
            continue
        try:
            found = {others[int(place)] for place in line.split()}
        except (ValueError, IndexError):
            raise EventFileError(f"{folder}: {name}: line {number + 1} names no line of related_product.txt") from None
        related[code] = sorted(found - {-1, code})
    lengths = [len(items) for items in related]
    return Relation(
        np.r_[0, np.cumsum(lengths)].astype(np.int64), np.array([code for items in related for code in items], np.int64)
    )


def relation_split(knowledge: Knowledge, relation: Relation) -> Split:
    """Return a case per item that has a related item of another top category: its history is that item alone."""
    tops = knowledge.catalogue.top_categories
    source = np.repeat(np.arange(knowledge.n_items), np.diff(relation.offsets))
    other = (tops[source] >= 0) & (tops[relation.items] >= 0) & (tops[source] != tops[relation.items])
    source, target = source[other], relation.items[other]
    items, counts = np.unique(source, return_counts=True)
    return Split(knowledge, _single_item_cases(items, counts, target, knowledge.now), Candidates.OTHER_CATEGORIES)


def cross_category_splits(splits: Sequence[Split]) -> Iterator[Split]:
    """Yield, of earlier tests, what each user's items led to in other top categories, item by item.

    What relations are judged by is not learned from relations: a case is one of the last items of a history, its
    targets are those items of other top categories that its user took next.
    """
    for split in splits:
        cases, tops = split.cases, split.knowledge.catalogue.top_categories
        near = np.flatnonzero(cases.ages < LOOK_AHEAD)
        rows = cases.rows[near]
        n_targets = np.diff(cases.target_offsets)[rows]
        source = np.repeat(cases.items[near], n_targets)
        case = np.repeat(np.arange(len(near)), n_targets)
        first = np.repeat(cases.target_offsets[rows] - np.r_[0, np.cumsum(n_targets)[:-1]], n_targets)
        target = cases.targets[first + np.arange(len(first))]
        other = (tops[source] >= 0) & (tops[target] >= 0) & (tops[source] != tops[target])
        kept, counts = np.unique(case[other], return_counts=True)
        if len(kept):
            found = _single_item_cases(cases.items[near[kept]], counts, target[other], split.knowledge.now)
            users = cases.users[rows[kept]]
            yield Split(
                split.knowledge, replace(found, users=users, clusters=users), Candidates.OTHER_CATEGORIES
            )  # fmt: skip


def _single_item_cases(items: IntArray, counts: IntArray, targets: IntArray, now: int) -> Cases:
    n = len(items)
    return Cases(
        users=np.full(n, -1, np.int64),
        offsets=np.arange(n + 1),
        items=items,
        ages=np.zeros(n, np.int64),
        times=np.full(n, now, np.int64),
        at=np.full(n, now, np.int64),
        target_offsets=np.r_[0, np.cumsum(counts)].astype(np.int64),
        targets=targets,
        clusters=np.arange(n),
    )


def share_of_related(lists: IntArray, cases: Cases, relation: Relation, n_items: int, k: int) -> float:
    """Return the share of the listed items, down to place k, that a relation holds of the case's newest item."""
    source = np.repeat(np.arange(len(relation.offsets) - 1), np.diff(relation.offsets))
    newest = cases.items[cases.offsets[1:] - 1]
    keys = newest[:, None] * n_items + lists[:, :k]
    listed = lists[:, :k] >= 0
    return float(np.isin(keys[listed], source * n_items + relation.items).mean()) if listed.any() else 0.0


def _lines(folder: Path, name: str) -> list[str]:
    for path, opened in ((folder / f"{name}.gz", gzip.open), (folder / name, open)):
        if path.is_file():
            try:
                with opened(path, "rt", encoding="utf-8") as file:
                    return file.read().splitlines()
            except (OSError, EOFError, UnicodeDecodeError) as error:
                raise EventFileError(f"{path}: {error}") from None
    raise EventFileError(f"{folder}: there is no {name} (or {name}.gz)")
