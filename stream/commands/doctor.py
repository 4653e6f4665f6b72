"""``interestream doctor``: what keeps a worker from running well here, and the mend."""

import logging
import warnings
from typing import Annotated

import msgspec
import typer

from stream.commands.console import ExitCode, print_json, read_settings
from stream.diagnosis.finding import Finding, Verdict

_MARKS = {Verdict.OK: ("ok     ", "green"), Verdict.WARNING: ("warning", "yellow"), Verdict.FAILED: ("failed ", "red")}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Check security, disk, Kafka and its topics, the graph, the models and the device; change nothing.

    Every finding that is not ok comes with its mend in one sentence. A warning does not keep a worker from running.
    Secrets are never printed. Takes some seconds: the models are loaded as a worker would.

    Exit codes: 0 nothing failed; 1 something failed; 2 the settings cannot be used.

    Example: interestream doctor
    """
    settings = read_settings()
    from stream.diagnosis.examination import examine  # brings torch with it: wrong settings need not wait for that

    logging.getLogger().setLevel(logging.ERROR)
    findings = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries' advice to programmers; what matters here is a finding
        for finding in examine(settings):
            findings.append(finding)
            if not as_json:
                typer.echo(_line(finding))
    failures = sum(finding.verdict is Verdict.FAILED for finding in findings)
    if as_json:
        print_json({"ok": not failures, "findings": [msgspec.structs.asdict(finding) for finding in findings]})
    if failures:
        raise typer.Exit(ExitCode.FAILED)


def _line(finding: Finding) -> str:
    mark, colour = _MARKS[finding.verdict]
    line = f"{typer.style(mark, fg=colour)}  {finding.check}: {finding.message}"
    return f"{line}\n           {finding.mend}" if finding.mend else line
