"""``interestream train for-you``: the model of the for-you list, from a shop's own events."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no stubs

from stream.commands.console import ExitCode, fail, print_json, progress_bar, read_settings
from stream.commands.training import check_out, say_refused
from stream.event_files import EventFileError, count_hint, read_catalogue
from stream.recommendations import rfc3339
from stream.training_files import latest_rows, read_interactions


class Occasion(StrEnum):
    """What a list is for."""

    NEXT_STEP = "next-step"
    NEXT_VISIT = "next-visit"


def for_you(
    events: Annotated[Path, typer.Option(help="A .jsonl, .ndjson or .csv file of events, as for `replay`.")],
    items: Annotated[Path, typer.Option(help="The catalogue: rows as for `replay --catalogue`, or a .csv.")],
    out: Annotated[Path, typer.Option(help="A .safetensors file; replaced as a whole.")] = Path("for-you.safetensors"),
    occasion: Annotated[
        Occasion,
        typer.Option("--for", help="What is foretold: the next item, or all of the next visit (after 30 minutes)."),
    ] = Occasion.NEXT_STEP,
    seed: Annotated[int, typer.Option(min=0, help="Of samples, trees and the encoder.")] = 0,
    shift_ms: Annotated[int, typer.Option(help="Added to the times of a CSV whose clock tells only an order.")] = 0,
    data: Annotated[str, typer.Option(help="What the events are, for the file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Fit the ranker of the evaluation to a shop's own log, so that workers publish its list, `for_you`.

    Some dozens of ingredients are tuned, blended and put in order by trees, on the same question asked of earlier parts
    of the log; the latest part, which nothing was fitted on, says how good the lists are. What the file counts in is
    everything up to the last event. Users are digests in it; it belongs with the shop's data all the same.

    `--for next-step` foretells the one item that comes next, `--for next-visit` all of the next visit: for shops where
    a visit takes many things, and people come back for them. What one visit is is told by pauses, as workers must.
    Use the file by INTERESTREAM_FOR_YOU__MODEL_FILE; workers that run take a new one over by themselves.

    Takes minutes. Exits with 1 when there is too little to learn from, with 2 when a file or a setting cannot be used.

    Example: interestream train for-you --events events.csv.gz --items items.csv.gz --out for-you.safetensors
    """
    from stream.evaluation.contest import Contest  # brings scikit-learn
    from stream.evaluation.plan import CannotTest
    from stream.for_you.file import ForYouCard, card_of, write_for_you
    from stream.for_you.log import shop_of
    from stream.for_you.training import train_for_you

    settings = read_settings().trackers
    check_out(out)
    command = (
        f"interestream train for-you --events {events.name} --items {items.name} --out {out.name} "
        f"--for {occasion.value} --seed {seed}"
    )
    try:
        rows, refused_rows = latest_rows(read_catalogue(items), settings)
        with progress_bar(f"reading {events.name}", count_hint(events)) as step:
            interactions, refused = read_interactions(events, settings, shift_ms, step)
        shop = shop_of(interactions, rows, sessions=occasion is Occasion.NEXT_VISIT)
        with threadpool_limits(1):  # threads that wait for each other cost more than they bring on a shared machine
            learned = train_for_you(shop, occasion.value, Contest(seed, progress_bar, baselines=False))
        card: ForYouCard = card_of(
            learned.model, occasion.value, figures=learned.figures, cases=learned.cases, lead=learned.lead, seed=seed,
            command=command, data=data,
        )  # fmt: skip
        card = write_for_you(out, learned.model, card)
    except CannotTest as error:
        fail(f"{events}: {error}; refused: {say_refused(events=refused) or 'none'}", ExitCode.FAILED)
    except (EventFileError, OSError) as error:
        fail(str(error), ExitCode.USAGE)
    if said := say_refused(events=refused, items=refused_rows):
        typer.echo(f"refused: {said}", err=True)
    if as_json:
        print_json({"file": str(out), "for_you": card})
        return
    lines = [
        f"{out}: {card.version}, for the {occasion.value.replace('-', ' ')}",
        f"counts in {card.interactions:,} interactions of {card.users:,} users with {card.items:,} items, "
        f"up to {rfc3339(card.until)}",
        f"test ({card.cases:,} cases): " + ", ".join(f"{name} {value:.4f}" for name, value in card.figures.items()),
    ]
    lines += [
        f"  {name}: {one.value:+.4f} ({one.low:+.4f} to {one.high:+.4f}) over its best part, {one.part}"
        for name, one in card.lead.items()
    ]
    typer.echo("\n".join(lines))
