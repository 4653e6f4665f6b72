"""What a check found."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How a check ended. ``warning``: a worker would run, but not as you probably want."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Finding(msgspec.Struct, frozen=True):
    """One finding; ``mend`` is empty when all is well, else one sentence that says what to do."""

    check: str
    verdict: Verdict
    message: str
    mend: str = ""


def ok(check: str, message: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(check, Verdict.OK, message)


def warning(check: str, message: str, mend: str) -> Finding:
    """Return a finding that does not keep a worker from running."""
    return Finding(check, Verdict.WARNING, message, mend)


def failed(check: str, message: str, mend: str) -> Finding:
    """Return a finding that keeps a worker from running, or from running rightly."""
    return Finding(check, Verdict.FAILED, message, mend)
