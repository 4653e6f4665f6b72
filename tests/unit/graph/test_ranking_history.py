"""How far back lists look: old items of the history lead somewhere, too, though to less and with less force."""

import numpy as np
import pytest

from graph.model import ItemRow, Kind, Level, Successor, SuccessorRecord
from graph.ranking.lists import CrossSell
from graph.ranking.profile import HistoryItem, UserProfile
from graph.ranking.settings import RankingSettings
from graph.settings import ListSettings
from tests.unit.graph.ranking_shops import DIMENSIONS, NOW, ToyShop

MUGS, CARDS = "Mugs", "Cards"
HISTORY = [f"mug-{place:02}" for place in range(50)]
TRANSITIONS_ALONE = ListSettings(
    size=10, transition_feature=1.0, category_feature=0.0, popularity_feature=0.0, diversity=0.0, max_per_category=10
)


def reached(leads: dict[int, dict[str, float]], **ranking: float) -> dict[str, CrossSell]:
    """Rank a user of fifty mugs; ``leads``: how many steps back a mug is, the cards that it leads to, their weights."""
    cards = sorted({card for targets in leads.values() for card in targets})
    shop = ToyShop(
        rows=[ItemRow(mug, category=MUGS) for mug in HISTORY] + [ItemRow(card, category=CARDS) for card in cards],
        records=[
            SuccessorRecord(
                Level.ITEM,
                HISTORY[-1 - back],
                NOW,
                viewed=(),
                bought=tuple(Successor(card, weight, 5, 5) for card, weight in sorted(targets.items())),
            )
            for back, targets in leads.items()
        ],
        profiles=[
            UserProfile(
                "ann", NOW, [], [HistoryItem(mug, Kind.VIEW, NOW + at - 50) for at, mug in enumerate(HISTORY)], {}, {}
            )
        ],
        vectors=dict.fromkeys([*HISTORY, *cards], np.zeros(DIMENSIONS, np.float32)),
        embeddings={"ann": np.zeros(DIMENSIONS, np.float32)},
        settings=TRANSITIONS_ALONE,
        ranking=RankingSettings(source_exponent=0.0, target_exponent=0.0, **ranking),
    )
    return {entry.item_id: entry for entry in shop.rank()[0].cross_sell if entry.because[0].feature != "POPULAR"}


@pytest.mark.parametrize(("back", "share"), [(1, 0.7), (6, 0.7**6), (7, 0.1), (39, 0.1)])
def test_an_old_item_counts_no_less_than_the_floor(back: int, share: float) -> None:
    found = reached({0: {"card-new": 3.0}, back: {"card-old": 3.0}})
    assert found["card-new"].score == 0.75
    assert found["card-old"].score == pytest.approx(3.0 * share / (3.0 * share + 1.0), abs=1e-6)
    assert found["card-old"].because[0].path == ("ann", HISTORY[-1 - back], "card-old")


def test_what_an_item_has_of_transitions_does_not_depend_on_others() -> None:
    """So that a part of the past which feeds a rival even more is no less a reason for this one."""
    alone, rivalled = (reached({0: {"card-old": 3.0}, 1: {"card-new": rival}}) for rival in (0.5, 300.0))
    assert alone["card-old"] == rivalled["card-old"]
    assert alone["card-new"].score < alone["card-old"].score < rivalled["card-new"].score


@pytest.mark.parametrize("half", [0.5, 3.0])
def test_a_strength_of_half_counts_half(half: float) -> None:
    assert reached({0: {"card-new": half}}, transition_half=half)["card-new"].score == 0.5


def test_beyond_the_forty_latest_nothing_leads_anywhere() -> None:
    assert set(reached({0: {"card-new": 3.0}, 40: {"card-old": 3.0}})) == {"card-new"}


def test_without_a_floor_old_items_fade() -> None:
    found = reached({0: {"card-new": 3.0}, 8: {"card-old": 3.0}}, history_floor=0.0)
    assert found["card-old"].score == pytest.approx(3.0 * 0.7**8 / (3.0 * 0.7**8 + 1.0), abs=1e-6)


def test_what_counts_less_is_followed_less_far() -> None:
    """Eight from the latest item, and of one far back, which counts a fifth of it, a fifth of them: the heaviest."""
    cards = {f"card-{weight}": float(weight) for weight in range(1, 10)}
    assert set(reached({0: cards}, item_successors=8)) == {f"card-{weight}" for weight in range(2, 10)}
    assert set(reached({20: cards}, item_successors=8, history_floor=0.2)) == {"card-8", "card-9"}
