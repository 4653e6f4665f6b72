"""What every text encoder promises, whatever stands behind it."""

import random
import re
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from encoders.base import TextEncoder
from encoders.hashing import HashingTextEncoder
from encoders.model_folder import packaged_model
from encoders.text import TransformersTextEncoder
from tests.conftest import not_tested

TITLES = [
    "RED RETROSPOT MUG",
    "Cream enamel bread bin",
    "white hanging heart t-light holder",
    "SET OF 6 SOLDIER SKITTLES",
    "Lunch bag, pink polkadot, with a zip, two pockets and a label for the child's name on the inside",
    "Clock",
    "ASSORTED COLOUR BIRD ORNAMENT",
    "jam jar",
    "Glühweinbecher mit Henkel 0,2 l",
    "无线蓝牙耳机 降噪",
    "🎁",
    "",
    "   ",
]


@pytest.fixture(scope="module", params=["hashing", pytest.param("minilm", marks=pytest.mark.model)])
def encoder(request: pytest.FixtureRequest) -> Iterator[TextEncoder]:
    if request.param == "hashing":
        yield HashingTextEncoder()
        return
    if packaged_model() is None:
        not_tested(request.config, "THE TEXT MODEL WAS NOT TESTED: pip install 'interestream[model]'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield TransformersTextEncoder(batch_tokens=64)
    torch.set_num_threads(threads)


def test_vectors_are_float32_of_unit_length(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TITLES)
    assert vectors.shape == (len(TITLES), encoder.dimensions)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_no_texts_give_no_vectors(encoder: TextEncoder) -> None:
    vectors = encoder.encode([])
    assert vectors.shape == (0, encoder.dimensions)
    assert vectors.dtype == np.float32


def test_a_vector_does_not_depend_on_the_batch(encoder: TextEncoder) -> None:
    together = encoder.encode(TITLES)
    alone = np.concatenate([encoder.encode([title]) for title in TITLES])
    order = list(range(len(TITLES)))
    random.Random(7).shuffle(order)
    shuffled = encoder.encode([TITLES[place] for place in order])
    assert (np.sum(together * alone, axis=1) >= 1 - 1e-5).all()
    assert (np.sum(together[order] * shuffled, axis=1) >= 1 - 1e-5).all()


def test_texts_are_told_apart(encoder: TextEncoder) -> None:
    vectors = encoder.encode(TITLES[:8])
    cosines = vectors @ vectors.T
    assert (cosines[~np.eye(8, dtype=bool)] < 0.9).all()


def test_case_does_not_matter(encoder: TextEncoder) -> None:
    upper, lower = encoder.encode(["RED RETROSPOT MUG", "red retrospot mug"])
    assert upper @ lower >= 1 - 1e-5


def test_the_model_is_a_name_and_a_revision(encoder: TextEncoder) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", encoder.model)
