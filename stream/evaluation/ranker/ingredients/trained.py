"""A small trained encoder of histories: decayed means of item vectors at several speeds, and what follows them.

The time-decayed sum as a user encoder, trained for the next item by softmax, tied item vectors started from the counts
(Hidasi et al., GRU4Rec, ICLR 2016, for the task; Levy & Goldberg, NIPS 2014, for the start). Written out in NumPy: it
is an ingredient that every cut trains anew in seconds; the worker's encoders are those of the package ``encoders``.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import DoubleArray, FloatArray, IntArray, Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.ranker.ingredients.ingredient import FAN_OUT, Ingredient
from stream.evaluation.ranker.ingredients.latent import latent_vectors
from stream.evaluation.ranker.items import span_ms
from stream.evaluation.ranker.recipe import Recipe
from stream.evaluation.ranker.sparse_rows import prune_rows
from stream.evaluation.ranker.transition_matrix import weigh_pairs
from stream.evaluation.steps import Steps, rows_of, steps_of

MOST_ITEMS = 5_000
"""Every item is in every softmax."""

LEAST_POSITIONS = 2_000
DECAYS = (0.0, 0.35, 0.7, 0.95)
LENGTH = 20
DIMENSIONS = 64
HIDDEN = 128
DROPOUT = 0.4
BATCH = 512
RATE = 1e-3
DECAY_OF_WEIGHTS = 1e-4
EPOCHS = 12
PATIENCE = 2
HELD_OUT = 0.05
POSITIONS_PER_EPOCH = 60_000
HALF_LIFE_SHARE = 0.5
"""In this share of the past, a position is shown half as often."""


def enough_to_train(knowledge: Knowledge) -> bool:
    """Say whether a cut's past holds enough positions to learn from."""
    return int(np.count_nonzero(knowledge.log.steps > 0)) >= LEAST_POSITIONS


def trained_ingredients(knowledge: Knowledge, counts: PairCounts, recipe: Recipe) -> Iterator[Ingredient]:
    """Yield the encoder where it trains in seconds and there is enough to learn from; not where steps are baskets."""
    wanted = recipe.encoder and not recipe.baskets
    if not wanted or not DIMENSIONS < knowledge.n_items <= MOST_ITEMS or not enough_to_train(knowledge):
        return
    positions = np.flatnonzero(knowledge.log.steps > 0)
    start = latent_vectors(weigh_pairs(counts, 0.5, 1.0), DIMENSIONS)
    steps = steps_of(knowledge.log, knowledge.n_items)
    before = rows_of(knowledge.log)[positions] - 1
    targets, shares = knowledge.log.items[positions], _shares(knowledge, positions)
    encoder = train(steps, before, targets, start, shares, recipe.seed)

    def scores(cases: Cases) -> sparse.csr_matrix:
        found = encoder.probabilities(_histories(cases, knowledge.n_items))
        return prune_rows(sparse.csr_matrix(np.sqrt(found)), FAN_OUT)

    yield Ingredient("trained encoder", scores, absolute=True)


