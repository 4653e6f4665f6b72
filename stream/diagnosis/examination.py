"""All checks in their order, each with its findings free of secrets."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from pydantic import BaseModel, SecretStr

from stream.diagnosis.broker import check_broker, check_topics, check_workers
from stream.diagnosis.encoding import check_encoders
from stream.diagnosis.finding import Finding, Verdict
from stream.diagnosis.graph import check_graph, check_schema
from stream.diagnosis.language import check_language
from stream.diagnosis.machine import check_port, check_state_dir
from stream.diagnosis.ranking import check_ranker
from stream.diagnosis.security import check_exposure, check_transport
from stream.settings import Settings
from stream.settings_reference import MASK

_CREDENTIALS = re.compile(r"//[^/@\s]*@")


class Check(NamedTuple):
    """One check; ``needs`` names the checks that must have found nothing wrong for this one to make sense."""

    title: str
    run: Callable[[Settings], Sequence[Finding]]
    needs: tuple[str, ...] = ()


CHECKS = (
    Check("transport", check_transport),
    Check("exposure", check_exposure),
    Check("state folder", check_state_dir),
    Check("metrics port", check_port),
    Check("broker", check_broker),
    Check("topics", check_topics, ("broker",)),
    Check("workers", check_workers, ("broker",)),
    Check("graph", check_graph),
    Check("schema", check_schema, ("broker", "graph")),
    Check("encoders", check_encoders),
    Check("language", check_language, ("graph", "encoders")),
    Check("ranker", check_ranker),
)


def examine(settings: Settings, checks: Sequence[Check] = CHECKS) -> Iterator[Finding]:
    """Run every check and yield what it found, as soon as it has. No finding holds a secret."""
    hidden = list(_secrets(settings))
    broken: set[str] = set()
    for check in checks:
        if broken.intersection(check.needs):
            continue
        for finding in check.run(settings):
            if finding.verdict is Verdict.FAILED:
                broken.add(check.title)
            yield _redacted(finding, hidden)


def _secrets(settings: BaseModel) -> Iterator[str]:
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from _secrets(value)
        elif isinstance(value, SecretStr) and value.get_secret_value():
            yield value.get_secret_value()


def _redacted(finding: Finding, secrets: Sequence[str]) -> Finding:
    def clean(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, MASK)
        return _CREDENTIALS.sub(f"//{MASK}@", text)

    return msgspec.structs.replace(finding, message=clean(finding.message), mend=clean(finding.mend))
