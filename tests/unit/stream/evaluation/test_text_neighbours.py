import numpy as np

from stream.evaluation.baselines.text import tfidf_vectors
from stream.evaluation.ranker.ingredients.texts import text_neighbours
from tests.unit.stream.evaluation.small_shops import catalogue_of


def test_neighbours_elsewhere_are_of_other_labels() -> None:
    catalogue = catalogue_of("a", "b", "c", "d", titles=("red mug", "red mug big", "red lamp", "blue lamp"))
    vectors = tfidf_vectors(catalogue)
    near = text_neighbours(vectors).toarray()
    assert near[0].argmax() == 1
    assert near.diagonal().tolist() == [0, 0, 0, 0]
    elsewhere = text_neighbours(vectors, np.array([0, 0, 1, 1])).toarray()
    assert elsewhere[0, 1] == 0
    assert elsewhere[0, 2] == near[0, 2] > 0
    assert elsewhere[2, 3] == 0 < near[2, 3]
