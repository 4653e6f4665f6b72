"""The decoders that meet bytes of strangers, each as a function that must return for any bytes."""

import json
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from stream.catalogue import CatalogueRow, Removal, decode_row
from stream.deadletter import NotADeadLetter, build_dead_letter, original_headers, parse_dead_letter
from stream.event_files import EventFileError, count_hint, read_numbered_catalogue, read_numbered_messages
from stream.settings import TrackerSettings
from stream.trackers import Rejected, decode
from stream.trackers.native import NativeEvent
from tests.fuzz.promises import check_decoded, check_rejected, check_row

NOW = 1_800_000_000_000
SETTINGS = (
    TrackerSettings(),
    TrackerSettings(category_separator="/", segment_item_field="sku"),
    TrackerSettings(max_late_seconds=86_400.0, max_message_bytes=200),
    TrackerSettings(max_ahead_seconds=0.0),
)

NAMES = (
    *NativeEvent.__struct_fields__,
    *CatalogueRow.__struct_fields__,
    *(
        "type",
        "event",
        "messageId",
        "userId",
        "anonymousId",
        "timestamp",
        "properties",
        "products",
        "product_id",
        "sku",
    ),
)
TOKENS = (
    *'{}[],:"',
    *("null", "true", "false", "0", "-0", "1", "-1", "0.5", "1e400", "NaN", "Infinity", "01", "1.0"),
    *("9223372036854775808", "18446744073709551616", "1700000000000", "1700000000", "1700000000000000"),
    *('"e1"', '"view"', '"purchase"', '"refund"', '"impression"', '"wishlist"', '"track"', '"identify"', '""'),
    *('"Product Viewed"', '"Order Completed"', '"Order Refunded"', '"Kitchen > Mugs"', '"a/b"', '[" a ","b"]'),
    *('"2023-11-14T22:13:20Z"', '"2023-11-14T22:13:20.999999999+05:30"', '"2023-11-14"', '"9999-12-31T23:59:59Z"'),
    *('"EUR"', '"eur"', '"EU\\n"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\u202e"', '"a\\u0327\\u0301"'),
    *(f'"{"x" * 129}"', '"🛒"', "{", "[[[[[[", "\ufeff", " ", "\n", "#0", "anon:", " > "),
    *(f'"{name}":' for name in NAMES),
)


def tracker(data: bytes) -> None:
    """An event: the first byte chooses settings, the rest is the record's value."""
    if data:
        _decode(data[1:], SETTINGS[data[0] % len(SETTINGS)])


def tracker_words(data: bytes) -> None:
    """An event put together from the words of both dialects, so that the search gets past the parser."""
    if data:
        _decode(words(data[1:]), SETTINGS[data[0] % len(SETTINGS)])


def _decode(value: bytes, settings: TrackerSettings) -> None:
    try:
        decoded = decode(value, record_at=NOW, now=NOW, settings=settings)
    except Rejected as rejected:
        check_rejected(rejected, b"k", value)
        return
    check_decoded(decoded)
    assert decode(value, record_at=NOW, now=NOW, settings=settings) == decoded


def row(data: bytes) -> None:
    """A catalogue row: a byte for the key's length, the key, the value."""
    if data:
        _decode_row(data[1 : 1 + data[0]], data[1 + data[0] :])


def row_words(data: bytes) -> None:
    """A catalogue row put together from words."""
    _decode_row(b"k", words(data))


def _decode_row(key: bytes, value: bytes) -> None:
    try:
        found = decode_row(key, value, SETTINGS[0])
    except Rejected as rejected:
        check_rejected(rejected, key, value)
        return
    if isinstance(found, Removal):
        assert found.item_id.encode() == key
    else:
        check_row(found)


