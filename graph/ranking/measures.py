"""What counts say about an association of a source a with a target b.

n_ab, n_a, n_b, N: weights of the transitions a -> b, from a, to b, and of all, decayed to one common time. The ratios
(confidence, lift, NPMI) do not change as time passes; the log-likelihood ratio, which is evidence, fades.
"""

import numpy as np

from graph.ranking.ragged import FloatArray

_NOTHING_ELSE = 1e-9


def lift(pair: FloatArray, source: FloatArray, target: FloatArray, total: float) -> FloatArray:
    """Return n_ab N / (n_a n_b): how many times likelier b is after a than anywhere."""
    return (pair / source) * (total / target)


def npmi(pair: FloatArray, source: FloatArray, target: FloatArray, total: float) -> FloatArray:
    """Return normalised pointwise mutual information, ln(lift) / -ln(n_ab / N), in [-1, 1].

    0 where a -> b is (all but a billionth of) all there is: nothing can be told from it.
    Source: Bouma, "Normalized (Pointwise) Mutual Information" (GSCL 2009).
    """
    information = -np.log(np.minimum(pair / total, 1.0))
    mutual = np.log(lift(pair, source, target, total))
    ratio = np.divide(mutual, information, out=np.zeros_like(mutual), where=information > _NOTHING_ELSE)
    return np.clip(ratio, -1.0, 1.0)


def log_likelihood_ratio(pair: FloatArray, source: FloatArray, target: FloatArray, total: float) -> FloatArray:
    """Return 2 sum k ln(k N / (row column)) over the 2x2 table of (from a, not) by (to b, not); >= 0.

    Source: Dunning, "Accurate Methods for the Statistics of Surprise and Coincidence" (1993).
    """
    other_source, other_target = np.maximum(total - source, 0.0), np.maximum(total - target, 0.0)
    neither = np.maximum(total - source - target + pair, 0.0)
    ratio = np.zeros_like(pair)
    for cell, row, column in (
        (pair, source, target),
        (np.maximum(source - pair, 0.0), source, other_target),
        (np.maximum(target - pair, 0.0), other_source, target),
        (neither, other_source, other_target),
    ):
        filled = (cell > 0.0) & (row > 0.0) & (column > 0.0)
        odds = np.divide(cell, row, out=np.ones_like(cell), where=filled)
        odds = np.divide(odds * total, column, out=np.ones_like(cell), where=filled)
        ratio += cell * np.log(odds)
    return np.maximum(2.0 * ratio, 0.0)
