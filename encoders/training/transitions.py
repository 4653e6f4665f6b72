"""Item vectors from what follows what: PPMI of the transition graph, and its truncated SVD."""

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import svds

from encoders.base import ITEM_DIMENSIONS, FloatArray
from encoders.training.events import Histories

MAX_GAP = 5
CONTEXT_EXPONENT = 0.75
"""Smooths the contexts' frequencies: rare pairs would else weigh most (Levy et al., TACL 3, 2015, section 3.2)."""


def transition_counts(histories: Histories, items: int) -> csr_array:
    """Return (n, n): how often item j came within the next 5 of a user's items after item i, at gap g counted 1/g."""
    user_of = histories.user_of()
    sources, targets, weights = [], [], []
    for gap in range(1, MAX_GAP + 1):
        same = user_of[:-gap] == user_of[gap:]
        sources.append(histories.items[:-gap][same])
        targets.append(histories.items[gap:][same])
        weights.append(np.full(int(same.sum()), 1 / gap))
    pairs = np.concatenate(sources), np.concatenate(targets)
    return coo_array((np.concatenate(weights), pairs), shape=(items, items)).tocsr()


def ppmi_vectors(histories: Histories, items: int, seed: int) -> FloatArray:
    """Return (n, d) float32: each item's place in the transition graph; zero for items without transitions.

    U·√S of the symmetrised graph's positive pointwise mutual information, rows at unit length. Source: Levy & Goldberg,
    NeurIPS 2014; context exponent 0.75. Deterministic for a seed.
    """
    directed = transition_counts(histories, items)
    counts = (directed + directed.T).tocoo()
    total = counts.sum()
    vectors = np.zeros((items, ITEM_DIMENSIONS), np.float32)
    if not total:
        return vectors
    rows = np.asarray(counts.sum(axis=1)).ravel()
    contexts = rows**CONTEXT_EXPONENT
    contexts /= contexts.sum()
    source, target = counts.coords
    information = np.log(counts.data / (rows[source] * contexts[target]))
    positive = information > 0
    matrix = csr_array((information[positive], (source[positive], target[positive])), shape=(items, items))
    rank = min(ITEM_DIMENSIONS, items - 1)
    start = np.random.default_rng(seed).standard_normal(items)
    left, values, _ = svds(matrix, k=rank, v0=start)
    # ARPACK chooses the signs, and gives the smallest value first.
    left, values = left[:, ::-1], values[::-1]
    signs = np.sign(left[np.abs(left).argmax(axis=0), np.arange(rank)])
    found = left * signs * np.sqrt(np.maximum(values, 0))
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    vectors[:, :rank] = np.where(lengths > 1e-6, found / np.where(lengths > 1e-6, lengths, 1), 0)
    return vectors
