"""The log that a ranker is learned from, in the order in which it happened."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from encoders.training.events import TEACHING_KINDS
from stream.event_files import read_messages
from stream.settings import TrackerSettings
from stream.trackers import Rejected, decode


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it was sent. at: ms; items: what its user took by it, none where it teaches nothing."""

    at: int
    key: bytes | None
    value: bytes
    user_id: str
    items: tuple[str, ...]


def read_log(
    path: Path, settings: TrackerSettings, shift_ms: int, last: int, step: Callable[[], None]
) -> tuple[list[Message], Counter[str]]:
    """Return the ``last`` messages by time, and how many of all were refused by reason.

    ``shift_ms`` is added to the times of a CSV; ``step`` is called for each message. Raises EventFileError.
    """
    now = time.time_ns() // 1_000_000
    messages: list[Message] = []
    refused: Counter[str] = Counter()
    for key, value in read_messages(path, shift_ms=shift_ms):
        step()
        try:
            decoded = decode(value, record_at=now, now=now, settings=settings)
        except Rejected as rejected:
            refused[rejected.reason.value] += 1
            continue
        if not decoded.interactions:
            continue
        first = decoded.interactions[0]
        taken = dict.fromkeys(one.item_id for one in decoded.interactions if one.kind.value in TEACHING_KINDS)
        at = max(one.occurred_at for one in decoded.interactions)
        messages.append(Message(at, key, value, first.user_id, tuple(taken)))
    messages.sort(key=lambda message: message.at)  # stable: what happened at once stays in the file's order
    return messages[-last:], refused
