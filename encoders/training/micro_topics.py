"""Make micro-topics: many small clusters of item texts, named by their most telling terms."""

from collections.abc import Sequence
from math import sqrt

import numpy as np

from encoders.base import EncoderError, FloatArray, IntArray
from encoders.training.clusters import (
    Encode,
    FormerCentroids,
    TrainedCentroids,
    kept_names,
    named_share,
    unit_means,
)
from encoders.training.names import name_clusters, telling_words

PER_ROOT = 4.0
LEAST_ITEMS = 5
MOST_TOPICS = 4096
ROUNDS = 100
"""Of k-means at most; ten to twenty usually settle it."""


def default_clusters(items: int) -> int:
    """Return how many micro-topics a catalogue gets: 4·√n, with at least 5 items each on average, at most 4,096.

    >>> [default_clusters(items) for items in (10, 100, 1_790, 100_000, 2_000_000)]
    [2, 20, 169, 1265, 4096]
    """
    return max(2, min(round(PER_ROOT * sqrt(items)), items // LEAST_ITEMS, MOST_TOPICS))


def train_micro_topics(
    titles: Sequence[str],
    texts: Sequence[str],
    encode: Encode,
    clusters: int | None,
    seed: int,
    former: FormerCentroids | None = None,
) -> TrainedCentroids:
    """Cluster items by their full texts; the same items in any order, however often each, give the same.

    titles and texts (what workers encode) run in parallel; encode: texts to unit vectors (n, D); clusters: None for
    :func:`default_clusters` of the distinct texts.

    Spherical k-means (Dhillon & Modha, Machine Learning 42, 2001) from starts drawn with a probability that grows with
    the distance from those already drawn (Arthur & Vassilvitskii, "k-means++", SODA 2007). Sizes count distinct texts.
    Metrics: ``mean_cosine`` to the own centroid; ``named``: share of items with a word of their topic's name in the
    title. Raises EncoderError with fewer distinct texts than clusters.

    With ``former`` ones these are the first starts, in their order, and more are drawn only for ``clusters`` beyond
    theirs. A topic keeps its name while its centroid stays near (a cosine of 0.9). Metric ``kept``: share of the
    former names that stayed.
    """
    pairs = sorted(set(zip(titles, texts, strict=True)))
    titles, texts = [title for title, _ in pairs], [text for _, text in pairs]
    started = 0 if former is None else len(former.names)
    wanted = max(default_clusters(len(texts)) if clusters is None else clusters, started)
    if len(set(texts)) < wanted - started or len(set(texts)) < 2:
        raise EncoderError(f"{len(set(texts))} distinct texts are too few for {wanted} micro-topics")
    vectors = encode(texts)
    starts = vectors[:0] if former is None else former.centroids
    starts = np.concatenate([starts, vectors[_far_apart(vectors, starts, wanted - started, seed)]])
    centroids, labels = _settled(vectors, starts)
    sizes = np.bincount(labels, minlength=len(centroids))
    # An empty cluster is dropped, but for a former one: it has its name, and may get items again.
    kept = np.flatnonzero((sizes > 0) | (np.arange(len(sizes)) < started))
    order = kept if former is not None else kept[np.argsort(-sizes[kept], kind="stable")]
    places = np.full(len(sizes), -1)
    places[order] = np.arange(len(order))
    centroids, labels, sizes = centroids[order], places[labels], sizes[order]
    stayed = {} if former is None else kept_names(centroids, former)
    names = name_clusters(titles, labels.tolist(), len(order), stayed, telling_words)
    found = {
        "items": float(len(titles)),
        "mean_cosine": float(np.einsum("nd,nd->n", vectors, centroids[labels]).mean()),
        "named": named_share(titles, labels, names),
    }
    if former is not None:
        found["kept"] = len(stayed) / started
    metrics = {name: round(value, 4) for name, value in found.items()}
    return TrainedCentroids(names, centroids, sizes.tolist(), metrics)


def _far_apart(vectors: FloatArray, starts: FloatArray, more: int, seed: int) -> list[int]:
    """Draw up to ``more`` of the vectors (n, D); the nearer to one that is there (S, D) or drawn, the less probably."""
    random = np.random.default_rng(seed)
    nearest = (vectors @ starts.T).max(axis=1) if len(starts) else np.zeros(len(vectors), np.float32)
    drawn: list[int] = []
    for _ in range(more):
        sums = np.cumsum(np.maximum(1.0 - nearest.astype(np.float64), 0.0))
        if sums[-1] <= 0.0:
            break
        one = int(np.searchsorted(sums, random.random() * sums[-1], side="right"))
        drawn.append(one)
        nearest = np.maximum(nearest, vectors @ vectors[one])
    return drawn


def _settled(vectors: FloatArray, centroids: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return centroids (C, D) and labels (n,) once no vector changes its cluster any more, or after ROUNDS."""
    labels = (vectors @ centroids.T).argmax(axis=1)
    for _ in range(ROUNDS):
        centroids = unit_means(vectors, labels, centroids)
        moved = (vectors @ centroids.T).argmax(axis=1)
        if np.array_equal(moved, labels):
            break
        labels = moved
    return centroids, labels
