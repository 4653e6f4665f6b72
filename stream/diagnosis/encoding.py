"""The encoders: do their files load, and on which device."""

import time

from encoders.base import EncoderError, TextEncoder
from encoders.device import CPU, Device, choose_device, default_cpu_threads
from encoders.factory import load_categories, load_micro_topics, load_text_encoder, load_user
from encoders.projection import ItemProjection
from encoders.settings import EncoderSettings, TextEncoderName
from stream.diagnosis.finding import Finding, failed, ok, warning
from stream.settings import Settings

_SAMPLE = ("a red mug with a white handle", "a lantern for tea lights")


def check_encoders(settings: Settings) -> list[Finding]:
    """Load everything a worker loads; encode two texts. Takes seconds."""
    encoder = settings.encoder
    findings, device = _check_device(encoder)
    try:
        text = load_text_encoder(encoder, device)
        findings.append(_check_text(encoder, text))
    except EncoderError as error:
        return [*findings, _broken("text model", error)]
    try:
        user = load_user(encoder, text, device)
        findings.append(_check_projection(encoder, user.matrix.projection, text))
        findings.append(ok("user model", user.name))
    except EncoderError as error:
        findings.append(_broken("user model", error))
    try:
        findings.append(_check_categories(encoder, text))
    except EncoderError as error:
        findings.append(_broken("derived categories", error))
    try:
        findings.append(_check_micro_topics(encoder, text))
    except EncoderError as error:
        findings.append(_broken("micro-topics", error))
    return findings


def _broken(check: str, error: EncoderError) -> Finding:
    problem, _, mend = str(error).rpartition("; ")
    return failed(check, problem or mend, mend if problem else "see encoder.* in `interestream config`")


def _check_device(encoder: EncoderSettings) -> tuple[list[Finding], Device]:
    try:
        device = choose_device(encoder.device)
    except EncoderError as error:
        return [_broken("device", error)], CPU
    if device.torch_device.type == "cpu":
        threads = encoder.cpu_threads or default_cpu_threads()
        return [ok("device", f"cpu, {threads} thread{'s' if threads > 1 else ''}")], device
    return [ok("device", f"{device.torch_device}, {device.dtype}")], device


def _check_text(encoder: EncoderSettings, text: TextEncoder) -> Finding:
    started = time.monotonic()
    vectors = text.encode(_SAMPLE)
    milliseconds = (time.monotonic() - started) * 1000
    figures = f"{text.model}, {text.dimensions} dimensions, {len(vectors)} texts in {milliseconds:.0f} ms"
    if encoder.text is TextEncoderName.HASHING:
        return warning("text model", f"{figures}: it knows words, not their meaning", "set encoder.text=transformers")
    return ok("text model", figures)


def _check_projection(encoder: EncoderSettings, projection: ItemProjection, text: TextEncoder) -> Finding:
    is_fixed = projection.name == ItemProjection.unfitted(text.dimensions).name
    if is_fixed and encoder.text is not TextEncoderName.HASHING:
        return warning(
            "projection",
            f"none was fitted to {text.model}: a fixed one serves, and similar items are found less well",
            "fit one to your catalogue with `interestream train projection`, and set encoder.projection_file",
        )
    return ok("projection", projection.name)


def _check_categories(encoder: EncoderSettings, text: TextEncoder) -> Finding:
    found = load_categories(encoder, text)
    if found is None:
        return ok("derived categories", "none: items without a category stay without one")
    origin = "built in" if encoder.categories_file is None else f"from {encoder.categories_file}"
    return ok("derived categories", f"{len(found.paths)}, {origin}")


def _check_micro_topics(encoder: EncoderSettings, text: TextEncoder) -> Finding:
    found = load_micro_topics(encoder, text)
    if found is None:
        return ok("micro-topics", "none: lists name no micro-topics of their users")
    return ok("micro-topics", f"{len(found.names)} from {encoder.micro_topics_file}")