def dead_letter(data: bytes) -> None:
    """Headers of a record on the dead-letter topic: lines of name and content; what is read can be written again."""
    headers: list[tuple[str, bytes | None]] = []
    for line in data.split(b"\n"):
        name, separator, content = line.partition(b"=")
        headers.append((name.decode("utf-8", "replace"), content if separator else None))
    with suppress(NotADeadLetter):
        letter = parse_dead_letter(headers)
        again = build_dead_letter(letter, None, b"v", headers)
        assert original_headers(again.headers) == original_headers(headers)
        parsed = parse_dead_letter(again.headers)
        assert (parsed.topic, parsed.partition, parsed.offset) == (letter.topic, letter.partition, letter.offset)


def file(data: bytes) -> None:
    """A file of events or rows: the first byte chooses its form."""
    if not data:
        return
    name = ("events.csv", "events.jsonl", "events.csv.gz", "events.jsonl.gz")[data[0] % 4]
    with tempfile.TemporaryDirectory(dir=_shared_memory()) as folder:
        path = Path(folder) / name
        path.write_bytes(data[1:])
        with suppress(EventFileError):
            assert count_hint(path) >= 0
            for message in read_numbered_messages(path, shift_ms=data[0]):
                _decode(message.value, SETTINGS[0])
        with suppress(EventFileError):
            for message in read_numbered_catalogue(path):
                _decode_row(message.key or b"", message.value)


def words(data: bytes) -> bytes:
    """Return the text whose tokens the bytes choose; 255 takes the next byte as it is."""
    parts: list[bytes] = []
    bytes_ = iter(data)
    for byte in bytes_:
        parts.append(bytes([next(bytes_, 0)]) if byte == 255 else TOKENS[byte % len(TOKENS)].encode())
    return b"".join(parts)


def in_words(text: str) -> bytes:
    """Return bytes that :func:`words` turns into ``text``: a seed for the search."""
    longest_first = sorted(enumerate(TOKENS[:255]), key=lambda pair: -len(pair[1]))
    out = bytearray()
    at = 0
    while at < len(text):
        index, token = next(((i, t) for i, t in longest_first if text.startswith(t, at)), (255, text[at]))
        out += bytes([index]) if index < 255 else b"".join(b"\xff" + bytes([b]) for b in token.encode())
        at += len(token)
    return bytes(out)


def _shared_memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


TARGETS: Mapping[str, Callable[[bytes], None]] = {
    "tracker": tracker,
    "tracker-words": tracker_words,
    "row": row,
    "row-words": row_words,
    "dead-letter": dead_letter,
    "file": file,
}

_HEADERS = b"dlq.errors.topic=t\ndlq.errors.partition=1\ndlq.errors.offset=2\ndlq.errors.stage=decode\n"
_ROW = '{"item_id":"i1","title":"Mug","category":"Kitchen > Mugs","brand":"B","price":0.5,"currency":"EUR","quality":1}'


def seeds(target: str, messages: list[dict[str, object]]) -> list[bytes]:
    """Return where a target's search starts: good inputs, ``messages`` being events as trackers send them."""
    texts = [json.dumps(message, separators=(",", ":")) for message in messages]
    if target == "tracker":
        return [bytes([i % 4]) + text.encode() for i, text in enumerate(texts)]
    if target == "tracker-words":
        return [bytes([i % 4]) + in_words(text) for i, text in enumerate(texts)]
    if target == "row":
        return [b"\x02i1" + _ROW.encode(), b"\x02i1"]
    if target == "row-words":
        return [in_words(_ROW)]
    if target == "dead-letter":
        return [_HEADERS + b"dlq.errors.reason=too_long\ndlq.errors.field=a\ndlq.errors.message=m\ntraceparent=00"]
    csv = b"event_id,user_id,item_id,type,ts_ms,price\ne1,u1,i1,view,1700000000000,2.5\n"
    return [
        b"\x00" + csv,
        b"\x01" + "\n".join(texts).encode(),
        b"\x00item_id,title,category_path\ni1,Mug,Kitchen > Mugs\n",
    ]
