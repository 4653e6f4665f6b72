import subprocess
import sys
from hashlib import sha256

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from encoders.hashing import HashingTextEncoder, ngrams, normal_words

TEXT = "Red retrospot mug, 0.3 l"
DIGEST = "1420aee1c58cf6502578fb2a3efeb411193d2fa3074eec155f7ff6040c9c29f4"


def _digest(encoder: HashingTextEncoder) -> str:
    return sha256(encoder.encode([TEXT]).astype("<f4").tobytes()).hexdigest()


def test_vectors_are_the_same_on_every_machine() -> None:
    assert _digest(HashingTextEncoder()) == DIGEST


def test_vectors_are_the_same_in_every_process() -> None:
    code = (
        "from encoders.hashing import HashingTextEncoder; from hashlib import sha256;"
        f"print(sha256(HashingTextEncoder().encode([{TEXT!r}]).astype('<f4').tobytes()).hexdigest())"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == DIGEST


def test_another_seed_is_another_model_with_other_vectors() -> None:
    first, second = HashingTextEncoder(seed=0), HashingTextEncoder(seed=1)
    assert first.model != second.model
    assert abs(float(first.encode([TEXT])[0] @ second.encode([TEXT])[0])) < 0.5


def test_like_spelling_is_near_and_other_words_are_not() -> None:
    mug, mugs, tea_mug, lantern = HashingTextEncoder().encode(["mug", "mugs", "tea mug", "lantern"])
    assert mug @ mugs > 0.25
    assert mug @ tea_mug > 0.5
    assert abs(mug @ lantern) < 0.25


def test_features_of_unlike_texts_hardly_correlate() -> None:
    vectors = HashingTextEncoder().encode([f"{number:x}" * 3 for number in range(300)])
    cosines = (vectors @ vectors.T)[~np.eye(300, dtype=bool)]
    assert abs(float(cosines.mean())) < 0.02
    # Random signs in 64 dimensions: standard deviation 1/8 without shared n-grams.
    assert 0.1 < float(cosines.std()) < 0.2


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5))
def test_every_text_gets_a_unit_vector(texts: list[str]) -> None:
    vectors = HashingTextEncoder().encode(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_width_and_case_are_folded() -> None:
    assert normal_words("ＭＵＧ mug Straße") == ["mug", "mug", "strasse"]


def test_short_words_have_one_feature_of_their_own() -> None:
    assert list(ngrams("a")) == ["<a>"]
    assert list(ngrams("")) == []
