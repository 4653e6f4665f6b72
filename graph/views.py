"""The order in which every store shows interests, touches and associations, so that two stores compare equal."""

from collections.abc import Iterable

from graph.model import AssociationEdge, Interest, Touch


def strongest_first(interests: Iterable[Interest]) -> list[Interest]:
    """Order by descending rank key, then path."""
    return sorted(interests, key=lambda interest: (-interest.rank_key, interest.category))


def latest_first(touches: Iterable[Touch]) -> list[Touch]:
    """Order by descending time, then item, views before purchases."""
    return sorted(touches, key=lambda touch: (-touch.last_at, touch.item_id, touch.purchased))


def by_family(edges: Iterable[AssociationEdge]) -> list[AssociationEdge]:
    """Order by family, source, target."""
    return sorted(edges, key=lambda edge: (edge.family, edge.source, edge.target))
