"""``interestream train``: fit what the encoders need on a shop's own items."""

import typer

from encoders.base import EncoderError
from encoders.items import item_text
from encoders.projection import FORMAT as PROJECTION_FORMAT
from encoders.projection import ProjectionCard
from encoders.training.projection import fit_projection
from stream.commands.console import ExitCode, fail, print_json
from stream.commands.train_centroids import categories, micro_topics
from stream.commands.train_for_you import for_you
from stream.commands.train_ranker import ranker
from stream.commands.train_user import user
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

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Fit what the encoders need on a shop's own items. The text model is the one of the settings "
    "(INTERESTREAM_ENCODER__...); what is fitted serves that model alone.",
)

app.command()(user)
app.command()(ranker)
app.command()(for_you)
app.command()(categories)
app.command()(micro_topics)


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
    check_out(out)
    texts = [item_text(item.title, item.brand, item.category) for item in read_items(items)]
    encoder = load_encoder()
    try:
        fitted = fit_projection(encode_with_bar(encoder, texts, "encoding items"))
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
        print_json(figures(out, encoder, fitted.metrics))
    else:
        typer.echo(f"{out}: fitted to {encoder.model}\n{metric_lines(fitted.metrics)}")
