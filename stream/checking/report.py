"""What a check came to, as one value and as a table."""

import msgspec
from rich.console import Group
from rich.table import Table
from rich.text import Text

from stream.checking.dispositions import Accounts
from stream.checking.findings import MEANINGS, Difference, Findings, Invariant


class Verdict(msgspec.Struct, frozen=True):
    """One invariant: what it says, how much was compared, how much of it differs."""

    meaning: str
    checked: int
    differences: int


class Report(msgspec.Struct, frozen=True):
    """The whole outcome; ``found`` holds the first differences of each invariant, ``differences`` counts all."""

    ok: bool
    differences: int
    at_rest: bool
    moved: bool
    """Whether records were applied during the check: what they touched is not judged."""
    lag: dict[str, int]
    source: Accounts
    events: dict[str, int]
    """Interactions that the bundles hold, recomputed: applied, and duplicates."""
    users: int
    lists: dict[str, int]
    invariants: dict[str, Verdict]
    undecided: dict[str, int]
    gaps: list[str]
    found: list[Difference]
    seconds: float


def verdicts(findings: Findings) -> dict[str, Verdict]:
    """Return every invariant's outcome, in their order."""
    return {
        invariant.value: Verdict(MEANINGS[invariant], findings.checked[invariant], findings.counts[invariant])
        for invariant in Invariant
    }


def render(report: Report, rows: int) -> Group:
    """Return tables of the invariants and of the first ``rows`` differences, and what could not be judged."""
    invariants = Table(box=None, pad_edge=False)
    for title in ("", "invariant", "compared", "differences"):
        invariants.add_column(title, justify="left" if title in ("", "invariant") else "right")
    for code, verdict in report.invariants.items():
        style = "red" if verdict.differences else "green"
        counted = f"{verdict.checked:,}", Text(f"{verdict.differences:,}", style=style)
        invariants.add_row(code, verdict.meaning, *counted)
    parts: list[Text | Table] = [invariants]
    if report.found:
        parts.append(Text())
        for difference in report.found[:rows]:
            parts.append(Text(line(difference)))
        if report.differences > rows:
            parts.append(Text(f"and {report.differences - min(rows, len(report.found)):,} more"))
    notes = [f"not judged: {count:,} {cause}" for cause, count in report.undecided.items()]
    notes += [f"the broker no longer has {gap}" for gap in report.gaps]
    if not report.at_rest:
        waiting = ", ".join(f"{role} {lag:,}" for role, lag in report.lag.items() if lag)
        notes.append(f"not at rest, only what was applied was checked; records to apply: {waiting}")
    if report.moved:
        notes.append("records were applied during the check; what they touched was not judged")
    if notes:
        parts.append(Text())
        parts.extend(Text(note, style="yellow") for note in notes)
    return Group(*parts)


def line(difference: Difference) -> str:
    """Return a difference as one line."""
    text = f"{difference.invariant}  {difference.where}: {difference.what}"
    if difference.expected or difference.found:
        text += f": expected {difference.expected or 'nothing'}, found {difference.found or 'nothing'}"
    return text
