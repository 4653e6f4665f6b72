"""The report as tables for a terminal."""

from collections.abc import Iterator, Mapping

from rich.table import Table

from stream.evaluation.bootstrap import Interval
from stream.evaluation.contest import Section
from stream.evaluation.figures import Figures
from stream.evaluation.nightly import LEAD_METRIC, SHOWN, Comparison
from stream.evaluation.report import Report
from stream.evaluation.worker_lists import ASKED, LENGTH, STREAM, without_summary
from stream.evaluation.worker_relations import METRICS as RELATION_METRICS
from stream.evaluation.worker_relations import RelationFigures

ACCURACY = ("HR@10", "NDCG@10", "HR@20", "MRR@20", "Recall@20", "NDCG@20")
LISTS = ("coverage@10", "popularity bias@10", "intra-list diversity@10", "category novelty@10", "price lift@10")
ABSENT = "–"
_WORKER = (
    (STREAM, "as published before each interaction", "one interaction at a time"),
    (ASKED, "asked for every case", "which has processed what the test knows"),
)


def tables(report: Report) -> Iterator[Table]:
    """Yield the tables of a report: accuracy and lists of each test, slices, freshness, relations, the worker."""
    for section in report.sections:
        title = f"{section.name}: {len(section.cases):,} cases, full ranking among {section.candidates}"
        yield _accuracy(title, section)
        yield _lists(f"{section.name}: what the lists are like", section.models)
    yield _slices(report.sections[0])
    if report.freshness:
        yield _plain("freshness: the ranker's lists, made before they are used", report.freshness)
    if report.relations:
        yield _plain("cross-sell lists of 10: share of the listed items that a relation holds", report.relations)
    if report.worker:
        runs = {"": report.worker} | ({"trained, ": report.trained_worker} if report.trained_worker else {})
        later = {"next visit, ": report.next_visit_worker, "trained, next visit, ": report.next_visit_trained_worker}
        listed = (runs | later).items()
        lists = {run + name: of for run, found in listed for name, of in without_summary(found).items()}
        summary, made, how = next(words for words in _WORKER if words[0] in report.worker)
        yield _plain(f"the worker's own lists, {made}", lists)
        yield from (_comparison(name, found) for name, found in report.nightly.items())
        summaries = {f"{run}{summary}": found[summary] for run, found in runs.items()}
        yield _plain(f"the worker's own code, {how}", summaries)
    if any(report.worker_relations.values()):
        yield _worker_relations(report.worker_relations)
    if report.training:
        metrics = {name: {"value": value} for name, value in report.training.items()}
        yield _plain("trained worker: its user model", metrics)
    if report.trained_ranker is not None:
        learned = {name.replace("_", "-"): found for name, found in report.trained_ranker.lists().items()}
        title = f"trained worker: its ranker, {report.trained_ranker.version}"
        yield _plain(title, {f"{name}: {found.chosen}": found.weights for name, found in learned.items()})


def _accuracy(title: str, section: Section) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in (*ACCURACY, "AUC", "seconds"):
        table.add_column(name, justify="right")
    for name, figures in section.models.items():
        table.add_row(name, *_cells(figures), _number(figures.auc), _seconds(figures.seconds))
    for name, figures in section.parts.items():
        table.add_row(f"  part: {name}", *_cells(figures), ABSENT, ABSENT, style="dim")
    for name, figures in section.ablation.items():
        table.add_row(f"  {name}", *_cells(figures), ABSENT, ABSENT, style="dim")
    if section.lead:
        leads = (section.lead[name].difference for name in ACCURACY)
        cells = [f"{lead.value:+.4f} ±{(lead.high - lead.low) / 2:.4f}" for lead in leads]
        table.add_row("lead over the best part", *cells, "", "", style="bold")
    return table


def _cells(figures: Figures) -> list[str]:
    return [_with_interval(figures.accuracy[name]) for name in ACCURACY]


def _with_interval(found: Interval) -> str:
    return f"{found.value:.4f} ±{(found.high - found.low) / 2:.4f}"


def _lists(title: str, models: Mapping[str, Figures]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for name in LISTS:
        table.add_column(name, justify="right")
    for name, figures in models.items():
        table.add_row(name, *(_number(figures.lists.get(measure)) for measure in LISTS))
    return table


def _slices(section: Section) -> Table:
    table = Table(title=f"{section.name}: hit rate@20 of parts of the targets", title_justify="left")
    table.add_column("")
    parts = next(iter(section.models.values())).slices
    for part in parts:
        table.add_column(f"{part.name} ({part.share:.0%})", justify="right")
    for name, figures in section.models.items():
        table.add_row(name, *(f"{part.hit_rate[20]:.4f}" for part in figures.slices))
    return table


def _comparison(name: str, found: Comparison) -> Table:
    table = Table(title=f"{name}: {found.cases:,} cases, against nightly batches under its rules", title_justify="left")
    table.add_column("")
    for metric in SHOWN:
        table.add_column(metric, justify="right")
    for model, figures in found.models.items():
        table.add_row(
            model, *(_with_interval(figures[metric]) for metric in SHOWN), style="bold" if model in found.leads else ""
        )
    lines = []
    for worker, lead in found.leads.items():
        over, by = lead.part, lead.difference
        lines.append(f"{worker}, lead over {over}: {by.value:+.4f} ({by.low:+.4f} to {by.high:+.4f}) {LEAD_METRIC}")
    table.caption, table.caption_justify = "\n".join(lines), "left"
    return table


def _worker_relations(found: Mapping[str, Mapping[str, RelationFigures]]) -> Table:
    title = "cross-sell of a user who bought one item: what a relation names in other top categories"
    table = Table(title=title, title_justify="left")
    for name in ("", "cases", *RELATION_METRICS, "places of other top categories", "items processed"):
        table.add_column(name, justify="right" if name else "left")
    for worker, relations in found.items():
        for name, figures in relations.items():
            cells = (_with_interval(figures.accuracy[metric]) for metric in RELATION_METRICS)
            places = f"{figures.elsewhere:.1f} of {LENGTH}"
            table.add_row(f"{worker}, {name}", f"{len(figures.cases):,}", *cells, places, f"{figures.processed:.0%}")
    return table


def _plain(title: str, rows: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    names = dict.fromkeys(name for values in rows.values() for name in values)
    for name in names:
        table.add_column(name, justify="right")
    for row, values in rows.items():
        table.add_row(row, *(_number(values.get(name)) for name in names))
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ABSENT
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def _seconds(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.1f}"
