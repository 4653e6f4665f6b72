"""``interestream train ranker``: the weights of the lists' features, from a shop's own events."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from encoders.base import EncoderError
from encoders.user.model import learned_until
from stream.commands.console import ExitCode, fail, print_json, progress_bar, read_settings
from stream.commands.training import say_refused
from stream.event_files import EventFileError, count_hint, read_catalogue
from stream.ranker_file import LearnedList, RankerFile, write_ranker
from stream.ranker_training.log import read_log
from stream.ranker_training.training import Shop, TooLittle, split, train_ranker
from stream.recommendations import rfc3339


def ranker(
    events: Annotated[Path, typer.Option(help="A .jsonl, .ndjson or .csv file of events, as for `replay`.")],
    items: Annotated[Path, typer.Option(help="The catalogue: rows as for `replay --catalogue`, or a .csv.")],
    output: Annotated[Path, typer.Option(help="File of the weights; replaced as a whole.")] = Path("ranker.json"),
    last: Annotated[int, typer.Option(min=1000, help="So many of the last messages are replayed.")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the lot among cases, where there are too many to fit.")] = 0,
    shift_ms: Annotated[int, typer.Option(help="Added to the times of a CSV whose clock tells only an order.")] = 0,
    data: Annotated[str, typer.Option(help="What the events are, for the file.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Learn what the features of the lists weigh, by a replay of a shop's own events through the worker's own code.

    Four tenths of the messages fill the graph. In the next three tenths the candidates' features are recorded before
    each interaction, and the weights are fitted to what was taken then: those of cross-sell to what is of another
    category than the user's latest item. The next 15 % choose: unless the learned weights are better there, the fixed
    ones stay, for each list by itself. The last 15 % judge and fit nothing. Of more than 33,333 messages the last
    20,000 are divided like that, and all before fill the graph.
    Use the file by INTERESTREAM_GRAPH__RANKING__LEARNED_FILE; workers that run take a new one over by themselves.

    A trained user model (encoder.user_model_dir) foretells best what it has learned from. Give a former one, of
    `train user --before`, to learn these weights with, and the one of all events to the workers. Where the model has
    seen what it is asked, standard error says so.

    Exits with 1 when there is too little to learn from, with 2 when a file or a setting cannot be used.

    Example: interestream train ranker --events events.csv.gz --items items.csv.gz --output ranker.json
    """
    settings = read_settings()
    if not output.absolute().parent.is_dir():
        fail(f"--output: {output.parent} is not a folder; create it first", ExitCode.USAGE)
    command = (
        f"interestream train ranker --events {events.name} --items {items.name} --output {output.name} "
        f"--last {last} --seed {seed}"
    )
    try:
        catalogue = list(read_catalogue(items))
        with progress_bar(f"reading {events.name}", count_hint(events)) as step:
            messages, refused = read_log(events, settings.trackers, shift_ms, last, step)
        shop = Shop(messages, catalogue, refused, command, data)
        warn_of_seen(settings.encoder.user_model_dir, split(messages)["training"][0].at)
        learned = asyncio.run(train_ranker(shop, settings, seed, progress_bar))
        write_ranker(output, learned)
    except TooLittle as error:
        fail(f"{events}: {error}; refused: {say_refused(events=refused) or 'none'}", ExitCode.FAILED)
    except (EventFileError, EncoderError, OSError) as error:
        fail(str(error), ExitCode.USAGE)
    if refused:
        typer.echo(f"refused: {say_refused(events=refused)}", err=True)
    if as_json:
        print_json({"file": str(output), "ranker": learned})
    else:
        typer.echo(_text(output, learned))


def warn_of_seen(model: Path | None, first_asked: int) -> None:
    """Say so when the user model has learned from what comes at ``first_asked`` (ms) or later. Raises EncoderError."""
    until = learned_until(model) if model is not None else None
    if until is not None and 1000 * until >= first_asked:
        first, last = rfc3339(first_asked), rfc3339(round(1000 * until))
        typer.echo(
            f"warning: {model} has learned from events until {last}, and is asked what happened from {first} on. That "
            "it foretells better than what comes, so the embedding will weigh too much. Learn these weights with a "
            f"model of `interestream train user --before {first}`",
            err=True,
        )


def _text(output: Path, learned: RankerFile) -> str:
    lines = [f"{output}: ranker {learned.version}"]
    lists = [("cross-sell", learned.cross_sell), ("up-sell", learned.up_sell)]
    if (visit := learned.next_visit) is not None:
        lines[0] += f", for the next visit {visit.version}"
        lists += [("next visit, cross-sell", visit.cross_sell), ("next visit, up-sell", visit.up_sell)]
    for name, found in lists:
        lines += [f"{name}: {found.chosen} weights; {found.reason}", f"  weights: {_numbers(found.weights)}"]
        lines += _figures("validation", found, found.validation) + _figures("test", found, found.test)
    return "\n".join(lines)


def _figures(period: str, found: LearnedList, figures: dict[str, dict[str, float]]) -> list[str]:
    return [f"  {period} ({found.cases[period]:,} cases), {name}: {_numbers(of)}" for name, of in figures.items()]


def _numbers(numbers: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in numbers.items())
