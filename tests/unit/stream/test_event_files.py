"""Files of events and of catalogue rows become the messages that their senders would have sent."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stream.catalogue import decode_row
from stream.event_files import (
    EventFileError,
    count_hint,
    read_catalogue,
    read_messages,
    read_numbered_messages,
)
from stream.settings import TrackerSettings
from stream.trackers import Reason, Rejected, decode

DATA_SET = """\
event_id,user_id,item_id,type,ts_ms,price,quantity,session_id
e0,17850,85123A,purchase,1291191960000,2.55,6.0,536365
e1,17850,85123A,return,1291196940000,2.55,1,C536383
e2,543462,1715,view,1511658000000,,1,
e3,543462,1715,cart,1511658000000,,1,
e4,543462,1715,wishlist,1511658000000,,1,
"""


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    raw = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def events(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(value) for _, value in read_messages(path, **options)]


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_a_common_data_set(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, DATA_SET)
    assert events(path)[:3] == [
        {
            "event_id": "e0",
            "user_id": "17850",
            "item_id": "85123A",
            "kind": "purchase",
            "occurred_at": 1291191960000,
            "price": 2.55,
            "quantity": 6,
        },
        {
            "event_id": "e1",
            "user_id": "17850",
            "item_id": "85123A",
            "kind": "refund",
            "occurred_at": 1291196940000,
            "price": 2.55,
            "quantity": 1,
        },
        {
            "event_id": "e2",
            "user_id": "543462",
            "item_id": "1715",
            "kind": "view",
            "occurred_at": 1511658000000,
            "quantity": 1,
        },
    ]
    assert [event["kind"] for event in events(path)[3:]] == ["add_to_cart", "wishlist"]
    assert [key for key, _ in read_messages(path)] == [b"17850", b"17850", b"543462", b"543462", b"543462"]


def test_our_own_names_as_columns(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "events.csv",
        '\ufeff"event_id",kind,anonymous_id,item_id,occurred_at,category,currency,position,consent,order_id\r\n'
        'e0,purchase,a1,i1,2023-11-14T22:13:20Z,"Home > ""Candles"", big",eur,3,TRUE,o1\r\n',
    )
    (event,) = events(path)
    assert event["category"] == 'Home > "Candles", big'
    ((key, value),) = read_messages(path)
    (interaction,) = decode(value, record_at=0, now=1_800_000_000_000, settings=TrackerSettings()).interactions
    assert key == b"a1"
    assert (interaction.user_id, interaction.currency, interaction.position) == ("anon:a1", "EUR", 3)
    assert (interaction.order_id, interaction.occurred_at) == ("o1", 1_700_000_000_000)


def test_a_column_kind_is_never_translated(tmp_path: Path) -> None:
    path = write(tmp_path, "events.csv", "event_id,kind,user_id,item_id,occurred_at\ne0,cart,u,i,1700000000000\n")
    assert events(path)[0]["kind"] == "cart"


@pytest.mark.parametrize(
    ("cells", "field", "reason"),
    [
        ("e0,u1,i1,view,yesterday,1,1", "occurred_at", Reason.BAD_TIMESTAMP),
        ("e0,u1,i1,view,1700000000,1,1", "occurred_at", Reason.BAD_TIMESTAMP_UNIT),
        ("e0,u1,i1,view,1700000000000,free,1", "price", Reason.WRONG_TYPE),
        ("e0,u1,i1,view,1700000000000,nan,1", "price", Reason.WRONG_TYPE),
        ("e0,u1,i1,view,1700000000000,1,1.5", "quantity", Reason.WRONG_TYPE),
        ("e0,u1,i1,view,1700000000000,1,-3", "quantity", Reason.OUT_OF_RANGE),
        ("e0,u1,i1,view,1700000000000,1,1e300", "quantity", Reason.WRONG_TYPE),
        ("e0,,i1,view,1700000000000,1,1", "user_id", Reason.MISSING_FIELD),
        ("e0,u1", "kind", Reason.MISSING_FIELD),
    ],
)
def test_a_wrong_cell_is_sent_as_it_stands_to_be_refused(
    tmp_path: Path, cells: str, field: str, reason: Reason
) -> None:
    path = write(tmp_path, "events.csv", f"event_id,user_id,item_id,type,ts_ms,price,quantity\n{cells}\n")
    ((_, value),) = read_messages(path)
    with pytest.raises(Rejected) as caught:
        decode(value, record_at=0, now=1_800_000_000_000, settings=TrackerSettings())
    assert (caught.value.field, caught.value.reason) == (field, reason)


def test_a_clock_that_only_tells_an_order_can_be_moved(tmp_path: Path) -> None:
    path = write(tmp_path, "events.csv", DATA_SET)
    assert events(path, shift_ms=1000)[0]["occurred_at"] == 1291191961000


def test_lines_of_json_are_sent_byte_for_byte(tmp_path: Path) -> None:
    lines = [
        b'{"kind": "view",  "user_id": "u1"}',
        b'  {"type":"track","userId":"","anonymousId":"a1"} ',
        b"\xff not json",
        b'{"userId": 7}',
    ]
    path = write(tmp_path, "events.jsonl.gz", b"\r\n\n".join(lines))
    assert list(read_messages(path)) == list(zip([b"u1", b"a1", None, None], lines, strict=True))
    assert [message.line for message in read_numbered_messages(path)] == [1, 3, 5, 7]


def test_csv_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "events.csv",
        "event_id,user_id,item_id,type,ts_ms\n\ne0,u,i,view,1700000000000\ne1,u,i,view,1700000000000\n",
    )
    assert [message.line for message in read_numbered_messages(path)] == [3, 4]


def test_a_catalogue(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "items.csv",
        'item_id,title,category_path,brand,price\n84946,"Candle, white",Home > Candles,,2.1\nx,,,,\n',
    )
    (key, value), (_, bare) = read_catalogue(path)
    assert key == b"84946"
    assert json.loads(value) == {
        "item_id": "84946",
        "title": "Candle, white",
        "category": ["Home", "Candles"],
        "price": 2.1,
    }
    assert json.loads(bare) == {"item_id": "x"}
    # Whatever the separator setting, a category path of a data set means the same.
    row = decode_row(key, value, TrackerSettings(category_separator="/"))
    assert getattr(row, "category", None) == "Home > Candles"


def test_a_catalogue_in_our_own_names(tmp_path: Path) -> None:
    path = write(tmp_path, "items.csv", "item_id,category,currency,available,quality\ni1,Home/Candles,EUR,false,0.5\n")
    ((_, value),) = read_catalogue(path)
    assert json.loads(value) == {
        "item_id": "i1",
        "category": "Home/Candles",
        "currency": "EUR",
        "available": False,
        "quality": 0.5,
    }


def test_catalogue_lines_are_keyed_by_item(tmp_path: Path) -> None:
    path = write(tmp_path, "items.ndjson", b'{"item_id":"i1"}\nnonsense\n{"item_id":3}\n')
    assert [key for key, _ in read_catalogue(path)] == [b"i1", None, None]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("events.parquet", b"", "name it .csv"),
        ("events.csv", b"", "must name the columns"),
        ("events.csv", b"event_id,user_id,item_id,type\n", r"no column occurred_at \(or ts_ms\)"),
        ("events.csv", b"event_id,item_id,type,ts_ms\n", r"no column user_id \(or anonymous_id\)"),
        ("events.csv", b"event_id,user_id,item_id,type,ts_ms\ne0,\xff,i,view,1\n", "line 2.*utf-8"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    path = write(tmp_path, name, content)
    with pytest.raises(EventFileError, match=words):
        list(read_messages(path))


def test_a_missing_file_and_a_broken_archive(tmp_path: Path) -> None:
    with pytest.raises(EventFileError, match="No such file"):
        list(read_messages(tmp_path / "events.csv"))
    with pytest.raises(EventFileError, match="No such file"):
        count_hint(tmp_path / "events.csv")
    broken = tmp_path / "events.jsonl.gz"
    broken.write_bytes(gzip.compress(b'{"a":1}\n' * 10_000)[:-20])
    with pytest.raises(EventFileError):
        list(read_messages(broken))
    broken.write_bytes(b"no archive")
    with pytest.raises(EventFileError):
        count_hint(broken)


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
@pytest.mark.parametrize("count", [0, 1, 50_000])
def test_the_number_of_messages_is_estimated(tmp_path: Path, name: str, count: int) -> None:
    row = "e0,u,i,view,1700000000000\n"
    path = write(tmp_path, name, "event_id,user_id,item_id,type,ts_ms\n" + row * count)
    assert count_hint(path) == pytest.approx(count, rel=0.02)


@pytest.mark.parametrize(
    ("columns", "refused"),
    [
        ("event_id,user_id,item_id,type,ts_ms,price,quantity,session_id", True),
        ("event_id,anonymous_id,item_id,kind,occurred_at,title", True),
        ("event_id,user_id,item_id,type,timestamp", True),
        ("item_id,title,type,user_id,event_id", False),
        ("item_id,type,ts_ms,price", False),
        ("item_id,user_id,anonymous_id,type", False),
    ],
)
def test_columns_of_events_are_no_catalogue(tmp_path: Path, columns: str, refused: bool) -> None:
    path = write(tmp_path, "items.csv", f"{columns}\n")
    if refused:
        with pytest.raises(EventFileError, match="a file of events, not of catalogue rows"):
            list(read_catalogue(path))
    else:
        assert list(read_catalogue(path)) == []
