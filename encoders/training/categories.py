"""Make derived categories: clusters of item texts, named by their most telling terms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans

from encoders.base import EncoderError, FloatArray
from encoders.projection import normalise
from encoders.training.names import name_clusters, nouns

Encode = Callable[[Sequence[str]], FloatArray]

RESTARTS = 8


@dataclass(frozen=True, slots=True)
class TrainedCategories:
    """Named centroids (C, D) of unit length, and how many items of the training data each of them gets."""

    names: list[str]
    centroids: FloatArray
    sizes: list[int]
    metrics: dict[str, float]


def train_categories(
    titles: Sequence[str], texts: Sequence[str], encode: Encode, clusters: int, seed: int
) -> TrainedCategories:
    """Cluster items by what they are, and return centroids in the space of their full texts.

    titles and texts (what workers encode) run in parallel; encode: texts to unit vectors (n, D).

    Spherical k-means (Dhillon & Modha, Machine Learning 42, 2001: k-means of unit vectors, centroids at unit length)
    runs on the titles' nouns alone, since on whole titles the clusters become "red" and "vintage". The centroids are
    the mean vectors of the *full* texts of each cluster, where colours and sizes cancel out; names and sizes are those
    of the items nearest to them. Metrics: ``mean_cosine`` to the own centroid, ``agreement``: share of items that full
    texts leave in the cluster of their nouns, ``named``: share of items with a word of their category's name in the
    title. Raises EncoderError with fewer distinct titles than clusters.
    """
    if len(set(titles)) < clusters:
        raise EncoderError(f"{len(set(titles))} distinct titles are too few for {clusters} clusters")
    things = encode([" ".join(nouns(title)) for title in titles])
    found = KMeans(clusters, n_init=RESTARTS, random_state=seed).fit(things).labels_
    vectors = encode(texts)
    centroids = normalise(np.stack([vectors[found == cluster].mean(axis=0) for cluster in range(clusters)]))
    cosines = vectors @ centroids.T
    labels = cosines.argmax(axis=1)
    order = np.argsort(-np.bincount(labels, minlength=clusters), kind="stable")
    labels = np.argsort(order)[labels]
    names = name_clusters(titles, labels.tolist(), clusters)
    metrics = {
        "items": float(len(titles)),
        "mean_cosine": float(cosines.max(axis=1).mean()),
        "agreement": float((order[labels] == found).mean()),
        "named": float(np.mean([_is_named(title, names[label]) for title, label in zip(titles, labels, strict=True)])),
    }
    return TrainedCategories(
        names=names,
        centroids=centroids[order],
        sizes=np.bincount(labels, minlength=clusters).tolist(),
        metrics={name: round(value, 4) for name, value in metrics.items()},
    )


def _is_named(title: str, name: str) -> bool:
    return any(word.lower() in title.lower() for word in name.split() if word != "&")
