"""Make derived categories: clusters of item texts, named by their most telling terms."""

from collections.abc import Sequence

import numpy as np
from sklearn.cluster import KMeans

from encoders.base import EncoderError, FloatArray, IntArray
from encoders.projection import normalise
from encoders.training.clusters import (
    Encode,
    FormerCentroids,
    TrainedCentroids,
    kept_names,
    named_share,
    unit_means,
)
from encoders.training.names import name_clusters, nouns

RESTARTS = 8


def train_categories(
    titles: Sequence[str],
    texts: Sequence[str],
    encode: Encode,
    clusters: int,
    seed: int,
    former: FormerCentroids | None = None,
) -> TrainedCentroids:
    """Cluster items by what they are, and return centroids in the space of their full texts.

    titles and texts (what workers encode) run in parallel; encode: texts to unit vectors (n, D).

    Spherical k-means (Dhillon & Modha, Machine Learning 42, 2001: k-means of unit vectors, centroids at unit length)
    runs on the titles' nouns alone, since on whole titles the clusters become "red" and "vintage". The centroids are
    the mean vectors of the *full* texts of each cluster, where colours and sizes cancel out; names and sizes are those
    of the items nearest to them. Metrics: ``mean_cosine`` to the own centroid, ``agreement``: share of items that full
    texts leave in the cluster of their nouns, ``named``: share of items with a word of their category's name in the
    title. Raises EncoderError with fewer distinct titles than clusters.

    With ``former`` categories every cluster grows from one of them, in their order (``clusters`` is then theirs), and
    keeps its name while its centroid stays near (a cosine of 0.9): a changed catalogue does not rename the interests
    of users. Metric ``kept``: share of the names that stayed.
    """
    if former is not None:
        return _grown(titles, texts, encode, former)
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
    mean, agreement = float(cosines.max(axis=1).mean()), float((order[labels] == found).mean())
    return _trained(titles, names, centroids[order], labels, mean, agreement, {})


def _grown(titles: Sequence[str], texts: Sequence[str], encode: Encode, former: FormerCentroids) -> TrainedCentroids:
    clusters, vectors = len(former.names), encode(texts)
    things = encode([" ".join(nouns(title)) for title in titles])
    starts = unit_means(things, (vectors @ former.centroids.T).argmax(axis=1), former.centroids)
    found = KMeans(clusters, init=starts, n_init=1).fit(things).labels_
    centroids = unit_means(vectors, found, former.centroids)
    cosines = vectors @ centroids.T
    labels = cosines.argmax(axis=1)
    kept = kept_names(centroids, former)
    names = name_clusters(titles, labels.tolist(), clusters, kept)
    mean, agreement = float(cosines.max(axis=1).mean()), float((labels == found).mean())
    return _trained(titles, names, centroids, labels, mean, agreement, {"kept": len(kept) / clusters})


def _trained(
    titles: Sequence[str],
    names: list[str],
    centroids: FloatArray,
    labels: IntArray,
    mean_cosine: float,
    agreement: float,
    more: dict[str, float],
) -> TrainedCentroids:
    metrics = {
        "items": float(len(titles)),
        "mean_cosine": mean_cosine,
        "agreement": agreement,
        "named": named_share(titles, labels, names),
        **more,
    }
    return TrainedCentroids(
        names=names,
        centroids=centroids,
        sizes=np.bincount(labels, minlength=len(names)).tolist(),
        metrics={name: round(value, 4) for name, value in metrics.items()},
    )
