import itertools
import math
from dataclasses import dataclass
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.model import Family, Level, Successor, SuccessorRecord
from graph.ranking.associations import AssociationIndex, EdgeStatistics
from graph.ranking.settings import RankingSettings
from graph.settings import AssociationSettings

# A busy machine is no fault of the code.
unhurried = settings(deadline=None, max_examples=50)

HALF_LIFE_SECONDS = 1000.0
HALF_LIFE_MS = 1_000_000
SETTINGS = AssociationSettings(half_life_seconds=HALF_LIFE_SECONDS, min_users=3, min_log_likelihood_ratio=2.0)
NAMES = "abcdef"

successor_lists = st.lists(
    st.tuples(st.sampled_from(NAMES), st.floats(0.05, 50), st.integers(0, 9)), max_size=5, unique_by=lambda row: row[0]
)


@st.composite
def records(draw: st.DrawFn) -> SuccessorRecord:
    source = draw(st.sampled_from(NAMES))

    def successors() -> tuple[Successor, ...]:
        rows = draw(successor_lists)
        return tuple(Successor(target, weight, 3, users) for target, weight, users in sorted(rows) if target != source)

    return SuccessorRecord(Level.CATEGORY, source, draw(st.integers(0, 8 * HALF_LIFE_MS)), successors(), successors())


def latest(written: list[SuccessorRecord]) -> list[SuccessorRecord]:
    return list({record.source: record for record in written}.values())


def filled(written: list[SuccessorRecord]) -> AssociationIndex:
    index = AssociationIndex(SETTINGS)
    for record in written:
        index.upsert(record)
    return index


@dataclass
class Recomputed:
    """The same numbers by the book: dictionaries and fsum."""

    written: list[SuccessorRecord]
    family: Family

    def __post_init__(self) -> None:
        held = [record for record in self.written if record.viewed or record.bought]
        newest = max((record.updated_at for record in held), default=0)
        self.pairs = {
            (record.source, successor.target): successor.weight * 2 ** ((record.updated_at - newest) / HALF_LIFE_MS)
            for record in held
            for successor in (record.viewed if self.family is Family.VIEWED_NEXT else record.bought)
        }

    def counts(self, source: str, target: str) -> tuple[float, float, float, float]:
        return (
            self.pairs[source, target],
            math.fsum(weight for (other, _), weight in self.pairs.items() if other == source),
            math.fsum(weight for (_, other), weight in self.pairs.items() if other == target),
            math.fsum(self.pairs.values()),
        )

    def log_likelihood_ratio(self, source: str, target: str) -> float:
        def entropy(*cells: float) -> float:
            return math.fsum(cell * math.log(cell) for cell in cells if cell > 0)

        n_ab, n_a, n_b, total = self.counts(source, target)
        cells = n_ab, n_a - n_ab, n_b - n_ab, total - n_a - n_b + n_ab
        return 2 * (entropy(*cells) - entropy(n_a, total - n_a) - entropy(n_b, total - n_b) + entropy(total))


@unhurried
@given(st.lists(records(), max_size=12))
def test_statistics_are_those_of_the_counts(written: list[SuccessorRecord]) -> None:
    index = filled(written)
    for record in latest(written):
        edges = {(edge.family, edge.target): edge for edge in index.edge_statistics(record.source)}
        assert list(edges) == sorted(edges)
        for family, successors in ((Family.VIEWED_NEXT, record.viewed), (Family.BOUGHT_NEXT, record.bought)):
            book = Recomputed(latest(written), family)
            assert {target for kind, target in edges if kind is family} == {each.target for each in successors}
            for each in successors:
                edge = edges[family, each.target]
                assert edge == index.statistics(Level.CATEGORY, family, record.source, each.target)
                n_ab, n_a, n_b, total = book.counts(record.source, each.target)
                assert (edge.weight, edge.users, edge.at) == (each.weight, each.users, record.updated_at)
                assert edge.confidence == pytest.approx(n_ab / n_a, rel=1e-12)
                assert edge.lift == pytest.approx(n_ab * total / (n_a * n_b), rel=1e-12)
                evidence = book.log_likelihood_ratio(record.source, each.target)
                assert edge.log_likelihood_ratio == pytest.approx(max(evidence, 0.0), rel=1e-9, abs=1e-8 * (1 + total))
                if n_ab < total * (1 - 1e-6):
                    mutual = math.log(n_ab * total / (n_a * n_b)) / -math.log(n_ab / total)
                    assert edge.npmi == pytest.approx(mutual, rel=1e-9, abs=1e-9)


def every_number(index: AssociationIndex) -> dict[str, list[EdgeStatistics]]:
    return {name: index.edge_statistics(name) for name in NAMES}


