"""A category of interest is named only where the item would score less without it."""

from collections.abc import Sequence

import pytest

from graph.model import Level, Successor, SuccessorRecord
from graph.ranking.lists import CrossSell
from tests.unit.graph.ranking_shops import NOW
from tests.unit.graph.test_ranking_toy_shop import CAMERAS, CARDS, RECORDS, toy_shop, user


def listed(history: Sequence[str], weight: float, strength: float) -> CrossSell | None:
    """Return what is listed of card-2 after these items; ``weight``: of associations, ``strength``: mug-1 to card-2."""
    cameras = [item for item in history if item.startswith("camera")]
    shop = toy_shop(user("ann", *history, cameras=5.0) if cameras else user("ann", *history))
    shop.settings = shop.settings.model_copy(update={"category_feature": weight})
    step = SuccessorRecord(Level.ITEM, "mug-1", NOW, bought=(Successor("card-2", strength, 9, 9),))
    shop.records = [record for record in RECORDS if record.level is Level.CATEGORY or strength == 0.0] + [step]
    return next((entry for entry in shop.rank()[0].cross_sell if entry.item_id == "card-2"), None)


@pytest.mark.parametrize(
    ("history", "weight", "strength", "named"),
    [
        (["mug-1", "camera-1"], 1.0, 1.0, True),
        (["mug-1", "camera-1"], 0.02, 1.0, False),  # the mug is the latest then, and leads to the card more strongly
        (["mug-1", "camera-1", "camera-2", "camera-3"], 0.1, 1.0, False),  # by three places at once
        (["camera-1", "camera-2", "camera-3", "mug-1"], 0.02, 1.0, True),  # nothing moves up
        (["camera-1"], 0.02, 1.0, True),
        (["mug-1", "camera-1"], 0.02, 0.0, True),  # what leads to the card is the camera itself
    ],
)
def test_an_interest_is_named_where_its_items_keep_nothing_back(
    history: list[str], weight: float, strength: float, named: bool
) -> None:
    found = listed(history, weight, strength)
    assert found is not None
    (reason,) = [reason for reason in found.because if reason.feature == "BOUGHT_NEXT"]
    assert reason.contribution == pytest.approx(weight)
    without = listed([item for item in history if not item.startswith("camera")], weight, strength)
    assert ((without.score if without is not None else 0.0) < found.score) is named
    if named:
        assert reason.path == ("ann", CAMERAS, CARDS, "card-2")
        assert reason.users == 30
    else:
        assert (reason.path, reason.users, reason.lift) == (("ann", "card-2"), None, None)
