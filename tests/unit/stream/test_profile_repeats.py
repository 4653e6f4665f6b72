"""What the ranker is told of a user's purchases: what is owned, and what may be bought again."""

import pytest

from graph.model import Interaction, Kind
from graph.settings import GraphSettings
from stream.explanations import user_from
from stream.microbatch import profile_of

DAY = 86_400_000
SETTINGS = GraphSettings()


def did(kind: Kind, item: str, day: int) -> Interaction:
    return Interaction(f"{kind}-{item}-{day}", kind, "u", item, day * DAY)


def no_category(_: str) -> None:
    return None


def test_what_was_bought_again_may_be_bought_again_and_what_was_bought_lately_is_owned() -> None:
    life = [
        did(Kind.PURCHASE, "tea", 0),
        did(Kind.PURCHASE, "tea", 40),
        did(Kind.PURCHASE, "mug", 95),
        did(Kind.VIEW, "pot", 100),
    ]
    profile = profile_of(user_from("u", life, no_category, SETTINGS), no_category, SETTINGS)
    assert profile.owned == {"mug": 95 * DAY}
    assert profile.repeats == pytest.approx({"tea": 1 / (1 + SETTINGS.ranking.repeat_half) * 2 / 4})


def test_a_purchase_taken_back_was_none() -> None:
    life = [did(Kind.PURCHASE, "tea", 0), did(Kind.PURCHASE, "tea", 40), did(Kind.REFUND, "tea", 41)]
    later = [*life, did(Kind.VIEW, "pot", 100)]
    assert profile_of(user_from("u", later, no_category, SETTINGS), no_category, SETTINGS).repeats == {}


def test_views_alone_are_no_purchases() -> None:
    life = [did(Kind.VIEW, "tea", day) for day in (0, 40, 80, 120)]
    assert profile_of(user_from("u", life, no_category, SETTINGS), no_category, SETTINGS).repeats == {}
