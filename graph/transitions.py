"""What a user's history says about which item follows which, and the change of it as deltas.

VIEWED_NEXT runs over the history's clicks and views, BOUGHT_NEXT over its purchases; each active entry is paired with
the ``max_gap`` entries before it in its sequence that are within the family's window, with weight 1/gap. Two entries
of the same moment are paired both ways: a basket has no order. The same pairs count between the items' categories
where these differ.

A user's contribution is a set of atoms, a pure function of the history. A delta is the difference of two such sets,
so whatever a user added can be taken back exactly: late interactions, refunds, moved categories, erasure.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import msgspec

from graph.decay import sum_decayed
from graph.model import VIEWING, Family, Kind, Level
from graph.settings import AssociationSettings
from graph.state import HistoryEntry

Pair = tuple[Level, Family, str, str]
"""Level, family, source, target."""

Atom = tuple[Level, Family, str, str, int, int]
"""A pair with its gap (its weight is 1/gap) and the time (ms) of the transition's later end."""

Step = tuple[int, str, str | None]
"""What transitions see of a history entry: time (ms), item, category."""


class Sequences(NamedTuple):
    """The steps of a history that VIEWED_NEXT and BOUGHT_NEXT run over, oldest first."""

    viewed: list[Step]
    bought: list[Step]


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


def sequences(history: Iterable[HistoryEntry]) -> Sequences:
    """Return a history's steps. Entries must be sorted by (time, event id) and carry their category."""
    viewed: list[Step] = []
    bought: list[Step] = []
    for entry in history:
        if not entry.active:
            continue
        if entry.kind in VIEWING:
            viewed.append((entry.at, entry.item_id, entry.category))
        elif entry.kind is Kind.PURCHASE:
            bought.append((entry.at, entry.item_id, entry.category))
    return Sequences(viewed, bought)


def transition_atoms(history: Iterable[HistoryEntry], settings: AssociationSettings) -> Counter[Atom]:
    """Return a history's atoms. Entries must be sorted by (time, event id) and carry their category."""
    atoms: dict[Atom, int] = {}
    for family, steps in _families(sequences(history)):
        _add_atoms(atoms, family, steps, range(len(steps)), settings)
    return Counter(atoms)


def _families(steps: Sequences) -> tuple[tuple[Family, list[Step]], ...]:
    return (Family.VIEWED_NEXT, steps.viewed), (Family.BOUGHT_NEXT, steps.bought)


def _add_atoms(
    atoms: dict[Atom, int],
    family: Family,
    steps: list[Step],
    positions: Iterable[int],
    settings: AssociationSettings,
    times: int = 1,
) -> None:
    """Add ``times`` of every atom whose later end is one of ``positions``. The hot loop of the whole graph."""
    viewed = family is Family.VIEWED_NEXT
    window_ms = 1000.0 * (settings.view_window_seconds if viewed else settings.purchase_window_seconds)
    max_gap, of_item, of_category = settings.max_gap, Level.ITEM, Level.CATEGORY
    for position in positions:
        at, item, category = steps[position]
        for gap in range(1, min(max_gap, position) + 1):
            earlier_at, earlier_item, earlier_category = steps[position - gap]
            if at - earlier_at > window_ms:
                break
            if earlier_item == item:
                continue
            both_ways = earlier_at == at
            atom: Atom = of_item, family, earlier_item, item, gap, at
            atoms[atom] = atoms.get(atom, 0) + times
            if both_ways:
                atom = of_item, family, item, earlier_item, gap, at
                atoms[atom] = atoms.get(atom, 0) + times
            if category is not None and earlier_category is not None and category != earlier_category:
                atom = of_category, family, earlier_category, category, gap, at
                atoms[atom] = atoms.get(atom, 0) + times
                if both_ways:
                    atom = of_category, family, category, earlier_category, gap, at
                    atoms[atom] = atoms.get(atom, 0) + times


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
    changes = {atom: times - old.get(atom, 0) for atom, times in new.items()}
    changes.update({atom: -times for atom, times in old.items() if atom not in new})
    return _deltas(changes, held_before, held_after, half_life_seconds)


def sequence_deltas(before: Sequences, after: Sequences, kept: Sequences, settings: AssociationSettings) -> list[Delta]:
    """Return what :func:`transition_deltas` returns, computing only the atoms near what changed.

    ``before`` and ``after`` a change of the history; ``kept`` is what of ``after`` the history remembers from now on.
    Costs O(changes * max_gap), and a look at the steps of the items that changed, instead of O(history * max_gap).
    """
    changes = _atom_changes(before, after, settings)
    pairs = pairs_of(changes)
    if kept is not after:
        pairs |= pairs_of(_atom_changes(after, kept, settings))
    if not pairs:
        return []
    held_before, held_after = _held(before, pairs, settings), _held(kept, pairs, settings)
    return _deltas(changes, held_before, held_after, settings.half_life_seconds)


def _atom_changes(before: Sequences, after: Sequences, settings: AssociationSettings) -> dict[Atom, int]:
    changes: dict[Atom, int] = {}
    for (family, old), (_, new) in zip(_families(before), _families(after), strict=True):
        if old == new:
            continue
        start, tail = _common_ends(old, new)
        # Later ends in the common start pair only with that start. Those of the common tail pair with what changed
        # only within the first max_gap steps.
        for steps, times in ((old, -1), (new, 1)):
            stop = min(len(steps), len(steps) - tail + settings.max_gap)
            _add_atoms(changes, family, steps, range(start, stop), settings, times)
    return {atom: times for atom, times in changes.items() if times}


def _common_ends(old: list[Step], new: list[Step]) -> tuple[int, int]:
    """Return the lengths of the longest common start, and of the longest common tail of what is left."""
    shorter = min(len(old), len(new))
    start = tail = 0
    while start < shorter and old[start] == new[start]:
        start += 1
    while tail < shorter - start and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    return start, tail


def _held(steps: Sequences, pairs: Collection[Pair], settings: AssociationSettings) -> set[Pair]:
    """Return those of ``pairs`` that some atom of the steps is about."""
    atoms: dict[Atom, int] = {}
    for family, sequence in _families(steps):
        ends = {end for pair in pairs if pair[1] is family for end in pair[2:]}
        if ends:
            near = [i for i, (_, item, category) in enumerate(sequence) if item in ends or category in ends]
            _add_atoms(atoms, family, sequence, near, settings)
    return pairs_of(atoms).intersection(pairs)


def _deltas(
    changes: Mapping[Atom, int], held_before: set[Pair], held_after: set[Pair], half_life_seconds: float
) -> list[Delta]:
    parts: defaultdict[Pair, list[tuple[float, int]]] = defaultdict(list)
    counts: defaultdict[Pair, int] = defaultdict(int)
    for atom, times in changes.items():
        if times:
            parts[atom[:4]].append((times / atom[4], atom[5]))
            counts[atom[:4]] += times
    deltas = []
    for pair in sorted(parts.keys() | (held_before ^ held_after)):
        weight, at = sum_decayed(parts[pair], half_life_seconds) if pair in parts else (0.0, 0)
        users = (pair in held_after) - (pair in held_before)
        deltas.append(Delta(*pair, weight, at, counts[pair], users))
    return deltas
