"""Small gradient-boosted trees that put the blend's best candidates in order."""

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from stream.evaluation.interactions import BoolArray, FloatArray, IntArray

DEPTH = 80
"""So many of the blend's best candidates are ordered anew; the rest keep the blend's order behind them."""

MOST_ROWS = 1_500_000
ENSEMBLES = 2
"""Fitted with seeds of their own and averaged: which features a split is shown is chance."""

SETTINGS = {
    "max_iter": 200,
    "learning_rate": 0.05,
    "max_leaf_nodes": 10,
    "max_bins": 63,
    "l2_regularization": 20.0,
    "min_samples_leaf": 100,
    "max_features": 0.4,  # of the features, anew at each split: many of them say nearly the same
    "early_stopping": False,
}


@dataclass(frozen=True)
class Trees:
    """models: fitted classifiers; columns: which of the table's features they read."""

    models: tuple[HistGradientBoostingClassifier, ...]
    columns: IntArray

    def score(self, values: FloatArray, blend: FloatArray, ranks: IntArray) -> FloatArray:
        """Return (m,) log odds that a candidate is taken, the models' mean; see :func:`tree_input`."""
        return self.score_inputs(tree_input(values[:, self.columns], blend, ranks))

    def score_inputs(self, inputs: FloatArray) -> FloatArray:
        """Return :meth:`score` of what :func:`tree_input` made."""
        scores: FloatArray = np.mean([model.decision_function(inputs) for model in self.models], axis=0)
        return scores


def tree_input(values: FloatArray, blend: FloatArray, ranks: IntArray) -> FloatArray:
    """Join features, the blend's score below the case's best, and the rank in the blend."""
    return np.column_stack([values, blend, ranks]).astype(np.float32, copy=False)


def blend_of(inputs: FloatArray) -> FloatArray:
    """Return the blend's scores from what :func:`tree_input` made."""
    return inputs[:, -2]


def tree_columns(names: tuple[str, ...]) -> IntArray:
    """Return the features that trees read: not the logarithms, which split alike."""
    return np.array([number for number, name in enumerate(names) if not name.startswith("log ")], np.int64)


def fit_trees(
    inputs: FloatArray, hits: BoolArray, columns: IntArray, seed: int, ensembles: int = ENSEMBLES
) -> Trees | None:
    """Fit on :func:`tree_input` of the candidates up to :data:`DEPTH` (Friedman, Annals of Statistics 29(5), 2001).

    None where nothing, or everything, was taken.
    """
    if not 0 < hits.sum() < len(hits):
        return None
    seeds = range(seed * ensembles, (seed + 1) * ensembles)
    models = (HistGradientBoostingClassifier(random_state=number, **SETTINGS).fit(inputs, hits) for number in seeds)
    return Trees(tuple(models), columns)
