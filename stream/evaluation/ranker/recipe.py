"""What a shop's own past has chosen."""

import msgspec


class TransitionRecipe(msgspec.Struct, frozen=True):
    """How pair counts become a matrix, and how a history is read with it.

    A pair ``gap`` steps apart weighs gap^-gap_exponent, ``backward`` times as much against the order of time. Row a is
    divided by (its sum + 5)^source, column b by (its sum + 1)^target. ``repeats``: may an item lead to itself?
    An item ``age`` steps old weighs decay^age, up to ``length`` steps.
    """

    gap_exponent: float = 1.0
    backward: float = 0.5
    source: float = 0.5
    target: float = 0.25
    repeats: bool = False
    decay: float = 0.6
    length: int = 10


class OwnRecipe(msgspec.Struct, frozen=True):
    """The user's own items: decay^age, times popularity^exponent; the popularity's half-life as a share of the past."""

    decay: float = 0.9
    popularity_exponent: float = 0.5
    half_life_share: float = 0.05


class NeighbourRecipe(msgspec.Struct, frozen=True):
    """How neighbour sequences are weighed.

    decay: of the history, per step. distance: scale of the distance in the neighbour, in steps. recency_share: as a
    share of the past, 0 for none. by_length: divide by the root of the neighbour's length.
    """

    decay: float = 0.5
    distance: float = 2.0
    recency_share: float = 0.0
    by_length: bool = False


class Recipe(msgspec.Struct, frozen=True):
    """All parameters of the ingredients.

    ``own`` is None where nobody takes an item again. ``baskets``: do steps hold several items? ``seed``: of what is
    trained. ``encoder``: has every cut enough to train one? All need the same features. ``elsewhere``: are only items
    of other top categories asked for?
    """

    transitions: TransitionRecipe = TransitionRecipe()
    own: OwnRecipe | None = None
    neighbours: NeighbourRecipe = NeighbourRecipe()
    text_decay: float = 0.7
    baskets: bool = False
    seed: int = 0
    encoder: bool = True
    elsewhere: bool = False
