"""A small encoder of histories and its training: decayed means of item vectors at several speeds, and a hidden layer.

The time-decayed sum as a user encoder, trained for the next item by softmax, tied item vectors started from the counts
(Hidasi et al., GRU4Rec, ICLR 2016, for the task; Levy & Goldberg, NIPS 2014, for the start). Written out in
NumPy: every cut trains one anew; the worker's encoders are those of the package ``encoders``.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import DoubleArray, FloatArray, IntArray
from stream.evaluation.steps import Steps

WHOLE_SOFTMAX = 5_000
"""In a larger catalogue a softmax shows each batch its targets and ``SAMPLED`` other items."""

SAMPLED = 2_048
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


@dataclass(frozen=True)
class _Shown:
    """What a batch's softmax is over. items: (s,) sorted codes, every target among them.

    stands_for: (s,) logarithms of how many items each stands for, added to its logit (Jean et al., ACL 2015, section 3,
    for a uniform proposal): 0 for a target and where nothing is left out.
    """

    items: IntArray
    stands_for: FloatArray

    @classmethod
    def of(cls, n_items: int, targets: IntArray, random: np.random.Generator) -> "_Shown":
        if n_items <= WHOLE_SOFTMAX:
            return cls(np.arange(n_items), np.zeros(n_items, np.float32))
        own = np.unique(targets)
        others = np.setdiff1d(random.choice(n_items, SAMPLED, replace=False), own)
        items = np.union1d(own, others)
        each = np.log(max(n_items - len(own), 1) / max(len(others), 1))
        return cls(items, np.where(np.isin(items, own), 0, each).astype(np.float32))


def _gradients(
    encoder: Encoder, histories: list[sparse.csr_matrix], targets: IntArray, random: np.random.Generator
) -> list[FloatArray]:
    """Return the gradient of the mean cross-entropy, one array per parameter."""
    means = encoder.read(histories)
    mask = (random.random(means.shape, np.float32) >= DROPOUT).astype(np.float32) / np.float32(1 - DROPOUT)
    means *= mask
    users, hidden = encoder.encode(means)
    shown = _Shown.of(len(encoder.items), targets, random)
    vectors = encoder.items[shown.items]
    error = _softmax(users @ vectors.T + encoder.bias[shown.items] + shown.stands_for)
    error[np.arange(len(targets)), np.searchsorted(shown.items, targets)] -= 1
    error /= np.float32(len(targets))
    of_users = error @ vectors
    of_hidden = (of_users @ encoder.outer.T) * (hidden > 0)
    of_means = (of_users @ encoder.straight.T + of_hidden @ encoder.inner.T) * mask
    of_items, of_bias = np.zeros_like(encoder.items), np.zeros_like(encoder.bias)
    of_items[shown.items], of_bias[shown.items] = error.T @ users, error.sum(axis=0)
    for number, part in enumerate(histories):
        of_items += part.T @ of_means[:, number * DIMENSIONS : (number + 1) * DIMENSIONS]
    return [
        of_items, of_bias, means.T @ of_users, means.T @ of_hidden, of_hidden.sum(axis=0), hidden.T @ of_users
    ]  # fmt: skip


def _loss(encoder: Encoder, histories: list[sparse.csr_matrix], targets: IntArray) -> float:
    """Return the mean cross-entropy over the whole catalogue, in batches: each is as wide as that."""
    losses = []
    for first in range(0, len(targets), BATCH):
        part = slice(first, first + BATCH)
        found = encoder.probabilities([history[part] for history in histories])
        losses.append(np.log(found[np.arange(len(found)), targets[part]] + 1e-12))
    return -float(np.concatenate(losses).mean())


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


def decayed_histories(cases: Cases, n_items: int) -> list[sparse.csr_matrix]:
    """Return (B, n) float32 per speed: the decayed mean of each history, as in training."""
    return [_means(cases.history_matrix(n_items, cases.decayed(decay, LENGTH if decay else 1))) for decay in DECAYS]


def _means(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    sums = np.asarray(matrix.sum(axis=1), np.float64).ravel()
    return (sparse.diags(1 / np.maximum(sums, 1e-9)) @ matrix).tocsr().astype(np.float32)