def matrix_of(index: AssociationIndex) -> dict[tuple[str, str], tuple[float, bool, int, float]]:
    matrix = index.category_associations()
    sources = np.repeat(np.arange(len(matrix.starts) - 1), np.diff(matrix.starts))
    names = index.categories
    return {
        (names[source], names[target]): (score, bought, users, lift)
        for source, target, score, bought, users, lift in zip(
            sources.tolist(),
            matrix.targets.tolist(),
            matrix.scores.tolist(),
            matrix.bought.tolist(),
            matrix.users.tolist(),
            matrix.lift.tolist(),
            strict=True,
        )
    }


@unhurried
@given(st.lists(records(), max_size=10), st.lists(records(), max_size=5), st.integers(0, 1000), st.booleans())
def test_the_same_records_give_the_same_bits_however_they_came(
    written: list[SuccessorRecord], before: list[SuccessorRecord], seed: int, look: bool
) -> None:
    final = latest(written)
    expected = filled(final)
    shuffled = list(final)
    Random(seed).shuffle(shuffled)
    other = AssociationIndex(SETTINGS)
    for record in before + shuffled:
        other.upsert(record)
        if look:  # sums are then kept up to date step by step, not taken at once
            other.category_associations()
    kept = {record.source for record in final}
    for record in before:
        if record.source not in kept:
            other.remove(Level.CATEGORY, record.source)
    assert every_number(other) == every_number(expected)
    assert matrix_of(other) == matrix_of(expected)


@unhurried
@given(st.lists(records(), max_size=8), st.sampled_from([0.5, 3.0, 40.0, 1234.5]))
def test_ratios_do_not_change_as_time_passes(written: list[SuccessorRecord], half_lives: float) -> None:
    written = latest(written)
    shift = int(half_lives * HALF_LIFE_MS)
    now = filled(written)
    later = filled([SuccessorRecord(r.level, r.source, r.updated_at + shift, r.viewed, r.bought) for r in written])
    for name in NAMES:
        for edge, moved in zip(now.edge_statistics(name), later.edge_statistics(name), strict=True):
            assert moved.confidence == edge.confidence
            assert moved.lift == pytest.approx(edge.lift, rel=1e-12)
            assert moved.npmi == pytest.approx(edge.npmi, abs=1e-6)


def pair(source: str, *successors: tuple[str, float, int], at: int = 0, bought: bool = False) -> SuccessorRecord:
    rows = tuple(Successor(target, weight, 1, users) for target, weight, users in successors)
    return SuccessorRecord(Level.CATEGORY, source, at, () if bought else rows, rows if bought else ())


def test_a_weight_at_another_time_has_decayed() -> None:
    index = filled([pair("a", ("b", 8.0, 5), at=5000)])
    edge = index.statistics(Level.CATEGORY, Family.VIEWED_NEXT, "a", "b", at=5000 + 3 * HALF_LIFE_MS)
    assert edge is not None
    assert edge.weight == pytest.approx(1.0)
    assert edge.at == 5000 + 3 * HALF_LIFE_MS


def test_what_is_not_there_has_no_statistics() -> None:
    index = filled([pair("a", ("b", 8.0, 5))])
    assert index.statistics(Level.CATEGORY, Family.BOUGHT_NEXT, "a", "b") is None
    assert index.statistics(Level.CATEGORY, Family.VIEWED_NEXT, "b", "a") is None
    assert index.statistics(Level.ITEM, Family.VIEWED_NEXT, "a", "b") is None
    assert index.edge_statistics("nowhere") == []
    index.upsert(pair("a"))
    assert index.edge_statistics("a") == []
    assert index.statistics(Level.CATEGORY, Family.VIEWED_NEXT, "a", "b") is None


def test_what_rounding_left_of_contributions_taken_back_is_no_association() -> None:
    index = filled([pair("a", ("b", 1e-17, 0), ("c", -1e-18, 0), ("d", 1.0, 1))])
    assert [edge.target for edge in index.edge_statistics("a")] == ["d"]


def test_years_of_short_half_lives_neither_overflow_nor_warn() -> None:
    """Ten years with a half-life of 1000 s are 315,000 half-lives: 2 to that power is no number."""
    index = AssociationIndex(SETTINGS)
    for step in range(200):
        at = step * 1_577_000_000
        index.upsert(pair("a", ("b", 5.0, 5), ("c", 1.0, 5), at=at))
        index.upsert(pair("b", ("c", 5.0, 5), at=at + 300_000))
        edge = index.statistics(Level.CATEGORY, Family.VIEWED_NEXT, "a", "b")
        assert edge is not None
        assert edge.confidence == pytest.approx(5 / 6)
        assert edge.lift == pytest.approx(5 / 6 * (6 * 2**-0.3 + 5) / (5 * 2**-0.3), rel=1e-12)
    index.upsert(pair("old", ("b", 5.0, 5), at=0))
    assert index.edge_statistics("old") == []  # forgotten: nothing is left of it
    assert np.isfinite(index.category_associations().scores).all()


