"""Directed item transitions: what came next, counted."""

import numpy as np
from scipy import sparse

from stream.evaluation.baselines.matrix_scorer import MatrixScorer
from stream.evaluation.interactions import Knowledge
from stream.evaluation.steps import steps_of

WINDOW = 5
BACKWARD = 0.5
DECAY = 0.7
LENGTH = 20


def fit(knowledge: Knowledge) -> MatrixScorer:
    """Each item to those of the next 5 steps, weight 1 / gap and half of it backward, over the root of the counts.

    Sequential rules with a linear weight (Ludewig & Jannach, UMUAI 2018, section 3.1.3), both ways; the state of a
    first-order Markov chain (Rendle et al., WWW 2010) without its factorisation.
    """
    steps = steps_of(knowledge.log, knowledge.n_items)
    forward = steps.pairs_at(1)
    for gap in range(2, WINDOW + 1):
        forward = forward + steps.pairs_at(gap) / gap
    both = forward + BACKWARD * forward.T
    scale = sparse.diags(1 / np.sqrt(knowledge.counts + 1))
    return MatrixScorer((scale @ both @ scale).tocsr().astype(np.float32), DECAY, LENGTH)
