"""``interestream evaluate``: how good the lists are, on a shop's own past or on a public data set."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from encoders.base import EncoderError
from stream.commands.console import ExitCode, fail, print_json, progress_bar, read_settings
from stream.commands.days import read_day
from stream.evaluation.contest import Contest
from stream.evaluation.evaluation import ASKED_INTERACTIONS, PREQUENTIAL_INTERACTIONS, Options, evaluate_shop
from stream.evaluation.plan import CannotTest, Protocol, read_shop
from stream.evaluation.plots import PlotsUnavailable, figure_class, write_plots
from stream.evaluation.report import Report
from stream.evaluation.tables import tables
from stream.evaluation.trained_worker import ranked_by
from stream.evaluation.worker_kinds import say_unknown
from stream.evaluation.written_lists import write_report
from stream.event_files import EventFileError
from stream.ranker_file import RankerFileError, load_weights, read_ranker
from stream.settings import Settings

WIDTH = 180
"""Of the tables where there is no terminal to ask."""

LEAST_WORKER = 100
"""A fifth of the worker's interactions are its tests."""

Events = Annotated[
    list[Path],
    typer.Option(
        help="CSV with user_id, item_id, ts_ms and, if known, type, price, session_id; or tab-separated SessionId, "
        "ItemId, Time. Also with .gz behind it. Give it several times for several files."
    ),
]


