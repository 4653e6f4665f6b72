"""From recorded cases to weights."""

from collections.abc import Iterable, Sequence

import numpy as np

from stream.evaluation.ranker.linear import fit_linear
from stream.ranker_training.cases import Cases

RIDGE = 1e-2

BEST = 50
"""So many candidates of a case are fitted to, the best by the fixed weights: what a list is chosen from. Over all of
them, some hundreds, weights would be good at telling the worst from the bad."""

STEPS = (1 / 3, 2 / 3, 1.0)
"""How far from the fixed weights to the fitted ones: what the validation period chooses among. The fit is about the
best candidates of a user, and a list holds the best few of them."""

LEAST_CASES = 50
MOST_CASES = 20_000
_DIGITS = 4


def fit_weights(cases: Cases, fixed: Sequence[float], seed: int) -> tuple[float, ...] | None:
    """Return weights >= 0 by conditional logit, scaled to the sum of the fixed ones; None where the cases teach none.

    Fitted to the :data:`BEST` candidates of each case. Scaled, because only relations count: the same order, and scores
    that subscribers know. Rounded to four digits, so that the file reads well.
    """
    cases = cases.best(fixed, BEST)
    if len(cases) < LEAST_CASES:
        return None
    blend = fit_linear(*cases.table(MOST_CASES, seed), RIDGE, nonnegative=True)
    weights = blend.weights.astype(np.float64) / blend.deviation
    if not weights.sum() > 0:
        return None
    return _rounded(weights * (sum(fixed) / weights.sum()))


def towards(fixed: Sequence[float], fitted: Sequence[float], step: float) -> tuple[float, ...]:
    """Return weights between the two: the fixed ones for a step of 0, the fitted ones for 1.

    >>> towards((1.0, 0.0), (0.5, 0.5), 0.5)
    (0.75, 0.25)
    """
    return _rounded((1 - step) * own + step * found for own, found in zip(fixed, fitted, strict=True))


def _rounded(weights: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(float(weight), _DIGITS) for weight in weights)
