"""Figures as a section of docs/performance.md."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.gpu_timing import Timing

BEGIN = "<!-- make bench-gpu: begin -->"
END = "<!-- make bench-gpu: end -->"


@dataclass(frozen=True, slots=True)
class Check:
    """The least cosine between what the device and the CPU's float32 encode."""

    what: str
    cosine: float


def section(device_name: str, versions: str, checks: Sequence[Check], timings: Sequence[Timing]) -> str:
    """Return the section as Markdown, between its marks."""
    lines = [
        BEGIN,
        f"Measured by `make bench-gpu` on **{device_name}** ({versions}).",
        "",
        "First, correctness: the least cosine to the CPU's fp32, which must be at least 0.999.",
        "",
        "| what | least cosine |",
        "|---|---|",
        *(f"| {check.what} | {check.cosine:.6f} |" for check in checks),
        "",
        "Rates are from numpy arrays to numpy arrays, copies included. Batch: users, or tokens of texts.",
        "",
        "| what | device | batch | per second | p50 ms | p99 ms | peak MiB | busy |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {t.what} | {t.device} | {t.batch:,} | {t.rate:,.0f} | {t.p50_ms:.2f} | {t.p99_ms:.2f} "
            f"| {f'{t.peak_mib:,.0f}' if t.peak_mib else '–'} | {t.busy:.0%} |"
            for t in timings
        ),
        END,
    ]
    return "\n".join(lines)


def put_section(page: Path, text: str) -> None:
    """Replace the section between the marks. Raises ValueError when the page has no marks."""
    content = page.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for the figures: {BEGIN} ... {END}")
    page.write_text(before + text + after, encoding="utf-8")
