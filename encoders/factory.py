"""From settings to encoders: the one place that knows which implementation stands behind which name."""

import logging
from dataclasses import replace
from pathlib import Path

import torch

from encoders.base import EncoderError, TextEncoder
from encoders.card import read_card
from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard
from encoders.device import CPU, Device
from encoders.fidelity import measure
from encoders.hashing import HashingTextEncoder
from encoders.micro_topics import MicroTopics
from encoders.projection import ItemProjection, ProjectionCard
from encoders.settings import EncoderSettings, Precision, TextEncoderName
from encoders.text import TransformersTextEncoder
from encoders.user.model import PROJECTION_WEIGHTS, UserModel, load_user_model, untrained

logger = logging.getLogger(__name__)

DATA = Path(__file__).parent / "data"
SHIPPED_PROJECTION = DATA / "minilm-projection.safetensors"
SHIPPED_CATEGORIES = DATA / "online-retail-categories.safetensors"
"""Fit for gifts and household goods, to be tried out; a shop makes its own with ``interestream train categories``."""


def load_text_encoder(settings: EncoderSettings, device: Device = CPU) -> TextEncoder:
    """Load the text encoder that the settings name. Takes seconds for transformers.

    Another number type than float32 is measured first. Below the limits, ``auto`` falls back to float32 and says so;
    one that was asked for by name is refused. Raises EncoderError.
    """
    if settings.text is TextEncoderName.HASHING:
        return HashingTextEncoder()
    precision = settings.text_precision
    if precision is Precision.AUTO:
        precision = Precision.BF16 if device.dtype is torch.bfloat16 else Precision.FP32
    reference = _transformers(settings, device, Precision.FP32)
    if precision is Precision.FP32:
        return reference
    candidate = _transformers(settings, device, precision)
    fidelity = measure(reference, candidate, load_projection(reference))
    where = f"{candidate.model} in {precision.value} on {device.torch_device}"
    if fidelity.passes:
        logger.info("%s serves: %s", where, fidelity)
        return candidate
    if settings.text_precision is Precision.AUTO:
        logger.warning("%s is not near enough to fp32, which serves instead: %s", where, fidelity)
        return reference
    raise EncoderError(
        f"encoder.text_precision: {where} is not near enough to fp32: {fidelity}; set it to auto, or to fp32"
    )


def _transformers(settings: EncoderSettings, device: Device, precision: Precision) -> TransformersTextEncoder:
    dtype = torch.bfloat16 if precision is Precision.BF16 else torch.float32
    return TransformersTextEncoder(
        settings.text_model_dir,
        replace(device, dtype=dtype),
        batch_tokens=settings.text_batch_tokens,
        prefix=settings.text_prefix,
        int8=precision is Precision.INT8,
    )


def load_projection(text_encoder: TextEncoder, file: Path | None = None) -> ItemProjection:
    """Load the projection of the text encoder's vectors to item vectors.

    file: a fitted one, which must fit the text model (``encoder.projection_file``). When None: the shipped one if it
    was fitted to this very text model, else :meth:`ItemProjection.unfitted`. Raises EncoderError.
    """
    if file is not None:
        return ItemProjection.load(file, text_encoder.model)
    if read_card(SHIPPED_PROJECTION, ProjectionCard).text_model == text_encoder.model:
        return ItemProjection.load(SHIPPED_PROJECTION, text_encoder.model)
    logger.info("no projection was fitted to %s: a fixed orthogonal one is used", text_encoder.model)
    return ItemProjection.unfitted(text_encoder.dimensions)


def load_user(settings: EncoderSettings, text_encoder: TextEncoder, device: Device = CPU) -> UserModel:
    """Load the trained model of ``encoder.user_model_dir``, or the untrained ``decay``, over an empty item matrix.

    Raises EncoderError.
    """
    folder, chosen = settings.user_model_dir, settings.projection_file
    if folder is None:
        return untrained(load_projection(text_encoder, chosen), device)
    if chosen is not None and (folder / PROJECTION_WEIGHTS).is_file():
        raise EncoderError(
            f"encoder.projection_file is {chosen}, but the model in {folder} has its own projection; unset the former"
        )
    return load_user_model(folder, text_encoder.model, device, load_projection(text_encoder, chosen))


def load_categories(settings: EncoderSettings, text_encoder: TextEncoder) -> DerivedCategories | None:
    """Load the centroids of derived categories: ``encoder.categories_file``, or the shipped ones if they fit.

    None when none are wanted, or none were made for this text model. Raises EncoderError.
    """
    if not settings.derive_categories:
        return None
    if settings.categories_file is None:
        if read_card(SHIPPED_CATEGORIES, CentroidsCard).text_model != text_encoder.model:
            return None
        return DerivedCategories.load(SHIPPED_CATEGORIES, text_encoder.model)
    return DerivedCategories.load(settings.categories_file, text_encoder.model)


def load_micro_topics(settings: EncoderSettings, text_encoder: TextEncoder) -> MicroTopics | None:
    """Load ``encoder.micro_topics_file``; None when there is none. Raises EncoderError."""
    if settings.micro_topics_file is None:
        return None
    return MicroTopics.load(settings.micro_topics_file, text_encoder.model)
