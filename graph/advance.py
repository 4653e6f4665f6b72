"""One step of one user: interactions in, changed state and association deltas out."""

from collections.abc import Iterable
from dataclasses import dataclass

from graph.interest import CategoryOf, category_in_state, fold_items
from graph.model import Interaction
from graph.settings import GraphSettings
from graph.state import UserState, add_interaction, settle, trim_history
from graph.transitions import Delta, sequence_deltas, sequences


@dataclass(frozen=True, slots=True)
class Advance:
    """What one step did."""

    applied: int
    duplicates: int
    deltas: list[Delta]


def advance(
    state: UserState,
    interactions: Iterable[Interaction],
    category_of: CategoryOf,
    settings: GraphSettings,
) -> Advance:
    """Apply a bundle's interactions of one user to ``state``, in place, and return the change for the associations.

    Without interactions it is a refresh: categories that the catalogue has changed since are taken over.
    """
    before = sequences(state.history)
    applied = duplicates = 0
    for interaction in interactions:
        if add_interaction(state, interaction, settings.interest):
            applied += 1
        else:
            duplicates += 1
    settle(state, settings.interest)
    for entry in state.history:
        category = category_in_state(state, entry.item_id, category_of)
        # An item that was folded away has no opinion any more: its entries keep the category they had.
        if category is not None or entry.item_id in state.items:
            entry.category = category
    fold_items(state, category_of, settings.interest)
    after = sequences(state.history)
    length = len(state.history)
    trim_history(state, settings.interest)
    kept = after if len(state.history) == length else sequences(state.history)
    return Advance(applied, duplicates, sequence_deltas(before, after, kept, settings.association))
