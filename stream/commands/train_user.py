"""``interestream train user``: a model of users from a shop's own events."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from encoders.base import EncoderError, FloatArray, TextEncoder
from encoders.card import Card
from encoders.device import CPU, default_cpu_threads, use_cpu_threads
from encoders.factory import load_categories, load_projection, load_text_encoder
from encoders.training.events import TrainingItems, build_histories
from encoders.training.options import EncoderName, TrainingOptions
from encoders.training.parts import HoldOut
from encoders.training.propagated import Interests
from encoders.training.user import Refit, UserTraining
from encoders.user.model import LEARNED_UNTIL, save_user_model
from graph.settings import InterestSettings
from stream.commands.console import ExitCode, fail, print_json, progress_bar, read_settings
from stream.commands.days import read_day
from stream.commands.training import encode_with_bar, say_refused
from stream.epoch_bars import EpochBars
from stream.event_files import EventFileError, count_hint
from stream.recommendations import rfc3339
from stream.settings import Settings
from stream.training_files import read_events, read_rows, texts_of, training_items

CHECKPOINTS = ".training"

DEFAULTS = TrainingOptions()


def user(
    events: Annotated[Path, typer.Option(help="A .jsonl, .ndjson or .csv file of events, as for `replay`.")],
    items: Annotated[Path, typer.Option(help="The catalogue: rows as for `replay --catalogue`, or a .csv.")],
    out: Annotated[Path, typer.Option(help="Folder of the model; made if absent, its files replaced one by one.")],
    encoder: Annotated[EncoderName, typer.Option(help="What reads a history.")] = EncoderName.DECAY,
    hold_out: Annotated[HoldOut, typer.Option(help="period: the last tenth in time judges; last: leave-one-out.")] = (
        HoldOut.PERIOD
    ),
    refit: Annotated[
        Refit, typer.Option(help="What the kept model has seen: all events; all before the test; or as selected.")
    ] = Refit.ALL,
    epochs: Annotated[int, typer.Option(min=1, help="At most; it stops when validation gets no better.")] = (
        DEFAULTS.epochs
    ),
    negatives: Annotated[int, typer.Option(min=0, help="Items drawn per step for the softmax; 0: all of them.")] = (
        DEFAULTS.negatives
    ),
    seed: Annotated[int, typer.Option(min=0, help="Of everything random: the same files give the same model.")] = 1,
    before: Annotated[
        str | None,
        typer.Option(help="Learn only from events before this day or time, such as 2011-10-01; default: all."),
    ] = None,
    shift_ms: Annotated[int, typer.Option(help="Added to the times of a CSV whose clock tells only an order.")] = 0,
    work: Annotated[
        Path | None, typer.Option(help="Folder of checkpoints and encoded texts; `.training` in --out by default.")
    ] = None,
    data: Annotated[str, typer.Option(help="What the events are, for the card.")] = "",
    licence: Annotated[str, typer.Option(help="Under which terms the model may be passed on, for the card.")] = "",
    attribution: Annotated[str, typer.Option(help="Whom to name, for the card.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train what turns a history into a vector, together with the item vectors, on a shop's own events.

    The past before the last fifth trains, the next tenth says when to stop, the last tenth judges; then it is trained
    again on everything, as long as was best. A run that was broken off goes on when it is started again with the same
    options. Use the model by INTERESTREAM_ENCODER__USER_MODEL_DIR; workers that run take a new one over by themselves.
    docs/encoders.md says how it works, and what it reached.

    Exits with 1 when there is too little to learn from, with 2 when a file or a setting cannot be used.

    Example: interestream train user --events events.csv.gz --items items.csv.gz --out model
    """
    until = read_day("--before", before) if before is not None else None
    settings = read_settings()
    use_cpu_threads(settings.encoder.cpu_threads or default_cpu_threads())
    options = TrainingOptions(encoder=encoder, epochs=epochs, negatives=negatives, seed=seed)
    folder = work or out / CHECKPOINTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
        out.mkdir(parents=True, exist_ok=True)
        text = load_text_encoder(settings.encoder, CPU)
        catalogue, refused_rows = read_shop_items(items, settings, text, folder)
        with progress_bar(f"reading {events.name}", count_hint(events)) as step:
            interactions, refused = read_events(events, settings.trackers, shift_ms, step)
        if until is not None:
            interactions = [one for one in interactions if one.at < until]
    except (EventFileError, EncoderError, OSError) as error:
        fail(str(error), ExitCode.USAGE)
    said = say_refused(events=refused, rows=refused_rows)
    try:
        histories = build_histories(interactions, {item: row for row, item in enumerate(catalogue.ids)})
    except EncoderError as error:
        fail(f"{error}; refused: {said or 'none'}", ExitCode.FAILED)
    if said:
        typer.echo(f"refused: {said}", err=True)
    try:
        with EpochBars(progress_bar, lambda line: typer.echo(line, err=True)) as bars:
            training = UserTraining(catalogue, text.model, load_projection(text), options, folder, bars)
            trained = training.run(histories, hold_out, refit, interests_of(settings.graph.interest))
    except EncoderError as error:
        fail(str(error), ExitCode.FAILED)
    metrics = {
        "users": float(histories.users),
        "interactions": float(len(histories)),
        LEARNED_UNTIL: trained.learned_until,
        **trained.metrics,
    }
    command = (
        f"interestream train user --events {events.name} --items {items.name} --encoder {encoder.value} "
        f"--hold-out {hold_out.value} --refit {refit.value} --epochs {epochs} --negatives {negatives} --seed {seed}"
    ) + (f" --before {before}" if before is not None else "")
    card = Card(format="", command=command, data=data, licence=licence, attribution=attribution, metrics=metrics)
    name = save_user_model(out, trained.parts, card)
    ignored = {"events": dict(refused), "rows": dict(refused_rows)}
    if as_json:
        print_json(
            {"folder": str(out), "model": name, "metrics": metrics, "epochs": trained.epochs, "refused": ignored}
        )
    else:
        typer.echo(_text(out, name, metrics))


def interests_of(settings: InterestSettings) -> Interests:
    """Return how the graph weighs interactions, to judge propagation with."""
    weights = {
        "click": settings.click_weight,
        "view": settings.view_weight,
        "add_to_cart": settings.add_to_cart_weight,
        "purchase": settings.purchase_weight,
    }
    return Interests(weights, settings.half_life_seconds)


def read_shop_items(
    path: Path, settings: Settings, text: TextEncoder, folder: Path
) -> tuple[TrainingItems, dict[str, int]]:
    """Return the items with their text vectors, encoded or taken from the folder's cache, and the refused rows."""
    rows, refused = read_rows(path, settings.trackers)
    texts = texts_of(rows)
    cache = folder / f"texts-{sha256(repr((text.model, texts)).encode()).hexdigest()[:12]}.npy"
    if cache.is_file():
        vectors: FloatArray = np.load(cache, allow_pickle=False)
    else:
        vectors = encode_with_bar(text, texts, "encoding items")
        np.save(cache, vectors, allow_pickle=False)
    return training_items(rows, vectors, load_categories(settings.encoder, text)), dict(refused)


def _text(out: Path, name: str, metrics: dict[str, float]) -> str:
    lines = [f"{out}: {name}"]
    for key, value in metrics.items():
        lines.append(f"  {key}: {rfc3339(round(1000 * value)) if key == LEARNED_UNTIL else f'{value:g}'}")
    return "\n".join(lines)
