"""Files to logs: what is read, what is left out, what is refused with its line."""

import gzip
import math
from pathlib import Path

import pytest

from stream.evaluation.reading import build_catalogue, read_events, read_items
from stream.evaluation.shop import SESSION_GAP_MS, Sequence, build_log, sessions_of_test
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


def test_an_event_that_comes_again_counts_once(tmp_path: Path) -> None:
    once, again = (write(tmp_path / name, EVENTS) for name in ("once.csv", "again.csv"))
    raw = read_events([once, again])
    assert raw.items == ["a", "c", "c", "b"]
    assert raw.repeated == 5
    assert read_events([once]).repeated == 0


def test_without_event_ids_equal_rows_are_events_of_their_own(tmp_path: Path) -> None:
    raw = read_events([write(tmp_path / "events.csv", "user_id,item_id,ts_ms\n" + "u,a,1\n" * 3)])
    assert (len(raw), raw.repeated) == (3, 0)


def test_order_of_columns_and_case_of_kinds_say_nothing(tmp_path: Path) -> None:
    raw = read_events([write(tmp_path / "e.csv", "ts_ms,type,item_id,user_id\n1.0,PURCHASE,a,u\n2,Return,a,u\n")])
    assert (raw.users, raw.items, raw.kinds, raw.times.tolist()) == (["u"], ["a"], ["purchase"], [1])
    sessions = read_events([write(tmp_path / "s.txt", "Time\tItemId\tSessionId\n5\t21\t7\n")])
    assert (sessions.users, sessions.items, sessions.times.tolist()) == (["7"], ["21"], [5000])


def test_a_clock_that_only_tells_an_order_is_no_clock_of_seconds(tmp_path: Path) -> None:
    raw = read_events([write(tmp_path / "e.csv", "user_id,item_id,ts_ms\nu,a,77294117\nu,b,31458705882\n")])
    assert len(raw) == 2


@pytest.mark.parametrize("price", ["inf", "-1", "nan", ""])
def test_what_stands_for_no_price_is_none(tmp_path: Path, price: str) -> None:
    items = read_items(write(tmp_path / "items.csv", f"item_id,price\na,{price}\n"))
    assert math.isnan(items["a"].price)


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
        ("user_id,item_id,ts_ms\nu,a,1\nu,b,99999999999999999999\n", "line 3: '99999999999999999999' is no time"),
        ("user_id,item_id,ts_ms\nu,a,1511658000\nu,b,1511664909\n", "all times look like seconds"),
        ("user_id;item_id;ts_ms\nu;a;1\n", "commas or tabs, not by semicolons"),
        ('{"user_id": "u"}\n', "this reads CSV, not JSON"),
        ("SessionId,ItemId,Time\n1,2,noon\n", "line 2: 'noon' is no time"),
        ("SessionId,ItemId,Time\n1,2,inf\n", "line 2: 'inf' is no time"),
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


SessionLog = tuple[list[int], tuple[str, ...], list[bool]]


def session_log(folder: Path, rows: list[str], test: tuple[str, ...] = ()) -> SessionLog:
    """Return each interaction's sequence (rows by time), the sequences' names, and which are tested."""
    head = "user_id,item_id,ts_ms,session_id\n"
    train = write(folder / "train.csv", head + "\n".join(rows) + "\n")
    tested = write(folder / "test.csv", head + "\n".join(test) + "\n") if test else None
    raw = read_events([train], test=tested)
    catalogue = build_catalogue([raw], {})
    log, names = build_log(raw, catalogue, Sequence.SESSION)
    of_item = dict(zip(log.items.tolist(), log.users.tolist(), strict=True))
    return [of_item[catalogue.codes[item]] for item in raw.items], names, sessions_of_test(raw).tolist()


def test_sessions_that_are_counted_for_each_user_stay_apart(tmp_path: Path) -> None:
    of, names, _ = session_log(tmp_path, ["u,a,1,1", "v,b,2,1", "u,c,3,2"])
    assert of == [0, 1, 2]
    assert names == ("u/1", "v/1", "2")


def test_a_test_file_has_sessions_of_its_own(tmp_path: Path) -> None:
    of, names, tested = session_log(tmp_path, ["1,a,1,1", "1,b,2,1"], ("1,c,3,1", "1,d,4,1"))
    assert of == [0, 0, 1, 1]
    assert names == ("1/1", "1/1 (test)")
    assert tested == [False, True]


def test_a_test_file_needs_no_session_ids(tmp_path: Path) -> None:
    of, _, tested = session_log(tmp_path, ["u,a,1,", "v,b,2,"], ("u,c,3,", f"u,d,{SESSION_GAP_MS + 4},"))
    assert of == [0, 1, 2, 3]
    assert tested == [False, False, True, True]


def test_events_without_a_session_id_among_others_with_one(tmp_path: Path) -> None:
    """What was done at the same moment is of the same session; the rest falls into sessions by its pauses."""
    pause = SESSION_GAP_MS + 10
    of, names, _ = session_log(tmp_path, ["u,a,1,s", "u,b,1,", "v,c,2,", f"v,d,{pause},", f"v,e,{pause + 1},"])
    assert of == [0, 0, 1, 2, 2]
    assert names == ("s", "v#0", "v#1")


def test_baskets_without_an_id_are_told_by_their_time(tmp_path: Path) -> None:
    rows = ["u,a,1,s", "u,b,1,", "v,c,1,", "v,d,1,", "v,e,2,"]
    raw = read_events([write(tmp_path / "e.csv", "user_id,item_id,ts_ms,session_id\n" + "\n".join(rows) + "\n")])
    log, users = build_log(raw, build_catalogue([raw], {}), Sequence.BASKET)
    assert users == ("u", "v")
    assert log.steps.tolist() == [0, 0, 0, 0, 1]
