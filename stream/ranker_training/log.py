"""The log that a ranker is learned from, in the order in which it happened."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from encoders.training.events import TEACHING_KINDS
from graph.model import Interaction
from stream.settings import TrackerSettings
from stream.training_files import accepted


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

    As :func:`stream.training_files.accepted`.
    """
    messages: list[Message] = []
    refused: Counter[str] = Counter()
    for key, value, interactions in accepted(path, settings, shift_ms, step, refused):
        if interactions:
            messages.append(message_of(key, value, interactions))
    messages.sort(key=lambda message: message.at)  # stable: what happened at once stays in the file's order
    return messages[-last:], refused


def message_of(key: bytes | None, value: bytes, interactions: Sequence[Interaction]) -> Message:
    """Return a message that holds these interactions, one or more."""
    taken = dict.fromkeys(one.item_id for one in interactions if one.kind.value in TEACHING_KINDS)
    at = max(one.occurred_at for one in interactions)
    return Message(at, key, value, interactions[0].user_id, tuple(taken))
