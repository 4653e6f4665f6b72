"""``interestream train``: fit what the encoders need on a shop's own items."""

from pathlib import Path
from typing import Annotated

import typer

from encoders.base import EncoderError, TextEncoder
from encoders.card import card_path
from encoders.categories import FORMAT as CATEGORIES_FORMAT
from encoders.categories import SEPARATOR, CategoriesCard, DerivedCategories, save_categories
from encoders.device import choose_device
from encoders.factory import load_text_encoder
from encoders.items import item_text
from encoders.projection import FORMAT as PROJECTION_FORMAT
from encoders.projection import ProjectionCard
from encoders.training.catalogue import CatalogueItem, read_catalogue
from encoders.training.categories import FormerCategories, train_categories
from encoders.training.projection import fit_projection
from stream.commands.console import ExitCode, fail, print_json, read_settings
from stream.commands.train_ranker import ranker
from stream.commands.train_user import encode_texts, user

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Fit what the encoders need on a shop's own items. The text model is the one of the settings "
    "(INTERESTREAM_ENCODER__...); what is fitted serves that model alone.",
)

app.command()(user)
app.command()(ranker)

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


@app.command()
def projection(
    items: Items,
    out: Out,
    data: Data = "",
    licence: Licence = "",
    attribution: Attribution = "",
    as_json: AsJson = False,
) -> None:
    """Fit the projection of text vectors to item vectors: 64 principal directions, partly whitened.

    Use it by INTERESTREAM_ENCODER__PROJECTION_FILE. Fit it before anything is trained on item vectors, and fit it
    again only with a new graph: all item vectors change. Exits with 1 when the items do not allow a fit, with 2 when a
    file or a setting cannot be used.

    Example: interestream train projection --items items.csv.gz --out projection.safetensors
    """
    _check_out(out)
    texts = [item_text(item.title, item.brand, item.category) for item in _read_items(items)]
    encoder = _load_encoder()
    try:
        fitted = fit_projection(encode_texts(encoder, texts, "encoding items"))
    except EncoderError as error:
        fail(str(error), ExitCode.FAILED)
    card = ProjectionCard(
        format=PROJECTION_FORMAT,
        command=f"interestream train projection --items {items.name} --out {out.name}",
        data=data,
        licence=licence,
        attribution=attribution,
        metrics=fitted.metrics,
        text_model=encoder.model,
        text_dimensions=encoder.dimensions,
    )
    fitted.projection.save(out, card)
    if as_json:
        print_json(_figures(out, encoder, fitted.metrics))
    else:
        typer.echo(f"{out}: fitted to {encoder.model}\n{_lines(fitted.metrics)}")


@app.command()
def categories(
    items: Items,
    out: Out,
    clusters: Annotated[int, typer.Option(min=2, help="How many categories.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of the first centroids.")] = 0,
    former: Annotated[
        Path | None, typer.Option(help="A file of categories to grow on: as many, and their names while they fit.")
    ] = None,
    data: Data = "",
    licence: Licence = "",
    attribution: Attribution = "",
    as_json: AsJson = False,
) -> None:
    """Make categories for items that have none: clusters of titles, named by their most telling terms.

    Read the names before use: they become nodes of the graph. Use them by INTERESTREAM_ENCODER__CATEGORIES_FILE. When
    the catalogue has changed, make them again with --former: a category that is still the same keeps its name, and so
    do the interests in it.
    Exits with 1 when the items do not allow it, with 2 when a file or a setting cannot be used.

    Example: interestream train categories --items items.csv.gz --clusters 60 --out categories.safetensors
    """
    _check_out(out)
    rows = _read_items(items)
    encoder = _load_encoder()
    grown = None if former is None else _load_former(former, encoder)
    clusters = clusters if grown is None else len(grown.names)
    titles = [row.title for row in rows]
    texts = [item_text(row.title, row.brand) for row in rows]
    try:
        made = train_categories(
            titles, texts, lambda batch: encode_texts(encoder, batch, "encoding titles"), clusters, seed, grown
        )
    except EncoderError as error:
        fail(str(error), ExitCode.FAILED)
    card = CategoriesCard(
        format=CATEGORIES_FORMAT,
        command=f"interestream train categories --items {items.name} --clusters {clusters} --seed {seed} "
        f"{'' if former is None else f'--former {former.name} '}--out {out.name}",
        data=data,
        licence=licence,
        attribution=attribution,
        metrics=made.metrics,
        text_model=encoder.model,
        text_dimensions=encoder.dimensions,
        names=made.names,
    )
    save_categories(out, made.centroids, card)
    if as_json:
        sizes = dict(zip(made.names, made.sizes, strict=True))
        print_json(_figures(out, encoder, made.metrics) | {"categories": sizes})
    else:
        names = "\n".join(f"  {size:>6,}  {name}" for name, size in zip(made.names, made.sizes, strict=True))
        typer.echo(f"{out}: {clusters} categories for {encoder.model}\n{names}\n{_lines(made.metrics)}")


def _check_out(out: Path) -> None:
    if out.suffix != ".safetensors":
        fail(f"--out: {out} must end in .safetensors", ExitCode.USAGE)
    if not out.parent.is_dir():
        fail(f"--out: {out.parent} is not a folder; create it first", ExitCode.USAGE)


def _read_items(path: Path) -> list[CatalogueItem]:
    try:
        return read_catalogue(path)
    except EncoderError as error:
        fail(str(error), ExitCode.USAGE)


def _load_encoder() -> TextEncoder:
    settings = read_settings().encoder
    try:
        return load_text_encoder(settings, choose_device(settings.device))
    except EncoderError as error:
        fail(str(error), ExitCode.USAGE)


def _load_former(path: Path, encoder: TextEncoder) -> FormerCategories:
    try:
        found = DerivedCategories.load(path, encoder.model)
    except EncoderError as error:
        fail(f"--former: {error}", ExitCode.USAGE)
    return FormerCategories([path.rpartition(SEPARATOR)[2] for path in found.paths], found.centroids)


def _figures(out: Path, encoder: TextEncoder, metrics: dict[str, float]) -> dict[str, object]:
    return {"file": str(out), "card": str(card_path(out)), "text_model": encoder.model, "metrics": metrics}


def _lines(metrics: dict[str, float]) -> str:
    return "\n".join(f"  {name}: {value:g}" for name, value in metrics.items())
