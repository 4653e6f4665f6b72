"""One step of one user: interactions in, changed state and association deltas out."""

from collections.abc import Iterable
from dataclasses import dataclass

from graph.interest import CategoryOf, category_in_state, fold_items, unresolved_items
from graph.model import Interaction
from graph.settings import GraphSettings
from graph.state import HistoryEntry, UserState, add_interaction, settle, trim_history
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
        entry.category = _category_now(state, entry, category_of)
    fold_items(state, category_of, settings.interest)
    after = sequences(state.history)
    length = len(state.history)
    trim_history(state, settings.interest)
    kept = after if len(state.history) == length else sequences(state.history)
    return Advance(applied, duplicates, sequence_deltas(before, after, kept, settings.association))


def withdraw(state: UserState, settings: GraphSettings) -> list[Delta]:
    """Return the change for the associations when the user is erased: all that the history still adds is taken back.

    What fell out of the history before stays with the associations, as weight that no user is counted for any more.
    """
    nothing = sequences(())
    return sequence_deltas(sequences(state.history), nothing, nothing, settings.association)


def awaited_items(state: UserState, category_of: CategoryOf) -> list[str]:
    """Return the items for whose sake a refresh of the user is due now, or once the catalogue has spoken.

    Items that the catalogue has given no category yet; and items of the history whose transitions were counted under
    another category than today's, which is so when the state was loaded and not advanced. Ordered, each once.
    """
    awaited = dict.fromkeys(unresolved_items(state, category_of))
    for entry in state.history:
        if entry.category != _category_now(state, entry, category_of):
            awaited[entry.item_id] = None
    return list(awaited)


def _category_now(state: UserState, entry: HistoryEntry, category_of: CategoryOf) -> str | None:
    category = category_in_state(state, entry.item_id, category_of)
    # An item that was folded away has no opinion any more: its entries keep the category they had.
    return entry.category if category is None and entry.item_id not in state.items else category
