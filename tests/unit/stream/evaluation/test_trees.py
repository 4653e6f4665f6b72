"""The trees: an average of ensembles, the same for the same seed."""

import numpy as np

from stream.evaluation.ranker.trees import ENSEMBLES, fit_trees, tree_input


def test_what_trees_say_is_the_mean_of_their_ensembles_and_the_same_twice() -> None:
    random = np.random.default_rng(0)
    values = random.random((2000, 8)).astype(np.float32)
    blend, ranks = random.random(2000).astype(np.float32), np.arange(2000) % 80
    hits = random.random(2000) < values[:, 2] * values[:, 5]
    columns = np.array([1, 2, 5])
    inputs = tree_input(values[:, columns], blend, ranks)
    trees, again, other = (fit_trees(inputs, hits, columns, seed) for seed in (0, 0, 1))
    assert trees is not None
    assert again is not None
    assert other is not None
    scores = trees.score(values, blend, ranks)
    of_each = [model.decision_function(inputs) for model in trees.models]
    assert len(of_each) == ENSEMBLES > 1
    assert not np.allclose(of_each[0], of_each[1])
    assert np.allclose(scores, np.mean(of_each, axis=0))
    assert (scores == again.score(values, blend, ranks)).all()
    assert not np.allclose(scores, other.score(values, blend, ranks))
    assert scores[hits].mean() > scores[~hits].mean()


def test_where_nothing_was_taken_nothing_is_learned() -> None:
    inputs = tree_input(np.zeros((10, 1), np.float32), np.zeros(10, np.float32), np.arange(10))
    assert fit_trees(inputs, np.zeros(10, np.bool_), np.array([0]), 0) is None
    assert fit_trees(inputs[:0], np.zeros(0, np.bool_), np.array([0]), 0) is None
