"""What the past says of an item whoever asks: popularity, trend, age, price."""

import numpy as np

from stream.evaluation.baselines.popularity import decayed_counts
from stream.evaluation.interactions import DoubleArray, FloatArray, IntArray, Knowledge

RECENT_SHARE = 0.05
NEWEST_SHARE = 0.0125
"""Half-lives of recent popularity, as shares of the time span of the past."""

PRICED_SHARE = 0.5
"""Prices are a feature where at least this share of the items has one."""


def span_ms(knowledge: Knowledge) -> float:
    """Return the length of the past, ms."""
    return max(1.0, float(knowledge.now - knowledge.log.times.min(initial=knowledge.now)))


def log_prices(knowledge: Knowledge) -> DoubleArray | None:
    """Return (n,) natural logarithms of the prices, NaN where unknown; None where most are."""
    prices = knowledge.catalogue.prices
    if not len(prices) or np.mean(np.isnan(prices)) > 1 - PRICED_SHARE:
        return None
    return np.log(np.maximum(prices, 0.01))


def item_features(knowledge: Knowledge) -> tuple[FloatArray, tuple[str, ...]]:
    """Return (n, f) float32 and the features' names."""
    counts, span = knowledge.counts, span_ms(knowledge)
    recent = decayed_counts(knowledge, RECENT_SHARE * span)
    newest = decayed_counts(knowledge, NEWEST_SHARE * span)
    first = np.full(knowledge.n_items, knowledge.now)
    np.minimum.at(first, knowledge.log.items, knowledge.log.times)
    last = np.full(knowledge.n_items, knowledge.log.times.min(initial=knowledge.now))
    np.maximum.at(last, knowledge.log.items, knowledge.log.times)
    users = np.asarray(knowledge.user_items.sum(axis=0), np.float64).ravel()
    # Shares, not counts: a count means less the longer the past, and trees must read the same at every cut.
    features = {
        "popularity": _log_share(counts),
        "recent popularity": _log_share(recent),
        "newest popularity": _log_share(newest),
        "trend": np.log((recent + 0.5) / (counts * RECENT_SHARE + 0.5)),
        "newest trend": np.log((newest + 0.25) / (recent / 4 + 0.25)),
        "time since first": np.log1p((knowledge.now - first) / span * 100),
        "time since last": np.log1p((knowledge.now - last) / span * 100),
        "taken again": (counts - users) / (counts + 5),
    }
    prices = log_prices(knowledge)
    if prices is not None:
        features["price"] = np.nan_to_num(prices)
    return np.stack(list(features.values()), axis=1).astype(np.float32), tuple(features)


def _log_share(counts: DoubleArray) -> DoubleArray:
    """Return the logarithm of each item's share of the counts, in units of the mean item's."""
    return np.log(counts / max(float(counts.mean()), 1e-9) + 0.01)


def popular_items(knowledge: Knowledge, most: int) -> IntArray:
    """Return the codes of the most popular items, of all time and of late."""
    recent = decayed_counts(knowledge, RECENT_SHARE * span_ms(knowledge))
    of_late = np.lexsort((knowledge.tie_ranks, -recent))[:most]
    return np.unique(np.r_[np.argsort(knowledge.tie_ranks)[:most], of_late])
