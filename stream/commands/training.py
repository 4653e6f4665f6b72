"""What the commands of ``interestream train`` share: their options, and the items they are given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from encoders.base import EncoderError, FloatArray, TextEncoder
from encoders.card import card_path
from encoders.device import choose_device
from encoders.factory import load_text_encoder
from encoders.training.catalogue import CatalogueItem, read_catalogue
from stream.commands.console import ExitCode, fail, progress_bar, read_settings
from stream.training_files import encode_texts

Items = Annotated[
    Path,
    typer.Option(
        help="CSV with a column `title` (and `brand`, `category` if known), or JSON Lines of catalogue rows; "
        "also with .gz behind it."
    ),
]
Out = Annotated[Path, typer.Option(help="A .safetensors file; its JSON card is written beside it.")]
Data = Annotated[str, typer.Option(help="What the items are, for the card.")]
Licence = Annotated[str, typer.Option(help="Under which terms the result may be passed on, for the card.")]
Attribution = Annotated[str, typer.Option(help="Whom to name, for the card.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def check_out(out: Path) -> None:
    """Exit with 2 unless the file can be written."""
    if out.suffix != ".safetensors":
        fail(f"--out: {out} must end in .safetensors", ExitCode.USAGE)
    if not out.parent.is_dir():
        fail(f"--out: {out.parent} is not a folder; create it first", ExitCode.USAGE)


def read_items(path: Path) -> list[CatalogueItem]:
    """Read the items, or exit with 2."""
    try:
        return read_catalogue(path)
    except EncoderError as error:
        fail(str(error), ExitCode.USAGE)


def load_encoder() -> TextEncoder:
    """Load the text encoder of the settings, or exit with 2."""
    settings = read_settings().encoder
    try:
        return load_text_encoder(settings, choose_device(settings.device))
    except EncoderError as error:
        fail(str(error), ExitCode.USAGE)


def encode_with_bar(encoder: TextEncoder, texts: Sequence[str], title: str) -> FloatArray:
    """Return (len(texts), D) with a progress bar."""
    with progress_bar(title, len(texts)) as step:
        return encode_texts(encoder, texts, step)


def say_refused(**refused: Mapping[str, int]) -> str:
    """Say how many were refused of what, by reason; empty where none was."""
    return "; ".join(
        f"{what}: {', '.join(f'{reason} {count:,}' for reason, count in sorted(counts.items()))}"
        for what, counts in refused.items()
        if counts
    )


def figures(out: Path, encoder: TextEncoder, metrics: dict[str, float]) -> dict[str, object]:
    """Return what ``--json`` prints of every result."""
    return {"file": str(out), "card": str(card_path(out)), "text_model": encoder.model, "metrics": metrics}


def metric_lines(metrics: dict[str, float]) -> str:
    """Return a line per metric."""
    return "\n".join(f"  {name}: {value:g}" for name, value in metrics.items())
