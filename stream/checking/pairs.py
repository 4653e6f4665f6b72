"""I2 of category associations, from the users: what all recomputed users' transitions come to."""

from collections.abc import Collection, Iterable, Mapping

from graph.association import PairSums, SourceState, add_delta
from graph.model import Family, Level
from graph.settings import AssociationSettings
from graph.transitions import Delta
from stream.checking.deltas import Placements
from stream.checking.findings import Findings, Invariant
from stream.checking.source_differences import pair_name, same_weight


class CategoryPairs:
    """The category level of all recomputed users, added up."""

    def __init__(self, settings: AssociationSettings, findings: Findings) -> None:
        self._settings = settings
        self._findings = findings
        self._states: dict[str, SourceState] = {}

    def add(self, deltas: Iterable[Delta]) -> None:
        """Add deltas of the category level."""
        for delta in deltas:
            state = self._states.get(delta.source)
            if state is None:
                state = self._states[delta.source] = SourceState(Level.CATEGORY, delta.source, {}, {})
            add_delta(state, delta, self._settings)

    def compare(self, stored: Mapping[str, SourceState], placements: Placements, changing: Collection[str]) -> None:
        """Compare with what the graph holds: users exactly, counts and weights unless ``placements`` are uncertain.

        ``changing``: categories of users whose items changed theirs; what differs in those is not judged.
        """
        empty = SourceState(Level.CATEGORY, "", {}, {})
        for source in sorted(self._states.keys() | stored.keys()):
            for family in Family:
                wanted = self._states.get(source, empty).family(family)
                found = stored.get(source, empty).family(family)
                for target in sorted(wanted.keys() | found.keys()):
                    self._findings.checked[Invariant.GRAPH] += 1
                    where = pair_name(Level.CATEGORY, family, source, target)
                    one, other = wanted.get(target), found.get(target)
                    users = one.users if one else 0, other.users if other else 0
                    same_users = users[0] == users[1]
                    if same_users and one and other and self._same_transitions(one, other):
                        continue
                    if source in changing or target in changing:
                        cause = "associations of categories that users' items changed to or from"
                        self._findings.undecided[cause] += 1
                    elif not same_users:
                        what = "users, by the users' histories"
                        self._findings.differ(Invariant.GRAPH, where, what, *users)
                    elif placements.uncertain:
                        cause = "associations with transitions from before the catalogue, which have left histories"
                        self._findings.undecided[cause] += 1
                    else:
                        what = "transitions, by the users' histories"
                        counts = one.count if one else 0, other.count if other else 0
                        self._findings.differ(Invariant.GRAPH, where, what, *counts)

    def _same_transitions(self, one: PairSums, other: PairSums) -> bool:
        return one.count == other.count and same_weight(one, other, self._settings)
