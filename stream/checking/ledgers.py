"""I6: each partition's ledger stands where the log ends, and remembers the causes that the log holds."""

import re
from collections.abc import Mapping

import msgspec

from graph.model import Level
from stream.checking.findings import Findings, Invariant
from stream.checking.rest import Standing
from stream.ledgered import decode_outbox, decode_sources
from stream.settings import Settings

_OWNER = re.compile(r"[0-9a-f]{32}")


def check_ledgers(
    standing: Standing,
    settings: Settings,
    interest: Mapping[int, Mapping[str, int]],
    association: Mapping[int, Mapping[str, int]],
    findings: Findings,
) -> None:
    """Compare every ledger with the log.

    interest: partition -> last cause per source, recomputed up to ``applied``, of the partitions where it can be.
    association: the same of the deltas.
    """
    topics = settings.topics
    for topic in (topics.bundles, topics.transitions, topics.catalogue):
        for partition, span in standing.spans[topic].items():
            findings.checked[Invariant.LEDGERS] += 1
            where = f"ledger {topic}/{partition}"
            entry = standing.ledgers.get(f"{topic}/{partition}")
            if entry is None:
                if span.end and standing.at_rest:
                    findings.differ(Invariant.LEDGERS, where, "is missing", span.end)
                continue
            if entry.applied > span.end:
                findings.differ(Invariant.LEDGERS, where, "applied is past the end of the log", span.end, entry.applied)
            elif standing.at_rest and max(entry.applied, 0) < span.end:
                findings.differ(Invariant.LEDGERS, where, "applied", span.end, entry.applied)
            if not _OWNER.fullmatch(entry.owner):
                findings.differ(Invariant.LEDGERS, where, "its owner is no token of a claim", "", entry.owner)
            try:
                sources = decode_sources(entry.sources)
                decode_outbox(entry.outbox)
            except msgspec.DecodeError:
                findings.differ(Invariant.LEDGERS, where, "its sources or its outbox cannot be read")
                continue
            if topic == topics.bundles and partition in interest:
                _compare_sources(where, interest[partition], sources, findings)
            elif topic == topics.transitions and partition in association:
                # Categories are written more often than items, with which ``applied`` moves.
                levels = tuple(Level) if standing.at_rest else (Level.ITEM,)
                last = association[partition].items()
                wanted = {f"{level.value}|{source}": cause for source, cause in last for level in levels}
                compared = {mark: cause for mark, cause in sources.items() if mark.partition("|")[0] in levels}
                _compare_sources(where, wanted, compared, findings)


def _compare_sources(where: str, wanted: Mapping[str, int], found: Mapping[str, int], findings: Findings) -> None:
    for source in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(source), found.get(source)
        if one != other:
            findings.differ(Invariant.LEDGERS, where, f"last cause of {source}", one, other)
