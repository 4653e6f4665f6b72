"""The report as pictures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stream.evaluation.contest import Section
from stream.evaluation.figures import Figures
from stream.evaluation.metrics import CUTOFFS
from stream.evaluation.report import Report

_SHOWN_PARTS = 8


class PlotsUnavailable(Exception):
    """Matplotlib is not installed; the message says how to get it."""


def figure_class() -> Any:
    """Return matplotlib's class of figures. Raises PlotsUnavailable."""
    try:
        from matplotlib.figure import Figure  # an extra: only who asks for plots needs it
    except ImportError:
        raise PlotsUnavailable("plots need matplotlib: pip install 'interestream[plots]'") from None
    return Figure


def write_plots(report: Report, folder: Path) -> list[Path]:
    """Write PNGs into an existing folder; return their paths. Raises PlotsUnavailable, OSError."""
    figures = figure_class()
    written = []
    for section in report.sections:
        stem = section.name.replace(" ", "-")
        figure = figures(figsize=(8, 0.35 * (len(section.models) + _SHOWN_PARTS) + 1.2), layout="constrained")
        _accuracy(figure.subplots(1, 2, sharey=True), section)
        written.append(_save(figure, folder / f"{stem}-accuracy.png"))
        figure = figures(figsize=(7, 5), layout="constrained")
        _trade_off(figure.subplots(), section)
        written.append(_save(figure, folder / f"{stem}-coverage.png"))
    if report.freshness:
        figure = figures(figsize=(6, 4), layout="constrained")
        _freshness(figure.subplots(), report.freshness)
        written.append(_save(figure, folder / "freshness.png"))
    return written


def _save(figure: Any, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    return path


def _accuracy(axes: Any, section: Section) -> None:
    parts = sorted(section.parts.items(), key=lambda pair: -pair[1].accuracy["NDCG@20"].value)[:_SHOWN_PARTS]
    rows: dict[str, Figures] = dict(section.models) | {f"part: {name}": figures for name, figures in parts}
    order = sorted(rows, key=lambda name: rows[name].accuracy["NDCG@20"].value)
    for axis, metric in zip(axes, ("HR@20", "NDCG@20"), strict=True):
        found = [rows[name].accuracy[metric] for name in order]
        values = [interval.value for interval in found]
        # The mean of resamples may, by a hair, leave the interval of a tiny test: lengths are never below zero.
        spans = [
            [max(0.0, interval.value - interval.low) for interval in found],
            [max(0.0, interval.high - interval.value) for interval in found],
        ]
        axis.barh(order, values, xerr=spans, color="#4c78a8", error_kw={"elinewidth": 1})
        axis.set_xlabel(metric)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_title(f"{section.name}, {len(section.cases):,} cases", loc="left")


def _trade_off(axis: Any, section: Section) -> None:
    for name, figures in section.models.items():
        for k, size in zip(CUTOFFS, (20, 45, 80), strict=True):
            point = figures.lists[f"coverage@{k}"], figures.accuracy[f"NDCG@{k}"].value
            axis.scatter(*point, s=size, color="#4c78a8" if name != "ranker" else "#e45756")
        axis.annotate(name, point, xytext=(5, 3), textcoords="offset points", fontsize=8)
    axis.set_xlabel("coverage: share of the catalogue in at least one list (dots: 5, 10, 20 places)")
    axis.set_ylabel("NDCG")
    axis.set_title(f"{section.name}: accuracy and coverage", loc="left")
    axis.grid(alpha=0.3)


def _freshness(axis: Any, freshness: Mapping[str, Mapping[str, float]]) -> None:
    delays = list(freshness)
    for metric in ("HR@20", "NDCG@20"):
        axis.plot(delays, [freshness[delay][metric] for delay in delays], marker="o", label=metric)
    axis.set_ylim(bottom=0)
    axis.set_title("how late a list may be", loc="left")
    axis.grid(alpha=0.3)
    axis.legend()
