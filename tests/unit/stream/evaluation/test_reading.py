"""Files to logs: what is read, what is left out, what is refused with its line."""

import gzip
import math
from pathlib import Path

import pytest

from stream.evaluation.reading import build_catalogue, read_events, read_items
from stream.evaluation.shop import Sequence, build_log
from stream.event_files import EventFileError

EVENTS = """event_id,user_id,item_id,type,ts_ms,price,quantity,session_id
e1,u,b,view,3000,,1,s2
e2,u,a,purchase,1000,2.5,1,s1
e3,v,a,return,2000,2.5,1,s3
e4,v,c,purchase,2000,,1,s3
e5,u,c,purchase,1000,,1,s1
"""


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_events_are_sorted_by_time_and_returns_left_out(tmp_path: Path) -> None:
    raw = read_events([write(tmp_path / "events.csv.gz", EVENTS)])
    assert raw.items == ["a", "c", "c", "b"]  # equals keep the file's order
    assert raw.times.tolist() == [1000, 1000, 2000, 3000]
    assert raw.prices[0] == 2.5
    assert math.isnan(raw.prices[1])


def test_only_the_kinds_asked_for(tmp_path: Path) -> None:
    raw = read_events([write(tmp_path / "events.csv", EVENTS)], frozenset({"view"}))
    assert raw.items == ["b"]


def test_session_files_are_seconds(tmp_path: Path) -> None:
    raw = read_events([write(tmp_path / "s.txt", "SessionId\tItemId\tTime\n7\t21\t1396860669.277\n")])
    assert (raw.users, raw.items, raw.times.tolist()) == (["7"], ["21"], [1396860669277])


def test_the_catalogue_holds_what_either_file_names(tmp_path: Path) -> None:
    items = read_items(
        write(tmp_path / "items.csv", "item_id,title,category_path,brand,price\na,Mug,X > Y,B,2\nz,,,,\n")
    )
    catalogue = build_catalogue([read_events([write(tmp_path / "events.csv", EVENTS)])], items)
    assert set(catalogue.item_ids) == {"a", "b", "c", "z"}
    code = catalogue.codes["a"]
    assert (catalogue.titles[code], catalogue.brands[code], catalogue.categories[code]) == ("Mug", "B", ("X", "Y"))
    assert catalogue.prices[code] == 2
    assert math.isnan(catalogue.prices[catalogue.codes["z"]])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user_id,ts_ms\nu,1\n", "names no column item_id"),
        ("user_id,item_id,ts_ms\nu,a,soon\n", "line 2: 'soon' is no time"),
        ("user_id,item_id,ts_ms\nu,a,1\nu,,2\n", "line 3: no user_id or no item_id"),
        ("user_id,item_id,ts_ms\nu,a\n", "line 2: 2 cells"),
        ("user_id,item_id,ts_ms,price\nu,a,1,much\n", "line 2: 'much' is no price"),
        ("SessionId,ItemId,Time\n1,2,noon\n", "line 2: 'noon' is no time"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(EventFileError, match=told):
        read_events([write(tmp_path / "events.csv", text)])


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.csv.gz"
    path.write_bytes(gzip.compress(EVENTS.encode() * 50)[:-20])
    with pytest.raises(EventFileError, match=r"events\.csv\.gz"):
        read_events([path])


def test_a_basket_is_one_step_and_a_session_one_sequence(tmp_path: Path) -> None:
    raw = read_events([write(tmp_path / "events.csv", EVENTS)])
    catalogue = build_catalogue([raw], {})
    baskets, users = build_log(raw, catalogue, Sequence.BASKET)
    assert baskets.steps[baskets.users == users.index("u")].tolist() == [0, 0, 1]
    by_user, _ = build_log(raw, catalogue, Sequence.USER)
    assert by_user.steps[by_user.users == users.index("u")].tolist() == [0, 1, 2]
    _, sessions = build_log(raw, catalogue, Sequence.SESSION)
    assert set(sessions) == {"s1", "s2", "s3"}


def test_without_sessions_a_pause_begins_another(tmp_path: Path) -> None:
    lines = [f"u,i{minute},{minute * 60_000}" for minute in (0, 29, 59, 90)]
    raw = read_events([write(tmp_path / "events.csv", "user_id,item_id,ts_ms\n" + "\n".join(lines) + "\n")])
    log, names = build_log(raw, build_catalogue([raw], {}), Sequence.SESSION)
    assert log.users.tolist() == [0, 0, 0, 1]
    assert len(names) == 2
