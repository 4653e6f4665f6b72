"""The lists themselves, so that anyone can compute any metric again."""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from stream.evaluation.cases import Cases
from stream.evaluation.interactions import BoolArray, Catalogue, IntArray
from stream.evaluation.report import Report
from stream.evaluation.worker_lists import PublishedLists


def write_report(path: Path, report: Report) -> None:
    """Write the main test's lists to ``path``, those of further tests and of the workers beside it. Raises OSError."""
    catalogue = report.shop.catalogue
    for number, section in enumerate(report.sections):
        own = path if number == 0 else _beside(path, section.name)
        write_lists(own, section.lists, section.cases, catalogue, report.shop.users)
    if (tests := report.worker_tests) is None:
        return
    for worker, found in report.published.items():
        for name, lists in found.lists.items():
            own = _beside(path, worker, name.replace("_", "-"))
            late = None
            if isinstance(found, PublishedLists):
                late = {delay: of_delay[name] for delay, of_delay in found.late.items()}
            allowed = tests.allowed.get(name)
            write_lists(own, lists, tests.cases, catalogue, tests.users, late=late, allowed=allowed)
        for name, figures in report.worker_relations.get(worker, {}).items():
            write_lists(_beside(path, worker, name), figures.lists, figures.cases, catalogue, ())


def write_lists(
    path: Path,
    lists: IntArray,
    cases: Cases,
    catalogue: Catalogue,
    users: tuple[str, ...],
    *,
    late: Mapping[str, IntArray] | None = None,
    allowed: BoolArray | None = None,
) -> None:
    """Write one JSON object per line: ``case, user, history, target, ranked``.

    history: item ids, oldest first. target: item ids, each once. ranked: item ids, best first. user: null where a case
    is of nobody. With ``late``, also ``late``: by delay, what was published so long before, as ``ranked``. With
    ``allowed``, one per target, also ``nightly``: whether the comparison with nightly batches counts the case; and
    ``allowed``: the targets that count there. Raises OSError.
    """
    encoder = msgspec.json.Encoder()
    names = catalogue.item_ids
    with path.open("wb") as file:
        for case in range(len(cases)):
            user = int(cases.users[case])
            targets = slice(cases.target_offsets[case], cases.target_offsets[case + 1])
            row: dict[str, object] = {
                "case": case,
                "user": users[user] if user >= 0 else None,
                "history": _names(cases.items[cases.offsets[case] : cases.offsets[case + 1]], names),
                "target": _names(cases.targets[targets], names),
                "ranked": _names(lists[case], names),
            }
            if late is not None:
                row["late"] = {delay: _names(of_then[case], names) for delay, of_then in late.items()}
            if allowed is not None:
                row["nightly"] = bool(allowed[targets].any())
                row["allowed"] = _names(cases.targets[targets][allowed[targets]], names)
            file.write(encoder.encode(row) + b"\n")


def _beside(path: Path, *names: str) -> Path:
    return path.with_name(".".join([path.stem, *(name.replace(" ", "-") for name in names)]) + path.suffix)


def _names(codes: IntArray, names: tuple[str, ...]) -> list[str]:
    return [names[code] for code in codes[codes >= 0].tolist()]
