"""The two lists of a user, and why each item is on them."""

from dataclasses import dataclass

import msgspec

from graph.ranking.codes import IntArray
from graph.ranking.ragged import FloatArray


class Reason(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one feature adds to an item's score, with the strongest path behind it.

    ===================  ====================================================  =================
    feature              path                                                  numbers
    ===================  ====================================================  =================
    BOUGHT_NEXT          user, category of interest, item's category, item;    users, lift
                         user, item where that interest is not missed
    VIEWED_NEXT          the same (cross-sell); as the two below (up-sell)     users, lift; users
    ITEM_BOUGHT_NEXT     user, item of the history, item                       users
    ITEM_VIEWED_NEXT     the same (cross-sell)                                 users
    EMBEDDING            user, item; user, nearest item, item (up-sell)
    LIKENESS             user, item of the history, item; user, item where no single one is missed (cross-sell)
    WORDS                the same: shares words with the user's latest item (cross-sell)
    BOUGHT_BEFORE        user, item: the user bought it before, and buys again
    POPULAR              user, item
    PRICE                user, anchor, item (up-sell)
    NEW                  user, item (cross-sell): a place kept for new items; it adds nothing to the score
    ===================  ====================================================  =================

    ``contribution`` is the whole feature's, in the score's unit, rounded to 6 decimals; ``users`` and ``lift`` are
    those of the path's edge.
    """

    feature: str
    contribution: float
    path: tuple[str, ...]
    users: int | None = None
    lift: float | None = None


class CrossSell(msgspec.Struct, frozen=True, gc=False):
    """An item of another category. ``score`` is the sum of the contributions in ``because``.

    ``propensity``: how probable it was that this item stands here, where a lot decided.
    """

    item_id: str
    category: str | None
    score: float
    because: tuple[Reason, ...]
    propensity: float | None = None


class UpSell(msgspec.Struct, frozen=True, gc=False):
    """A dearer item of the anchor's category, both prices in one currency. ``score`` as in :class:`CrossSell`."""

    item_id: str
    category: str
    score: float
    price: float
    anchor_item_id: str
    anchor_price: float
    because: tuple[Reason, ...]


class NextVisit(msgspec.Struct, frozen=True, gc=False):
    """Both lists for a user's next visit, best first. ``ranker``: version of the weights that made them."""

    cross_sell: tuple[CrossSell, ...]
    up_sell: tuple[UpSell, ...]
    ranker: str


class UserLists(msgspec.Struct, frozen=True, gc=False):
    """Both lists of a user for the next step of a visit, best first; and those for the next visit, if any are made."""

    user_id: str
    cross_sell: tuple[CrossSell, ...]
    up_sell: tuple[UpSell, ...]
    next_visit: NextVisit | None = None


@dataclass(frozen=True, slots=True)
class UserFeatures:
    """A user's candidates of either list: what the weights are multiplied with.

    rows: (m,) of items; in up-sell an item may be there once for each anchor. features: (m, f) in [0, 1], each times
    the factors that lower it; the last two for the next visit, None where no such lists are made.
    """

    user_id: str
    cross_sell_rows: IntArray
    up_sell_rows: IntArray
    cross_sell: FloatArray
    up_sell: FloatArray
    next_visit_cross_sell: FloatArray | None = None
    next_visit_up_sell: FloatArray | None = None


class UserScores(msgspec.Struct, frozen=True, gc=False):
    """What a user's candidates score, item -> score, listed or not; the last two for the next visit."""

    user_id: str
    cross_sell: dict[str, float]
    up_sell: dict[str, float]
    next_visit_cross_sell: dict[str, float] = {}
    next_visit_up_sell: dict[str, float] = {}
