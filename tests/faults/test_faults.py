"""A few minutes of the storms of ``make faults``, seeded: kills, a zombie, both servers; and a control that must fail.

FAULTS_SEED chooses another storm. What failed prints its schedule.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.grounds import Grounds, make_grounds
from tests.faults.schedule import Cycle, Subject, describe, short_kills, short_mixture
from tests.faults.storm import Outcome, run_cycle

pytestmark = [pytest.mark.servers, pytest.mark.timeout(1200)]

SEED = int(os.environ.get("FAULTS_SEED", "1"))


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory, jars: Callable[[str], Path], java: Path) -> Iterator[Grounds]:
    """Servers of our own, to be killed."""
    folder = tmp_path_factory.mktemp("faults") / "servers"
    grounds = make_grounds(folder, {name: jars(name) for name in ("kafka", "neo4j")}, java)
    yield grounds
    grounds.end()


def explain(outcome: Outcome) -> str:
    return "\n".join([describe(outcome.cycle), str(outcome.faults), *outcome.verdict.differences])


@pytest.mark.parametrize("cycle", [short_kills(SEED), short_mixture(SEED)], ids=lambda cycle: str(cycle.part))
def test_the_product_stays_exact(cycle: Cycle, grounds: Grounds, tmp_path: Path) -> None:
    outcome = run_cycle(cycle, grounds, tmp_path)
    assert outcome.passed, explain(outcome)
    assert sum(outcome.faults.values()) >= len(cycle.lives) + len(cycle.blows), explain(outcome)
    assert outcome.verdict.events > 0


def test_a_textbook_agent_does_not(grounds: Grounds, tmp_path: Path) -> None:
    """A storm in which this loses and doubles nothing would be too mild to prove anything."""
    outcome = run_cycle(short_kills(SEED, Subject.TEXTBOOK), grounds, tmp_path)
    assert outcome.verdict.lost + outcome.verdict.doubled > 0, explain(outcome)
