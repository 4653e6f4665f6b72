"""``interestream train categories`` and ``train micro-topics``: named clusters of a shop's items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from encoders.base import EncoderError, FloatArray, TextEncoder
from encoders.categories import DerivedCategories
from encoders.centroids import CentroidsCard, NamedCentroids, save_centroids
from encoders.items import item_text
from encoders.micro_topics import MicroTopics
from encoders.training.categories import train_categories
from encoders.training.clusters import FormerCentroids, TrainedCentroids
from encoders.training.micro_topics import train_micro_topics
from stream.commands.console import ExitCode, fail, print_json
from stream.commands.training import (
    AsJson,
    Attribution,
    Data,
    Items,
    Licence,
    Out,
    check_out,
    encode_with_bar,
    figures,
    load_encoder,
    metric_lines,
    read_items,
)


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
    check_out(out)
    rows, encoder = read_items(items), load_encoder()
    grown = _load_former(DerivedCategories, former, encoder)
    clusters = clusters if grown is None else len(grown.names)
    titles, texts = [row.title for row in rows], [item_text(row.title, row.brand) for row in rows]
    made = _made(lambda: train_categories(titles, texts, _encode(encoder, "encoding titles"), clusters, seed, grown))
    result = _Result(DerivedCategories, "categories", out, encoder, made)
    options = f"--items {items.name} --clusters {clusters} --seed {seed}"
    result.save(f"{options}{_named(former)} --out {out.name}", data, licence, attribution)
    result.show(as_json)


def micro_topics(
    items: Items,
    out: Out,
    clusters: Annotated[
        int | None, typer.Option(min=2, help="How many; 4·√n for n items when unset, with --former at least as many.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the first centroids.")] = 0,
    former: Annotated[
        Path | None, typer.Option(help="A file of micro-topics to grow on: their names stay while they fit.")
    ] = None,
    data: Data = "",
    licence: Licence = "",
    attribution: Attribution = "",
    as_json: AsJson = False,
) -> None:
    """Make micro-topics: clusters of item texts, finer than categories, named by their most telling terms.

    Use them by INTERESTREAM_ENCODER__MICRO_TOPICS_FILE: each item gets one in the graph, and each list message says
    which ones its user likes most. The order of the items does not matter. When the catalogue has changed, make them
    again with --former: afresh, most items would change their topic, and most topics their name.
    Exits with 1 when the items do not allow it, with 2 when a file or a setting cannot be used.

    Example: interestream train micro-topics --items items.csv.gz --out micro-topics.safetensors
    """
    check_out(out)
    rows, encoder = read_items(items), load_encoder()
    grown = _load_former(MicroTopics, former, encoder)
    titles, texts = [row.title for row in rows], [item_text(row.title, row.brand, row.category) for row in rows]
    made = _made(lambda: train_micro_topics(titles, texts, _encode(encoder, "encoding items"), clusters, seed, grown))
    result = _Result(MicroTopics, "micro_topics", out, encoder, made)
    options = f"--items {items.name} --clusters {len(made.names)} --seed {seed}"
    result.save(f"{options}{_named(former)} --out {out.name}", data, licence, attribution)
    result.show(as_json)


@dataclass(frozen=True, slots=True)
class _Result:
    """Centroids that were made, to be written and shown. ``word``: what they are, in JSON."""

    kind: type[NamedCentroids]
    word: str
    out: Path
    encoder: TextEncoder
    made: TrainedCentroids

    def save(self, options: str, data: str, licence: str, attribution: str) -> None:
        made, encoder = self.made, self.encoder
        card = CentroidsCard(
            format=self.kind.format,
            command=f"{self.kind.command} {options}",
            data=data,
            licence=licence,
            attribution=attribution,
            metrics=made.metrics,
            text_model=encoder.model,
            text_dimensions=encoder.dimensions,
            names=made.names,
        )
        save_centroids(self.out, made.centroids, card)

    def show(self, as_json: bool) -> None:
        made, encoder = self.made, self.encoder
        sizes = dict(zip(made.names, made.sizes, strict=True))
        if as_json:
            print_json(figures(self.out, encoder, made.metrics) | {self.word: sizes})
            return
        names = "\n".join(f"  {size:>6,}  {name}" for name, size in sizes.items())
        what = self.word.replace("_", "-")
        typer.echo(f"{self.out}: {len(sizes)} {what} for {encoder.model}\n{names}\n{metric_lines(made.metrics)}")


def _encode(encoder: TextEncoder, what: str) -> Callable[[Sequence[str]], FloatArray]:
    return lambda texts: encode_with_bar(encoder, texts, what)


def _made(train: Callable[[], TrainedCentroids]) -> TrainedCentroids:
    try:
        return train()
    except EncoderError as error:
        fail(str(error), ExitCode.FAILED)


def _named(former: Path | None) -> str:
    return "" if former is None else f" --former {former.name}"


def _load_former(kind: type[NamedCentroids], path: Path | None, encoder: TextEncoder) -> FormerCentroids | None:
    if path is None:
        return None
    try:
        found = kind.load(path, encoder.model)
    except EncoderError as error:
        fail(f"--former: {error}", ExitCode.USAGE)
    return FormerCentroids(found.names, found.centroids)
