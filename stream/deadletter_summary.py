"""What the dead letters say together: how many of each kind, and the latest ones.

Pure: nothing here sends or receives.
"""

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec
from confluent_kafka import Message

from stream.deadletter import DeadLetter, NotADeadLetter, parse_dead_letter
from stream.recommendations import rfc3339
from stream.trackers import EXPLANATIONS, Reason, Stage

VALUE_CHARACTERS = 200
"""More of a value is cut off."""

_INDEX = re.compile(r"\[\d+\]")


class LetterCount(msgspec.Struct, frozen=True):
    """How many letters have one reason, stage and field; ``products[]`` stands for any entry of ``products``."""

    reason: str
    stage: str
    field: str
    letters: int


class ShownLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """One letter: ``at``, when it was refused (RFC 3339); the refused record's place; ``mend`` for its producer.

    ``value``, the message's first characters, only when asked for: it is what trackers sent, ids of users included.
    """

    at: str
    reason: str
    stage: str
    field: str
    message: str
    mend: str
    topic: str
    partition: int
    offset: int
    value: str | msgspec.UnsetType | None = msgspec.UNSET


class Summary(msgspec.Struct):
    """``letters`` that were selected, counted by kind (most first), and the ``latest`` of them, newest first."""

    topic: str
    letters: int
    not_selected: int
    not_a_dead_letter: int
    counts: Sequence[LetterCount]
    latest: Sequence[ShownLetter]


def summarise(
    records: Iterable[Message],
    topic: str,
    stage: Stage | None,
    reason: Reason | None,
    limit: int,
    *,
    values: bool,
    step: Callable[[], None],
) -> Summary:
    """Read records of the dead-letter topic; at most ``limit`` are held. ``step`` is called for each."""
    counts: Counter[tuple[str, str, str]] = Counter()
    not_selected = not_a_dead_letter = 0
    latest: list[tuple[int, int, ShownLetter]] = []
    for number, record in enumerate(records):
        step()
        try:
            letter = parse_dead_letter(record.headers() or [])
        except NotADeadLetter:
            not_a_dead_letter += 1
            continue
        if stage not in (None, letter.stage) or reason not in (None, letter.reason):
            not_selected += 1
            continue
        counts[letter.reason, letter.stage, _INDEX.sub("[]", letter.field)] += 1
        _, at = record.timestamp()
        if len(latest) < limit:
            heapq.heappush(latest, (at, number, _shown(letter, at, record, values)))
        elif limit and (at, number) > latest[0][:2]:
            heapq.heapreplace(latest, (at, number, _shown(letter, at, record, values)))
    return Summary(
        topic,
        counts.total(),
        not_selected,
        not_a_dead_letter,
        [LetterCount(*kind, letters) for kind, letters in sorted(counts.items(), key=lambda item: (-item[1], item[0]))],
        [shown for _, _, shown in sorted(latest, reverse=True, key=lambda entry: entry[:2])],
    )


def _shown(letter: DeadLetter, at: int, record: Message, values: bool) -> ShownLetter:
    return ShownLetter(
        rfc3339(at),
        letter.reason,
        letter.stage,
        letter.field,
        letter.message,
        EXPLANATIONS[Reason(letter.reason)].mend if letter.reason in list(Reason) else "",
        letter.topic,
        letter.partition,
        letter.offset,
        _excerpt(record.value()) if values else msgspec.UNSET,
    )


def _excerpt(value: bytes | None) -> str | None:
    if value is None:
        return None
    text = value[: 4 * VALUE_CHARACTERS + 4].decode(errors="backslashreplace")
    return text if len(text) <= VALUE_CHARACTERS else f"{text[:VALUE_CHARACTERS]}…"
