"""What each feature weighs in a list's score: fixed by the settings, or learned. A version names the weights."""

import hashlib
from dataclasses import dataclass

from graph.ranking.settings import RankingSettings
from graph.settings import ListSettings, NextVisitSettings

CROSS_SELL_FEATURES = ("category", "transition", "embedding", "likeness", "words", "repeat", "popularity")
UP_SELL_FEATURES = ("transition", "embedding", "price", "repeat", "popularity")
"""In the order of the contributions."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights >= 0 of features in [0, 1], so that each contribution is a true share of the score.

    cross_sell, up_sell: in the order of :data:`CROSS_SELL_FEATURES` and :data:`UP_SELL_FEATURES`; version: published
    with every list that they made; next_visit: those of the lists for the next visit, None: the settings'.
    """

    cross_sell: tuple[float, ...]
    up_sell: tuple[float, ...]
    version: str
    next_visit: "Weights | None" = None


def fixed_weights(settings: ListSettings, ranking: RankingSettings) -> Weights:
    """Return the weights of the settings, under a version of their own."""
    return _weights(settings, ranking.price_feature)


def next_visit_weights(settings: NextVisitSettings) -> Weights:
    """Return those of the lists for the next visit, under a version of their own."""
    return _weights(settings, settings.up_sell_price_feature)


def _weights(settings: ListSettings | NextVisitSettings, price: float) -> Weights:
    cross_sell = (
        settings.category_feature,
        settings.transition_feature,
        settings.embedding_feature,
        settings.likeness_feature,
        settings.words_feature,
        settings.repeat_feature,
        settings.popularity_feature,
    )
    up_sell = (
        settings.up_sell_transition_feature,
        settings.up_sell_embedding_feature,
        price,
        settings.up_sell_repeat_feature,
        settings.up_sell_popularity_feature,
    )
    return Weights(cross_sell, up_sell, f"fixed-{weights_digest(cross_sell, up_sell)}")


def weights_digest(cross_sell: tuple[float, ...], up_sell: tuple[float, ...]) -> str:
    """Return eight hexadecimal digits that follow from the weights alone.

    >>> weights_digest((1.0, 0.7, 0.5, 0.1), (0.7, 0.5, 0.2))
    '612cf05a'
    """
    numbers = [[float(weight) for weight in weights] for weights in (cross_sell, up_sell)]
    return hashlib.sha256(repr(numbers).encode()).hexdigest()[:8]