def evaluate(
    events: Events,
    items: Annotated[
        Path | None, typer.Option(help="CSV with item_id and, if known, title, category_path, brand, price.")
    ] = None,
    protocol: Annotated[Protocol, typer.Option(help="How the past becomes a test.")] = Protocol.PREQUENTIAL,
    test: Annotated[Path | None, typer.Option(help="session: a further file; its sessions are the test.")] = None,
    test_days: Annotated[float, typer.Option(min=0, help="session, without --test: the last so many days.")] = 1.0,
    cut: Annotated[
        str | None, typer.Option(help="next-basket: the day of the cut, such as 2011-10-01; default: a fifth is left.")
    ] = None,
    relations: Annotated[
        Path | None, typer.Option(help="Folder of item relations: also judge cross-sell by them, the worker's too.")
    ] = None,
    kinds: Annotated[str | None, typer.Option(help="Only these kinds, such as purchase or click,view.")] = None,
    baselines: Annotated[bool, typer.Option(help="Also run the known recommenders.")] = True,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also fit the linear blend without each family of features.")
    ] = False,
    cases: Annotated[int, typer.Option(min=100, help="prequential: test at most so many interactions.")] = 5000,
    worker: Annotated[
        int | None,
        typer.Option(
            min=0,
            show_default=f"{PREQUENTIAL_INTERACTIONS} in prequential, else {ASKED_INTERACTIONS}, if the items have a "
            "title, brand or category",
            help="So many of the last known interactions go through the worker's own code, whose lists are judged: 0, "
            "or 100 and more.",
        ),
    ] = None,
    ranker: Annotated[
        Path | None, typer.Option(help="Weights from `train ranker` that the worker's own code ranks by.")
    ] = None,
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help="Also train a user model and, unless --ranker names some, the ranker's weights on what the worker "
            "processes before its tests, and run it again with these.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of every random choice.")] = 0,
    plots: Annotated[Path | None, typer.Option(help="Folder to write PNGs into.")] = None,
    lists: Annotated[
        Path | None,
        typer.Option(
            "--write-lists",
            help="JSON lines of the main test: case, history, target, ranked item ids. Further tests and the worker's "
            "lists get files of their own beside it.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Rank the whole catalogue for every case, and compare with what the users took.

    leave-one-out: each user's last item. next-basket: each known user's next basket after a cut in time, and the items
    of it that are new to the user. session: every next click of test sessions. prequential: what every interaction is
    worth as a test before it is learned from, and how much a late list loses.

    The worker's own lists are judged in each of them: those published before every interaction in prequential; in the
    others those that it answers for each case's user, once it has processed what the test knows.

    The ranker has no parameters to set: it tunes itself and learns on earlier parts of the same log. Exits with 1 when
    the data holds nothing to test, or when something besides the main test had to be left out (the rest is printed),
    with 2 when a file or an option cannot be used.

    Example: interestream evaluate --events events.csv.gz --items items.csv.gz --protocol leave-one-out
    """
    _check(protocol, test, cut, plots, lists)
    if worker is not None and 0 < worker < LEAST_WORKER:
        fail(f"--worker: {worker} are too few to test with; give {LEAST_WORKER} or more, or 0 for none", ExitCode.USAGE)
    if train and worker == 0:
        fail("--train belongs to a --worker above 0: nobody else uses its user model", ExitCode.USAGE)
    if ranker is not None and worker == 0:
        fail("--ranker belongs to a --worker above 0: nobody else ranks by it", ExitCode.USAGE)
    cut_at = read_day("--cut", cut) if cut is not None else None
    settings = read_settings()
    if ranker is not None:
        settings = _ranked_by(settings, ranker)
    try:
        shop = read_shop(events, items, protocol, test, _kinds(kinds))
        if shop.raw.repeated:
            typer.echo(f"{shop.raw.repeated:,} rows left out: their event_id had come before", err=True)
        contest = Contest(seed, progress_bar, baselines, ablation)
        report = evaluate_shop(
            shop, Options(protocol, cut_at, test_days, relations, cases, worker, train), contest, settings
        )
    except CannotTest as error:
        fail(str(error), ExitCode.FAILED)
    except (EncoderError, EventFileError, OSError) as error:
        fail(str(error), ExitCode.USAGE)
    written, trouble = _write(report, lists, plots)
    by = load_weights(settings.graph).version if report.worker else None
    if as_json:
        print_json(
            report.as_json() | ({"worker_ranker": by} if by else {}) | {"plots": [str(path) for path in written]}
        )
    else:
        _show(report, by, written)
    for name, reason in report.left_out.items():
        typer.echo(f"left out: {name}: {reason}", err=True)
    if trouble is not None:
        fail(trouble, ExitCode.USAGE)
    if report.left_out:
        raise typer.Exit(ExitCode.FAILED)


def _show(report: Report, worker_ranker: str | None, written: list[Path]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    for table in tables(report):
        console.print(table)
    if worker_ranker is not None:
        console.print(f"the worker's ranker: {worker_ranker}")
    if report.unlearned:
        console.print(f"the trained worker learned no weights: {report.unlearned}", soft_wrap=True, markup=False)
    if report.no_worker:
        console.print(f"the worker: {report.no_worker}", soft_wrap=True, markup=False)
    if report.worker and report.unknown_kinds:
        console.print(say_unknown(report.unknown_kinds, len(report.shop.raw)), soft_wrap=True, markup=False)
    for path in written:
        console.print(f"written: {path}")


def _write(report: Report, lists: Path | None, plots: Path | None) -> tuple[list[Path], str | None]:
    """Return the plots that were written, and what went wrong: it must not cost the report."""
    try:
        if lists is not None:
            write_report(lists, report)
        return write_plots(report, plots) if plots is not None else [], None
    except (PlotsUnavailable, OSError) as error:
        return [], str(error)


def _check(protocol: Protocol, test: Path | None, cut: str | None, plots: Path | None, lists: Path | None) -> None:
    if test is not None and protocol is not Protocol.SESSION:
        fail("--test belongs to --protocol session", ExitCode.USAGE)
    if cut is not None and protocol is not Protocol.NEXT_BASKET:
        fail("--cut belongs to --protocol next-basket", ExitCode.USAGE)
    if plots is not None and not plots.is_dir():
        fail(f"--plots: {plots} is not a folder; create it first", ExitCode.USAGE)
    if plots is not None:
        try:
            figure_class()
        except PlotsUnavailable as error:
            fail(f"--plots: {error}", ExitCode.USAGE)
    if lists is not None and not lists.absolute().parent.is_dir():
        fail(f"--write-lists: {lists.parent} is not a folder; create it first", ExitCode.USAGE)


def _ranked_by(settings: Settings, ranker: Path) -> Settings:
    try:
        read_ranker(ranker)
    except RankerFileError as error:
        fail(f"--ranker: {error}", ExitCode.USAGE)
    return ranked_by(settings, ranker)


def _kinds(text: str | None) -> frozenset[str] | None:
    return frozenset(kind.strip().lower() for kind in text.split(",") if kind.strip()) if text else None
