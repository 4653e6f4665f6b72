"""What of a source's associations is not as it should be. Pure."""

from collections.abc import Iterator

from graph.association import PairSums, SourceState
from graph.decay import decay_factor
from graph.model import AssociationEdge, Family, Level, SuccessorRecord
from graph.ranking.associations import EdgeStatistics
from graph.settings import AssociationSettings
from stream.checking.findings import Difference, Invariant
from stream.checking.numbers import close, close_at_one_time

_LEAST_WEIGHT = 1e-9
"""Weights below may be left out of sums, edges and records."""


def pair_name(level: Level, family: Family, source: str, target: str) -> str:
    """Name an association."""
    return f"{level.value} association {source} -{family.value}-> {target}"


def same_weight(one: PairSums, other: PairSums, settings: AssociationSettings) -> bool:
    """Tell whether two decayed weights agree at one time."""
    return close_at_one_time(one.weight, one.at, other.weight, other.at, settings.half_life_seconds)


def state_differences(wanted: SourceState, found: SourceState, settings: AssociationSettings) -> Iterator[Difference]:
    """Compare a state in the graph with the sum of the deltas that were sent."""
    for family in Family:
        expected, there = wanted.family(family), found.family(family)
        for target in sorted(expected.keys() | there.keys()):
            where = f"state of {pair_name(wanted.level, family, wanted.source, target)}"
            one, other = expected.get(target), there.get(target)
            if one is None or other is None:
                yield _difference(
                    where, "pair", "none" if one is None else "a pair", "none" if other is None else "a pair"
                )
                continue
            if one.users != other.users:
                yield _difference(where, "users", one.users, other.users)
            if one.count != other.count:
                invariant = Invariant.ONCE if other.count > one.count else Invariant.ACCOUNTING
                yield Difference(invariant, where, "transitions", str(one.count), str(other.count))
            elif not same_weight(one, other, settings):
                yield _difference(where, "weight", f"{one.weight!r} at {one.at}", f"{other.weight!r} at {other.at}")


def record_differences(
    wanted: SourceState, record: SuccessorRecord | None, settings: AssociationSettings
) -> Iterator[Difference]:
    """Compare the last record on the associations topic with the state it was published of."""
    for family in Family:
        expected = wanted.family(family)
        successors = () if record is None else record.viewed if family is Family.VIEWED_NEXT else record.bought
        there = {successor.target: successor for successor in successors}
        at = record.updated_at if record else 0
        for target in sorted(expected.keys() | there.keys()):
            where = f"record of {pair_name(wanted.level, family, wanted.source, target)}"
            one, other = expected.get(target), there.get(target)
            if one is None or other is None:
                yield _difference(
                    where, "pair", "none" if one is None else "a pair", "none" if other is None else "a pair"
                )
            elif (one.count, one.users) != (other.count, other.users):
                yield _difference(where, "transitions and users", (one.count, one.users), (other.count, other.users))
            elif not close_at_one_time(one.weight, one.at, other.weight, at, settings.half_life_seconds):
                yield _difference(where, "weight", f"{one.weight!r} at {one.at}", f"{other.weight!r} at {at}")


def edge_differences(
    wanted: EdgeStatistics | None,
    found: AssociationEdge | None,
    settings: AssociationSettings,
    *,
    ratios: bool,
) -> Iterator[Difference]:
    """Compare an edge with the sums; ``ratios``: also confidence and lift, which follow the totals with a delay."""
    edge = wanted or found
    if edge is None:
        return
    where = pair_name(Level.CATEGORY, edge.family, edge.source, edge.target)
    if wanted is None or found is None:
        if edge.weight >= _LEAST_WEIGHT:
            drawn = "no edge" if wanted is None else "an edge", "no edge" if found is None else "an edge"
            yield _difference(where, "edge", *drawn)
        return
    times = wanted.at, found.updated_at
    if wanted.users != found.users:
        yield _difference(where, "users", wanted.users, found.users)
    if not close_at_one_time(wanted.weight, times[0], found.weight, times[1], settings.half_life_seconds):
        at = max(times)
        weights = (
            weight * decay_factor(at - of, settings.half_life_seconds)
            for weight, of in zip((wanted.weight, found.weight), times, strict=True)
        )
        yield _difference(where, f"weight at {at}", *weights)
    if ratios:
        for what, one, other in (
            ("confidence", wanted.confidence, found.confidence),
            ("lift", wanted.lift, found.lift),
        ):
            if not close(one, other):
                yield _difference(where, what, one, other)


def _difference(where: str, what: str, expected: object, found: object) -> Difference:
    return Difference(Invariant.GRAPH, where, what, str(expected), str(found))
