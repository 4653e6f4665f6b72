"""From recorded cases to weights."""

from collections.abc import Sequence

import numpy as np

from stream.evaluation.ranker.linear import fit_linear
from stream.ranker_training.cases import Cases

RIDGES = (1e-4, 1e-2, 1e-1)
"""What the validation period chooses among; the first is the evaluation's."""

LEAST_CASES = 50
MOST_CASES = 20_000
_DIGITS = 4


def fit_weights(cases: Cases, fixed: Sequence[float], ridge: float, seed: int) -> tuple[float, ...] | None:
    """Return weights >= 0 by conditional logit, scaled to the sum of the fixed ones; None where the cases teach none.

    Scaled, because only relations count: the same order, and scores that subscribers know. Rounded to four digits, so
    that the file reads well.
    """
    if len(cases) < LEAST_CASES:
        return None
    blend = fit_linear(*cases.table(MOST_CASES, seed), ridge, nonnegative=True)
    weights = blend.weights.astype(np.float64) / blend.deviation
    if not weights.sum() > 0:
        return None
    return tuple(round(float(weight), _DIGITS) for weight in weights * (sum(fixed) / weights.sum()))
