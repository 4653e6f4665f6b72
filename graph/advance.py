"""One step of one user: interactions in, changed state and association deltas out."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from graph.interest import CategoryOf, category_in_state, fold_items
from graph.model import Interaction
from graph.settings import GraphSettings
from graph.state import UserState, add_interaction, settle, trim_history
from graph.transitions import Atom, Delta, pairs_of, transition_atoms, transition_deltas


@dataclass(frozen=True, slots=True)
class Advance:
    """What one step did. ``atoms`` are those of the trimmed history: the next step's ``old_atoms``."""

    applied: int
    duplicates: int
    deltas: list[Delta]
    atoms: Counter[Atom]


def advance(
    state: UserState,
    interactions: Iterable[Interaction],
    category_of: CategoryOf,
    settings: GraphSettings,
    old_atoms: Counter[Atom] | None = None,
) -> Advance:
    """Apply a bundle's interactions of one user to ``state``, in place, and return the change for the associations.

    Without interactions it is a refresh: categories that the catalogue has changed since are taken over.
    ``old_atoms`` saves recomputing them when the caller still has the last step's.
    """
    if old_atoms is None:
        old_atoms = transition_atoms(state.history, settings.association)
    applied = duplicates = 0
    for interaction in interactions:
        if add_interaction(state, interaction, settings.interest):
            applied += 1
        else:
            duplicates += 1
    settle(state, settings.interest)
    for entry in state.history:
        entry.category = category_in_state(state, entry.item_id, category_of)
    fold_items(state, category_of, settings.interest)
    new_atoms = transition_atoms(state.history, settings.association)
    before = len(state.history)
    trim_history(state, settings.interest)
    kept_atoms = new_atoms if len(state.history) == before else transition_atoms(state.history, settings.association)
    deltas = transition_deltas(
        old_atoms, new_atoms, pairs_of(old_atoms), pairs_of(kept_atoms), settings.association.half_life_seconds
    )
    return Advance(applied, duplicates, deltas, kept_atoms)
