"""How much of the blend's score stays in the order of the trees: judged on what these trees were not fitted on.

Where the earlier tests are not quite of the test's kind, or few, trees learn what does not hold there; a linear score
is coarser and does so less. The nearest earlier test, ordered by trees of the others, says whom to trust.
"""

import numpy as np

from stream.evaluation.interactions import BoolArray, DoubleArray, FloatArray, IntArray
from stream.evaluation.scoring import LIST_LENGTH

SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""Of the blend, in what is left to choose from."""


def mixed(odds: FloatArray, blend: FloatArray, share: float) -> FloatArray:
    """Return (m,) scores: ``share`` of the blend's, the rest of the trees'. Both are log odds, but for a constant."""
    return (1.0 - share) * odds + share * blend


def choose_share(
    odds: FloatArray, blend: FloatArray, rows: IntArray, hits: BoolArray, n_targets: IntArray, clusters: IntArray
) -> float:
    """Return the least share of the blend within a standard error of the best mean NDCG.

    0 unless the best leads 0 by more than two. The least, for trees that lack the nearest test are a little worse than
    those of all tests.

    rows: (m,) the case of each candidate; n_targets, clusters: (B,) of the cases, as in
    :class:`stream.evaluation.cases.Cases`; cases of one cluster count together for the error.
    """
    found = {share: _gains(mixed(odds, blend, share), rows, hits, n_targets) for share in SHARES}
    best = max(SHARES, key=lambda share: (found[share].mean(), -share))
    lead = found[best] - found[0.0]
    of_clusters = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=lead - lead.mean())
    error = float(np.sqrt((of_clusters**2).sum())) / len(lead)
    if lead.mean() <= 2.0 * error:
        return 0.0
    return min(share for share in SHARES if found[share].mean() >= found[best].mean() - error)


def _gains(scores: FloatArray, rows: IntArray, hits: BoolArray, n_targets: IntArray) -> DoubleArray:
    """Return (B,) the NDCG of each case's best candidates, equals in the order they come."""
    order = np.lexsort((-scores, rows))
    ordered = rows[order]
    places = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    taken = hits[order] & (places < LIST_LENGTH)
    discounts = 1.0 / np.log2(np.arange(LIST_LENGTH) + 2.0)
    found = np.bincount(ordered[taken], weights=discounts[places[taken]], minlength=len(n_targets))
    ideal = np.cumsum(discounts)[np.clip(n_targets, 1, LIST_LENGTH) - 1]
    gains: DoubleArray = found / ideal
    return gains
