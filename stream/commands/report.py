"""``interestream report``: what became of the lists that were shown, and what the present ones expose."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from stream.checking.kafka_topics import KafkaTopics
from stream.commands.broker import broker_needed, read_secure_settings
from stream.commands.console import print_json, progress_bar
from stream.feedback import Outcome
from stream.list_report import ListReport, make_report
from stream.settings import Settings


def report(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, with intervals and brands.")] = False,
) -> None:
    """Report click-through and conversion by list, position, model and ranker, and the exposure of brands and tail.

    Reads the topics from their beginnings, without joining a group or leaving a trace: impressions, clicks and
    purchases that carry a recommendation_id, and the lists they speak of. What retention and compaction have removed
    is not in it: events go after topics.interactions_retention_days, former lists after about a day. A pair of
    publication and item counts once, however many events speak of it.

    Exit codes: 0 reported; 1 a topic is missing; 2 the settings cannot be used; 3 Kafka is away.

    Example: interestream report --json
    """
    settings = read_secure_settings()
    with broker_needed():
        found = _report(settings)
    if as_json:
        print_json(found)
    else:
        _print(found)


def _report(settings: Settings) -> ListReport:
    topics = KafkaTopics(settings)
    try:
        with progress_bar("records", None) as step:
            return make_report(settings, topics, time.time_ns() // 1_000_000, step)
    finally:
        topics.close()


def _print(found: ListReport) -> None:
    console, feedback = Console(), found.feedback
    console.print(f"{found.events:,} events, lists of {found.lists:,} users")
    table = Table("", "shown", "clicked", "taken", "CTR", "conversion", box=None, pad_edge=False)
    _row(table, "all", feedback.all)
    for name, outcome in feedback.by_list.items():
        _row(table, name, outcome)
        for position, at in feedback.by_position.get(name, {}).items():
            _row(table, f"  place {position}", at)
    for model, outcome in feedback.by_model.items():
        _row(table, f"model {model}", outcome)
    for ranker, outcome in feedback.by_ranker.items():
        _row(table, f"ranker {ranker}", outcome)
    if feedback.explored.shown:
        _row(table, "explored", feedback.explored)
    console.print(table)
    if feedback.unmatched:
        console.print(f"{feedback.unmatched:,} of these name neither a list that is still there nor one of ours")
    for name, exposure in found.exposure.items():
        places = f"{exposure.items:,} items on {exposure.places:,} places, {exposure.coverage:.1%} of the catalogue"
        spread = f"long tail {exposure.tail:.1%}, Gini {exposure.gini:.2f}"
        console.print(f"{name}: {places}; {spread}, lists of one category {exposure.one_category:.1%}")
        if exposure.brands:
            console.print("  brands: " + ", ".join(f"{brand} {share:.1%}" for brand, share in exposure.brands.items()))


def _row(table: Table, name: str, outcome: Outcome) -> None:
    counts = (f"{outcome.shown:,}", f"{outcome.clicked:,}", f"{outcome.taken:,}")
    table.add_row(name, *counts, _percent(outcome.ctr), _percent(outcome.conversion))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.2%}"
