"""Results as JSON lines that accumulate, and the table of docs/reliability.md that is written from them."""

import json
import os
import re
from collections import Counter, defaultdict
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from tests.faults.schedule import PARTS, Subject
from tests.faults.storm import Outcome

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"

Result = dict[str, Any]

_NAMES = {
    Subject.PRODUCT: "Interestream",
    Subject.NAIVE: "naive script",
    Subject.TUNED: "tuned script",
    Subject.TEXTBOOK: "textbook Faust agent",
}


def result_of(outcome: Outcome, day: date, commit: str = "") -> Result:
    """Return an outcome as one JSON object. ``day``: when it was measured; ``commit``: what was measured."""
    cycle = outcome.cycle
    return {
        "day": day.isoformat(),
        "commit": commit,
        "cores": os.cpu_count(),
        "key": cycle.key,
        "part": cycle.part,
        "seed": cycle.seed,
        "number": cycle.number,
        "subject": cycle.subject.value,
        "scenario": cycle.scenario,
        "passed": outcome.passed,
        **asdict(outcome.verdict),
        "faults": outcome.faults,
        "restarts": outcome.restarts,
        "fenced": outcome.fenced,
        "recovery_seconds": outcome.recovery_seconds,
        "seconds": outcome.seconds,
        "before": asdict(outcome.before) if outcome.before else None,
        "after": asdict(outcome.after) if outcome.after else None,
    }


def read_results(file: Path) -> list[Result]:
    """Return the last result of every cycle."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return list({result["key"]: result for result in map(json.loads, lines)}.values())


def append_result(file: Path, result: Result) -> None:
    """Add one result."""
    with file.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(result) + "\n")


def table(results: list[Result]) -> str:
    """Return the measured table: the product and the controls under the same kinds of storm, and what hit them."""
    if not results:
        return "Nothing yet."
    groups: defaultdict[tuple[str, str], list[Result]] = defaultdict(list)
    for result in results:
        groups[result["part"], result["subject"]].append(result)
    lines = [
        "| storm | subject | cycles | events | lost | doubled | good events dead-lettered | differences "
        "| slowest recovery | time |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for part in PARTS:
        for subject in Subject:
            if found := groups.get((part, subject.value)):
                lines.append(_row(part, subject, found))
    days, cores, seeds = (sorted({result[name] for result in results}) for name in ("day", "cores", "seed"))
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    with_what = f"{'/'.join(map(str, cores))} cores, seed {', '.join(map(str, seeds))}"
    lines += ["", f"Measured {when} on {with_what}.", "", "What hit them:", ""]
    for part in PARTS:
        for subject in Subject:
            if found := groups.get((part, subject.value)):
                lines.append(f"- {part}, {_NAMES[subject]}: {_faults(found)}")
    return "\n".join(lines)


def _row(part: str, subject: Subject, found: list[Result]) -> str:
    product = subject is Subject.PRODUCT
    differing = str(sum(not result["passed"] for result in found)) if product else "–"
    total = {name: sum(result[name] for result in found) for name in ("events", "lost", "doubled", "good_dead")}
    slowest = max(result["recovery_seconds"] for result in found)
    recovery = f"{slowest:.0f} s" if slowest else "–"  # a scenario has no moment at which its fault ends
    minutes = sum(result["seconds"] for result in found) / 60
    cells = [part, _NAMES[subject], f"{len(found)}", *(f"{total[n]:,}" for n in ("events", "lost", "doubled"))]
    cells += [f"{total['good_dead']:,}", differing, recovery, f"{minutes:.0f} min"]
    return f"| {' | '.join(cells)} |"


def _faults(found: list[Result]) -> str:
    faults: Counter[str] = Counter()
    for result in found:
        faults.update(result["faults"])
        if result["restarts"]:
            faults["restarts in place"] += result["restarts"]
        if result["scenario"]:
            faults[result["scenario"]] += 1
    return ", ".join(f"{name} {count}" for name, count in sorted(faults.items())) or "nothing"


def write_page(page: Path, results: list[Result]) -> None:
    """Replace the measured part of docs/reliability.md."""
    text = page.read_text(encoding="utf-8")
    measured = f"{BEGIN}\n{table(results)}\n{END}"
    replaced = re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: measured, text, flags=re.DOTALL)
    page.write_text(replaced, encoding="utf-8")
