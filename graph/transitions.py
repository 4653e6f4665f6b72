"""What a user's history says about which item follows which, and the change of it as deltas.

VIEWED_NEXT runs over the history's clicks and views, BOUGHT_NEXT over its purchases; each active entry is paired with
the ``max_gap`` entries before it in its sequence that are within the family's window, with weight 1/gap. Two entries
of the same moment are paired both ways: a basket has no order. The same pairs count between the items' categories
where these differ.

A user's contribution is a set of atoms, a pure function of the history. A delta is the difference of two such sets,
so whatever a user added can be taken back exactly: late interactions, refunds, moved categories, erasure.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from graph.decay import sum_decayed
from graph.model import VIEWING, Family, Kind, Level
from graph.settings import AssociationSettings
from graph.state import HistoryEntry

Pair = tuple[Level, Family, str, str]
"""Level, family, source, target."""

Atom = tuple[Level, Family, str, str, int, int]
"""A pair with its gap (its weight is 1/gap) and the time (ms) of the transition's later end."""


class Delta(msgspec.Struct, frozen=True, array_like=True):
    """The change of one directed association that one user makes.

    ``weight`` (may be negative) is valid at ``at`` (ms); ``count`` and ``users`` are integers and may be negative.
    """

    level: Level
    family: Family
    source: str
    target: str
    weight: float
    at: int
    count: int
    users: int


def transition_atoms(history: Iterable[HistoryEntry], settings: AssociationSettings) -> Counter[Atom]:
    """Return a history's atoms. Entries must be sorted by (time, event id) and carry their category."""
    viewed, bought = [], []
    for entry in history:
        if not entry.active:
            continue
        if entry.kind in VIEWING:
            viewed.append(entry)
        elif entry.kind is Kind.PURCHASE:
            bought.append(entry)
    atoms: Counter[Atom] = Counter()
    _add_atoms(atoms, Family.VIEWED_NEXT, viewed, settings.view_window_seconds, settings.max_gap)
    _add_atoms(atoms, Family.BOUGHT_NEXT, bought, settings.purchase_window_seconds, settings.max_gap)
    return atoms


def _add_atoms(
    atoms: Counter[Atom], family: Family, sequence: list[HistoryEntry], window_seconds: float, max_gap: int
) -> None:
    window_ms = window_seconds * 1000.0
    item, category = Level.ITEM, Level.CATEGORY
    for position, later in enumerate(sequence):
        at = later.at
        for gap in range(1, min(max_gap, position) + 1):
            earlier = sequence[position - gap]
            if at - earlier.at > window_ms:
                break
            if earlier.item_id == later.item_id:
                continue
            atoms[item, family, earlier.item_id, later.item_id, gap, at] += 1
            both_ways = earlier.at == at
            if both_ways:
                atoms[item, family, later.item_id, earlier.item_id, gap, at] += 1
            source, target = earlier.category, later.category
            if source is not None and target is not None and source != target:
                atoms[category, family, source, target, gap, at] += 1
                if both_ways:
                    atoms[category, family, target, source, gap, at] += 1


def pairs_of(atoms: Iterable[Atom]) -> set[Pair]:
    """Return the pairs that some atom is about."""
    return {atom[:4] for atom in atoms}


def transition_deltas(
    old: Counter[Atom], new: Counter[Atom], held_before: set[Pair], held_after: set[Pair], half_life_seconds: float
) -> list[Delta]:
    """Return the change from ``old`` to ``new`` atoms, and from the pairs held before to those held after.

    ``new`` may still include entries that fall out of the history: their weight stays with the association, but they
    are no longer among ``held_after``, and the association loses this user. Sorted by pair.
    """
    changes: defaultdict[Pair, list[tuple[Atom, int]]] = defaultdict(list)
    for atom, times in new.items():
        if change := times - old.get(atom, 0):
            changes[atom[:4]].append((atom, change))
    for atom, times in old.items():
        if atom not in new:
            changes[atom[:4]].append((atom, -times))
    users = dict.fromkeys(held_after - held_before, 1) | dict.fromkeys(held_before - held_after, -1)
    deltas = []
    for pair in sorted(changes.keys() | users.keys()):
        level, family, source, target = pair
        parts = [(times / atom[4], atom[5]) for atom, times in changes.get(pair, ())]
        weight, at = sum_decayed(parts, half_life_seconds) if parts else (0.0, 0)
        count = sum(times for _, times in changes.get(pair, ()))
        deltas.append(Delta(level, family, source, target, weight, at, count, users.get(pair, 0)))
    return deltas
