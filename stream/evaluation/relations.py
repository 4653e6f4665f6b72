"""Cross-sell judged by what is known of pairs of items: bought together, also bought, also viewed.

The folder holds, as McAuley, Targett, Shi & van den Hengel (SIGIR 2015) give them for Amazon: ``product.txt`` and
``related_product.txt``, an item id per line, and ``<relation>_p_p.txt``, whose line i lists the related items of
product i as 0-based lines of ``related_product.txt``; each also with ``.gz`` behind it. Relations are truth only:
nothing learns from them.
"""

import gzip
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stream.evaluation.cases import Candidates, Cases, Split
from stream.evaluation.interactions import Catalogue, IntArray, Knowledge, Log
from stream.evaluation.ranker.sparse_rows import row_sums, without_diagonal
from stream.evaluation.steps import steps_of
from stream.event_files import EventFileError

COMPLEMENTS = ("bought_together", "also_bought")
SUBSTITUTES = "also_viewed"

LOOK_AHEAD = 3
"""At most so many steps lie between what a user took together, to be learned from."""

MOST_PAIRS = 10
"""So many of an item's pairs are learned from."""

MOST_ITEMS = 6_000
"""Pairs of at most so many items are learned from."""

PARTS = 4
"""The users of one part of so many are left out."""


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
    return _pair_split(knowledge, source[other], relation.items[other])


def cross_category_split(log: Log, catalogue: Catalogue, seed: int = 0) -> Split:
    """Return what a part of the users, whom the knowledge leaves out, took together in other top categories.

    What relations are judged by is not learned from relations, but the question is the same: of every item, however
    rare, and once, what goes with it, in either order. Users and not times are left out: relations are of no time.
    """
    left_out = log.users % PARTS == 0
    knowledge = Knowledge(log.select(~left_out), catalogue, int(log.times.max(initial=0)))
    split = _pair_split(knowledge, *remarkable_pairs(log.select(left_out), catalogue))
    return replace(split, cases=split.cases.sample(MOST_ITEMS, seed))


def remarkable_pairs(log: Log, catalogue: Catalogue) -> tuple[IntArray, IntArray]:
    """Return (m,) items and (m,) items of other top categories that go with them, sorted by the first.

    N times both were taken at most LOOK_AHEAD steps apart; E is how often they would be by chance. Of each item the
    MOST_PAIRS highest (N - E) / sqrt(E) are kept, if above 0: common items go with everything (Smith & Linden, Two
    decades of recommender systems at Amazon.com, IEEE Internet Computing 21(3), 2017).
    """
    steps, tops = steps_of(log, len(catalogue)), catalogue.top_categories
    later = sum((steps.pairs_at(gap) for gap in range(1, LOOK_AHEAD + 1)), steps.pairs_at(0) / 2)
    pairs = without_diagonal((later + later.T).tocsr()).tocoo()
    source, target = pairs.row.astype(np.int64), pairs.col.astype(np.int64)
    totals = row_sums(pairs.tocsr())
    expected = totals[source] * totals[target] / max(totals.sum(), 1.0)
    surprise = (pairs.data - expected) / np.sqrt(expected)
    kept = (tops[source] >= 0) & (tops[target] >= 0) & (tops[source] != tops[target]) & (surprise > 0)
    source, target, surprise = source[kept], target[kept], surprise[kept]
    order = np.lexsort((target, -surprise, source))
    source, target = source[order], target[order]
    near = np.arange(len(source)) - np.searchsorted(source, source) < MOST_PAIRS
    return source[near], target[near]


def _pair_split(knowledge: Knowledge, source: IntArray, target: IntArray) -> Split:
    """Return a case per item of ``source``, which is sorted; its targets are beside it in ``target``."""
    items, counts = np.unique(source, return_counts=True)
    return Split(knowledge, _single_item_cases(items, counts, target, knowledge.now), Candidates.OTHER_CATEGORIES)


def _single_item_cases(items: IntArray, counts: IntArray, targets: IntArray, now: int) -> Cases:
    n = len(items)
    return Cases(
        users=np.full(n, -1, np.int64),
        offsets=np.arange(n + 1),
        items=items,
        ages=np.zeros(n, np.int64),
        times=np.full(n, now, np.int64),
        places=np.full(n, -1, np.int64),
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
