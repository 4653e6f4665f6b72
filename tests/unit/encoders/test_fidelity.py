"""The gate of the faster number types: what is measured, what passes, and what is refused with its figure."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from encoders import factory
from encoders.base import ITEM_DIMENSIONS, EncoderError, FloatArray
from encoders.device import CPU, Device
from encoders.factory import load_text_encoder
from encoders.fidelity import MIN_COSINE, MIN_OVERLAP, PROBE_TITLES, Fidelity, compare
from encoders.hashing import HashingTextEncoder
from encoders.int8 import Int8Linear, quantise
from encoders.projection import ItemProjection, normalise
from encoders.settings import EncoderSettings, Precision, TextEncoderName
from encoders.text import TransformersTextEncoder

IDENTITY = ItemProjection.unfitted(ITEM_DIMENSIONS)


def _vectors() -> FloatArray:
    return HashingTextEncoder().encode(PROBE_TITLES.read_text().splitlines())


def _noisy(vectors: FloatArray, noise: float) -> FloatArray:
    return normalise(vectors + noise * np.random.default_rng(0).standard_normal(vectors.shape))


def test_equal_vectors_pass() -> None:
    found = compare(_vectors(), _vectors(), IDENTITY)
    assert found.cosine == pytest.approx(1, abs=1e-6)
    assert found.overlap == 1
    assert found.passes


def test_noise_shows_in_both_figures() -> None:
    little, much = (compare(_vectors(), _noisy(_vectors(), noise), IDENTITY) for noise in (1e-4, 0.02))
    assert little.passes
    assert not much.passes
    assert much.cosine < little.cosine
    assert much.overlap < little.overlap


def test_one_bad_vector_is_enough_to_refuse() -> None:
    vectors = _vectors()
    vectors[7] = -vectors[7]
    assert compare(_vectors(), vectors, IDENTITY).cosine == pytest.approx(-1, abs=1e-6)


@pytest.mark.parametrize(
    ("cosine", "overlap", "passes"),
    [(MIN_COSINE, MIN_OVERLAP, True), (MIN_COSINE - 1e-4, 1.0, False), (1.0, MIN_OVERLAP - 1e-3, False)],
)
def test_both_limits_count(cosine: float, overlap: float, passes: bool) -> None:
    assert Fidelity(cosine, overlap).passes is passes


def test_int8_is_what_its_formula_says() -> None:
    generator = torch.Generator().manual_seed(0)
    linear = torch.nn.Linear(64, 32)
    inputs = torch.randn(3, 5, 64, generator=generator)
    found = Int8Linear(linear)(inputs)
    rows = inputs.reshape(-1, 64)
    sx = rows.abs().amax(1, keepdim=True) / 127
    sw = linear.weight.abs().amax(1, keepdim=True) / 127
    exact = (rows / sx).round().double() @ (linear.weight / sw).round().double().T
    expected = exact * sx * sw.T + linear.bias
    torch.testing.assert_close(found, expected.float().reshape(3, 5, 32), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, linear(inputs), rtol=0, atol=0.05)


def test_every_linear_layer_is_replaced() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False), torch.nn.Sequential(torch.nn.Linear(8, 8)))
    quantise(model)
    assert sum(isinstance(module, Int8Linear) for module in model.modules()) == 2
    assert not model(torch.zeros(1, 8))[0].isnan().any()


def test_hashing_has_no_number_types() -> None:
    settings = EncoderSettings(text=TextEncoderName.HASHING, text_precision=Precision.INT8)
    assert load_text_encoder(settings).model == HashingTextEncoder().model


@pytest.mark.model
def test_bf16_passes_the_gate_and_encodes_in_it(minilm_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="encoders.factory"):
        encoder = load_text_encoder(EncoderSettings(text_model_dir=minilm_folder, text_precision=Precision.BF16))
    assert isinstance(encoder, TransformersTextEncoder)
    assert next(encoder._model.parameters()).dtype is torch.bfloat16
    assert any("in bf16 on cpu serves: cosine 0.999" in record.getMessage() for record in caplog.records)


@pytest.mark.model
def test_int8_is_refused_with_its_figure(minilm_folder: Path) -> None:
    with pytest.raises(EncoderError, match=r"in int8 on cpu is not near enough to fp32: cosine 0\.99\d+ .*; set it to"):
        load_text_encoder(EncoderSettings(text_model_dir=minilm_folder, text_precision=Precision.INT8))


@pytest.mark.model
def test_auto_falls_back_and_says_so(
    minilm_folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factory, "measure", lambda *_: Fidelity(0.95, 0.9))
    gpu_like = Device(torch.device("cpu"), torch.bfloat16)
    encoder = load_text_encoder(EncoderSettings(text_model_dir=minilm_folder), gpu_like)
    assert isinstance(encoder, TransformersTextEncoder)
    assert next(encoder._model.parameters()).dtype is torch.float32
    assert "which serves instead: cosine 0.95000" in caplog.text
    monkeypatch.undo()
    encoder = load_text_encoder(EncoderSettings(text_model_dir=minilm_folder), CPU)
    assert isinstance(encoder, TransformersTextEncoder)
    assert next(encoder._model.parameters()).dtype is torch.float32