def test_one_new_record_moves_the_landmark_of_all_others() -> None:
    """Seventeen half-lives later sums are taken anew, though hardly anything changed."""
    crowd = [pair(f"s{number}", (f"t{number % 7}", 0.7 + number / 30, 5)) for number in range(50)]
    late = pair("s0", ("t3", 0.4, 5), at=17 * HALF_LIFE_MS)
    index = filled(crowd)
    index.category_associations()
    index.upsert(late)
    expected = filled([late, *crowd[1:]])
    assert [index.edge_statistics(record.source) for record in crowd] == [
        expected.edge_statistics(record.source) for record in crowd
    ]


STRONG = [pair("a", ("b", 30.0, 9)), pair("c", ("d", 30.0, 9)), pair("e", ("f", 30.0, 9), ("b", 1.0, 9))]


def test_the_matrix_scores_confidence_times_positive_npmi() -> None:
    index = filled(STRONG)
    matrix = matrix_of(index)
    edge = index.statistics(Level.CATEGORY, Family.VIEWED_NEXT, "a", "b")
    assert edge is not None
    assert edge.npmi > 0
    factor = RankingSettings().viewed_factor
    score, bought, users, lift = matrix["a", "b"]
    assert score == pytest.approx(factor * edge.confidence * edge.npmi)
    assert (bought, users, lift) == (False, 9, edge.lift)
    assert ("e", "b") not in matrix  # rarer than chance: NPMI is negative


def test_few_users_or_little_evidence_count_for_nothing() -> None:
    few_users = [pair("a", ("b", 30.0, 2)), *STRONG[1:]]
    assert ("a", "b") not in matrix_of(filled(few_users))
    little = [pair(r.source, *((s.target, s.weight / 100, s.users) for s in r.viewed)) for r in STRONG]
    assert matrix_of(filled(little)) == {}


def test_evidence_fades_and_closes_the_gate() -> None:
    fresh = [*STRONG, SuccessorRecord(Level.ITEM, "x", 10 * HALF_LIFE_MS, (Successor("y", 1.0, 1, 1),))]
    assert ("a", "b") in matrix_of(filled(fresh))  # another level's time is not this one's
    aged = [*STRONG, pair("g", ("h", 0.1, 9), at=10 * HALF_LIFE_MS)]
    assert ("a", "b") not in matrix_of(filled(aged))


def test_purchases_come_before_views() -> None:
    def with_bought(users: int) -> list[SuccessorRecord]:
        bought = Successor("b", 4.0, 1, users)
        others = [pair("c", ("d", 30.0, 9), bought=True), pair("e", ("f", 30.0, 9), bought=True)]
        a = SuccessorRecord(Level.CATEGORY, "a", 0, STRONG[0].viewed, (bought,))
        return [
            a,
            *(
                SuccessorRecord(r.level, r.source, 0, r.viewed, o.bought)
                for r, o in zip(STRONG[1:], others, strict=True)
            ),
        ]

    index = filled(with_bought(users=3))
    score, bought, users, lift = matrix_of(index)["a", "b"]
    edge = index.statistics(Level.CATEGORY, Family.BOUGHT_NEXT, "a", "b")
    assert edge is not None
    assert (bought, users, lift) == (True, 3, edge.lift)
    assert score == pytest.approx(edge.confidence * edge.npmi)
    assert matrix_of(filled(with_bought(users=2)))["a", "b"][1] is False


def test_only_the_strongest_successors_are_kept() -> None:
    sources = [pair(name, (f"{name}x", 20.0, 9), (f"{name}y", 10.0, 9), (f"{name}z", 10.0, 9)) for name in "abc"]
    index = AssociationIndex(SETTINGS, RankingSettings(category_successors=2))
    for name in "abc":  # seen first, but no better than the y's, whose paths come first
        index.upsert(pair(f"{name}z", ("elsewhere", 1.0, 0)))
    for record in sources:
        index.upsert(record)
    assert set(matrix_of(index)) == {(name, name + target) for name, target in itertools.product("abc", "xy")}


def test_many_sources_grow_shrink_and_move() -> None:
    """The flat table moves, packs and reuses its slices; what it says stays what was written."""
    random = Random(4)
    index = AssociationIndex(SETTINGS)
    written: dict[str, SuccessorRecord] = {}
    for _ in range(3000):
        source = f"s{random.randrange(40)}"
        targets = random.sample(range(60), random.choice([0, 1, 5, 40]))
        record = pair(source, *((f"t{target}", random.uniform(0.1, 9), 5) for target in sorted(targets)), at=7)
        index.upsert(record)
        written[source] = record
    for source, record in written.items():
        found = {edge.target: edge.weight for edge in index.edge_statistics(source)}
        assert found == {successor.target: successor.weight for successor in record.viewed}
    marginals = index.level(Level.CATEGORY).marginals(Family.VIEWED_NEXT)
    reached = {
        f"t{target}": math.fsum(s.weight for r in written.values() for s in r.viewed if s.target == f"t{target}")
        for target in range(60)
    }
    for target, total in reached.items():
        incoming = marginals.incoming[index.categories.get(target)] if total else 0.0
        assert incoming == pytest.approx(total, rel=1e-12)