@dataclass
class Encoder:
    """items: (n, d) vectors, of input and output alike; bias: (n,). straight: (K d, d); the rest: the hidden layer."""

    items: FloatArray
    bias: FloatArray
    straight: FloatArray
    inner: FloatArray
    inner_bias: FloatArray
    outer: FloatArray

    def parameters(self) -> list[FloatArray]:
        """Return the arrays that training changes in place."""
        return [self.items, self.bias, self.straight, self.inner, self.inner_bias, self.outer]

    def copy(self) -> "Encoder":
        """Return an encoder that training does not change."""
        return Encoder(*(part.copy() for part in self.parameters()))

    def read(self, histories: list[sparse.csr_matrix]) -> FloatArray:
        """Return (B, K d): the decayed means."""
        return np.concatenate([part @ self.items for part in histories], axis=1)

    def encode(self, means: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (B, d) user vectors and (B, HIDDEN), the hidden layer."""
        hidden = np.maximum(means @ self.inner + self.inner_bias, 0)
        return means @ self.straight + hidden @ self.outer, hidden

    def probabilities(self, histories: list[sparse.csr_matrix]) -> FloatArray:
        """Return (B, n), which sum to 1."""
        users, _ = self.encode(self.read(histories))
        return _softmax(users @ self.items.T + self.bias)


def train(
    steps: Steps, rows: IntArray, targets: IntArray, start: FloatArray, shares: DoubleArray, seed: int
) -> Encoder:
    """Fit by Adam (Kingma & Ba, ICLR 2015) until held-out positions are predicted no better, and keep the best.

    rows: for each position, the step before it. targets: its item. shares: how often it is shown, sum 1.
    """
    random = np.random.default_rng(seed)
    n_items, width = len(start), len(DECAYS) * DIMENSIONS
    encoder = Encoder(
        items=(start * 2 + random.normal(0, 0.05, start.shape)).astype(np.float32),
        bias=np.zeros(n_items, np.float32),
        straight=np.tile(np.eye(DIMENSIONS, dtype=np.float32) / len(DECAYS), (len(DECAYS), 1)),
        inner=random.normal(0, 1 / np.sqrt(width), (width, HIDDEN)).astype(np.float32),
        inner_bias=np.zeros(HIDDEN, np.float32),
        outer=np.zeros((HIDDEN, DIMENSIONS), np.float32),
    )
    pasts = [_past(steps, decay) for decay in DECAYS]
    order = random.permutation(len(rows))
    n_held = max(1, round(HELD_OUT * len(rows)))
    held, learned = order[:n_held][: 4 * BATCH], order[n_held:]
    of_learned = shares[learned] / shares[learned].sum()
    adam = _Adam(encoder.parameters())
    best, best_loss, worse = encoder.copy(), np.inf, 0
    for _ in range(EPOCHS):
        chosen = random.choice(learned, min(len(learned), POSITIONS_PER_EPOCH), p=of_learned)
        for first in range(0, len(chosen), BATCH):
            batch = chosen[first : first + BATCH]
            histories = [past[rows[batch]] for past in pasts]
            adam.step(_gradients(encoder, histories, targets[batch], random))
        loss = _loss(encoder, [past[rows[held]] for past in pasts], targets[held])
        if loss < best_loss:
            best, best_loss, worse = encoder.copy(), loss, 0
        else:
            worse += 1
            if worse == PATIENCE:
                break
    return best


def _gradients(
    encoder: Encoder, histories: list[sparse.csr_matrix], targets: IntArray, random: np.random.Generator
) -> list[FloatArray]:
    """Return the gradient of the mean cross-entropy, one array per parameter."""
    means = encoder.read(histories)
    mask = (random.random(means.shape, np.float32) >= DROPOUT).astype(np.float32) / np.float32(1 - DROPOUT)
    means *= mask
    users, hidden = encoder.encode(means)
    error = _softmax(users @ encoder.items.T + encoder.bias)
    error[np.arange(len(targets)), targets] -= 1
    error /= np.float32(len(targets))
    of_users = error @ encoder.items
    of_hidden = (of_users @ encoder.outer.T) * (hidden > 0)
    of_means = (of_users @ encoder.straight.T + of_hidden @ encoder.inner.T) * mask
    of_items = error.T @ users
    for number, part in enumerate(histories):
        of_items += part.T @ of_means[:, number * DIMENSIONS : (number + 1) * DIMENSIONS]
    return [
        of_items, error.sum(axis=0), means.T @ of_users, means.T @ of_hidden, of_hidden.sum(axis=0), hidden.T @ of_users
    ]  # fmt: skip


def _loss(encoder: Encoder, histories: list[sparse.csr_matrix], targets: IntArray) -> float:
    found = encoder.probabilities(histories)[np.arange(len(targets)), targets]
    return float(-np.log(found + 1e-12).mean())


def _softmax(logits: FloatArray) -> FloatArray:
    logits = logits - logits.max(axis=1, keepdims=True)
    odds = np.exp(logits)
    found: FloatArray = odds / odds.sum(axis=1, keepdims=True)
    return found


class _Adam:
    def __init__(self, parameters: list[FloatArray]) -> None:
        self._parameters = parameters
        self._means = [np.zeros_like(part) for part in parameters]
        self._squares = [np.zeros_like(part) for part in parameters]
        self._steps = 0

    def step(self, gradients: list[FloatArray]) -> None:
        self._steps += 1
        rate = np.float32(RATE * np.sqrt(1 - 0.999**self._steps) / (1 - 0.9**self._steps))
        for part, mean, square, gradient in zip(
            self._parameters, self._means, self._squares, gradients, strict=True
        ):  # fmt: skip
            mean += np.float32(0.1) * (gradient - mean)
            square += np.float32(0.001) * (gradient * gradient - square)
            part -= rate * mean / (np.sqrt(square) + np.float32(1e-8)) + np.float32(RATE * DECAY_OF_WEIGHTS) * part


def _shares(knowledge: Knowledge, positions: IntArray) -> DoubleArray:
    ages = (knowledge.now - knowledge.log.times[positions]) / (HALF_LIFE_SHARE * span_ms(knowledge))
    weights = np.exp2(-ages)
    shares: DoubleArray = weights / weights.sum()
    return shares


def _past(steps: Steps, decay: float) -> sparse.csr_matrix:
    """Return (steps, n) float32: the decayed mean of each step and those before."""
    n_steps = steps.matrix.shape[0]
    items = steps.matrix.sign()
    total = items
    for gap in range(1, LENGTH if decay else 1):
        later = np.arange(gap, n_steps)
        later = later[steps.first[later] <= later - gap]
        weights = np.full(len(later), decay**gap)
        total = total + sparse.csr_matrix((weights, (later, later - gap)), (n_steps, n_steps)) @ items
    return _means(total)


def _histories(cases: Cases, n_items: int) -> list[sparse.csr_matrix]:
    """Return the same of cases."""
    return [_means(cases.history_matrix(n_items, cases.decayed(decay, LENGTH if decay else 1))) for decay in DECAYS]


def _means(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    sums = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    return (sparse.diags(1 / np.maximum(sums, 1e-9)) @ matrix).tocsr().astype(np.float32)
