"""Dead letters: a refused message byte for byte, with headers that say where it came from and what was wrong.

Pure: nothing here sends or receives.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
from aiokafka import ConsumerRecord

from stream.publisher import Outgoing
from stream.topics import MAX_MESSAGE_BYTES
from stream.trackers import Rejected

HEADER_PREFIX = "dlq.errors."
"""Ours alone: an incoming header of this name would be a lie about us, and is dropped."""
EXCERPT_BYTES = 4_096
VALUE_SHA256_HEADER = f"{HEADER_PREFIX}value.sha256"
VALUE_BYTES_HEADER = f"{HEADER_PREFIX}value.bytes"
KEY_SHA256_HEADER = f"{HEADER_PREFIX}key.sha256"
HEADERS_DROPPED_HEADER = f"{HEADER_PREFIX}headers.dropped"

_MAX_FIELD_CHARACTERS = 256
_MAX_MESSAGE_CHARACTERS = 512
# A record batch's own bytes, and at most five lengths per record and two per header, of up to five bytes each.
_BATCH_BYTES = 61 + 21
_HEADER_BYTES = 10
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

Headers = Sequence[tuple[str, bytes | None]]


class DeadLetter(msgspec.Struct, frozen=True):
    """What the headers say. (topic, partition, offset) identifies the refused record: a crash may repeat a letter."""

    topic: str
    partition: int
    offset: int
    stage: str
    reason: str
    field: str
    message: str


class DeadLetterRecord(NamedTuple):
    """A record for the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class NotADeadLetter(ValueError):
    """The record's headers are not a dead letter's: something else wrote to the topic."""


def dead_letter(record: ConsumerRecord, rejected: Rejected, dead_letter_topic: str) -> Outgoing:
    """Return what to publish for a consumed record that was refused."""
    letter = describe(rejected, record.topic, record.partition, record.offset)
    key, value, headers = build_dead_letter(letter, record.key, record.value, record.headers)
    return Outgoing(dead_letter_topic, key, value, headers=headers)


def describe(rejected: Rejected, topic: str, partition: int, offset: int) -> DeadLetter:
    """Say which record was refused, and why."""
    return DeadLetter(
        topic, partition, offset, str(rejected.stage), str(rejected.reason), rejected.field, rejected.message
    )


def build_dead_letter(
    letter: DeadLetter,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
    max_bytes: int = MAX_MESSAGE_BYTES,
) -> DeadLetterRecord:
    """Copy key, value and headers byte for byte and append ours.

    What does not fit into ``max_bytes`` leaves in this order: the value becomes its first 4 KiB (with its SHA-256 and
    length in headers), the original headers are dropped (with their number in a header), the key becomes its SHA-256.
    """
    original = [(name, content) for name, content in headers if not name.startswith(HEADER_PREFIX)]
    ours = _headers(letter)
    if _fits(key, value, original + ours, max_bytes):
        return DeadLetterRecord(key, value, original + ours)
    if value is not None and len(value) > EXCERPT_BYTES:
        ours += [(VALUE_SHA256_HEADER, _sha256(value)), (VALUE_BYTES_HEADER, str(len(value)).encode())]
        value = value[:EXCERPT_BYTES]
    if not _fits(key, value, original + ours, max_bytes) and original:
        ours.append((HEADERS_DROPPED_HEADER, str(len(original)).encode()))
        original = []
    if key is not None and not _fits(key, value, original + ours, max_bytes):
        ours.append((KEY_SHA256_HEADER, _sha256(key)))
        key = None
    return DeadLetterRecord(key, value, original + ours)


def parse_dead_letter(headers: Headers) -> DeadLetter:
    """Read a dead letter's headers; of several with one name the last counts, as in Kafka.

    Raises NotADeadLetter.
    """
    ours = {name.removeprefix(HEADER_PREFIX): content for name, content in headers if name.startswith(HEADER_PREFIX)}
    try:
        return DeadLetter(
            topic=_text(ours, "topic"),
            partition=int(_text(ours, "partition")),
            offset=int(_text(ours, "offset")),
            stage=_text(ours, "stage"),
            reason=_text(ours, "reason"),
            field=_text(ours, "field"),
            message=_text(ours, "message"),
        )
    except KeyError as error:
        raise NotADeadLetter(f"no header {HEADER_PREFIX}{error.args[0]}") from None
    except ValueError:
        raise NotADeadLetter(f"a {HEADER_PREFIX}* header is not what it should be") from None


def original_headers(headers: Headers) -> list[tuple[str, bytes | None]]:
    """Return the headers that the refused message had."""
    return [(name, content) for name, content in headers if not name.startswith(HEADER_PREFIX)]


def is_complete(headers: Headers) -> bool:
    """Tell whether key, value and headers are all there, so that the message can be replayed."""
    return not {name for name, _ in headers} & {VALUE_SHA256_HEADER, HEADERS_DROPPED_HEADER, KEY_SHA256_HEADER}


def _headers(letter: DeadLetter) -> list[tuple[str, bytes | None]]:
    texts = {
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "stage": letter.stage,
        "reason": letter.reason,
        "field": _one_line(letter.field, _MAX_FIELD_CHARACTERS),
        "message": _one_line(letter.message, _MAX_MESSAGE_CHARACTERS),
    }
    return [(HEADER_PREFIX + name, text.encode()) for name, text in texts.items()]


def _one_line(text: str, limit: int) -> str:
    return _CONTROL.sub(" ", text)[:limit]


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    content = headers[name]
    if content is None:
        raise KeyError(name)
    return content.decode()


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _fits(key: bytes | None, value: bytes | None, headers: Headers, max_bytes: int) -> bool:
    size = _BATCH_BYTES + len(key or b"") + len(value or b"")
    size += sum(len(name.encode()) + len(content or b"") + _HEADER_BYTES for name, content in headers)
    return size <= max_bytes
