import asyncio
import doctest
from typing import Any

import msgspec
import pytest
from confluent_kafka import Producer
from pydantic import SecretStr
from rich.console import Console
from typer.testing import CliRunner, Result

from graph.memory_store import MemoryGraphStore
from graph.model import Interaction, Kind
from graph.settings import AssociationSettings, InterestSettings
from graph.state import HistoryEntry, UserState, decode_state
from graph.store import Refused, Unavailable
from stream.commands.show import app
from stream.embedded import EmbeddedBroker
from stream.pseudonyms import Pseudonyms
from stream.published import read_published
from stream.recommendations import (
    CrossSellItem,
    ForYou,
    ForYouItem,
    MicroTopic,
    NextVisit,
    Position,
    Reason,
    Recommendation,
    encode,
    rfc3339,
)
from stream.sender import ServerAway, TopicMissing
from stream.settings import KafkaSettings, Settings
from stream.views import category as category_views
from stream.views import words
from stream.views.category import category_page
from stream.views.user import render_user, user_page
from stream.views.words import reason_in_words
from tests.unit.stream.command_output import json_of
from tests.unit.stream.graphs import DAY_MS, NOW, small_graph, user

USER = "u1"


def lists(version: int, item_id: str = "candle", user_id: str = USER) -> Recommendation:
    because = Reason("BOUGHT_NEXT", 0.41, (user_id, "Kitchen > Mugs", "Home > Candles", item_id), 312, 8.2)
    return Recommendation(
        user_id=user_id,
        version=version,
        event_time=rfc3339(NOW),
        generated_at=rfc3339(NOW + 500),
        position=Position("interestream.interactions.v1", 0, 7),
        model="decay/untrained",
        recommendation_id="r",
        cross_sell=(CrossSellItem(item_id, "Home > Candles", 0.83, (because,)),),
        up_sell=(),
        ranker="linear-0a1b2c3d",
        micro_topics=(MicroTopic("Coffee Mug", 0.625, "mug", "Mug"),),
    )


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryGraphStore:
    """The small graph, behind the commands."""
    store = asyncio.run(small_graph(user()))
    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: store)
    return store


def produce(settings: Settings, *records: tuple[str, bytes | None]) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka.bootstrap_servers, "partitioner": "murmur2_random"})
    for key, value in records:
        producer.produce(settings.topics.recommendations, value, key.encode())
    assert producer.flush(30) == 0


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})


def shown(*arguments: str) -> dict[str, Any]:
    return json_of(run(*arguments, "--json"))


# -- a user -----------------------------------------------------------------------------------------------------------


def test_interests_are_decayed_to_now_and_ordered(store: MemoryGraphStore) -> None:
    view = asyncio.run(store.view_user(USER))
    assert view is not None
    state = decode_state(user().state)
    page = user_page(view, state, None, {}, NOW + 7 * DAY_MS, InterestSettings())
    assert [row.category for row in page.interests] == ["Kitchen > Mugs", "Home > Lamps"]
    assert [row.weight for row in page.interests] == [12.0, 16.0]
    assert [row.weight_now for row in page.interests] == [pytest.approx(6.0), pytest.approx(4.0)]
    assert [row.share for row in page.interests] == [1.0, pytest.approx(8 / 12)]


def test_an_old_shop_keeps_its_proportions(store: MemoryGraphStore) -> None:
    view = asyncio.run(store.view_user(USER))
    assert view is not None
    page = user_page(view, decode_state(user().state), None, {}, NOW + 40_000 * DAY_MS, InterestSettings())
    assert page.interests[0].weight_now == 0.0
    assert [row.share for row in page.interests] == [1.0, pytest.approx(8 / 12)]


def test_a_user_with_the_lists_last_published(store: MemoryGraphStore, broker: Settings) -> None:
    newest = lists(NOW + 2)
    produce(broker, (USER, encode(lists(NOW, "old"))), (USER, encode(newest)), (USER, encode(lists(NOW + 1, "late"))))
    page = shown("user", USER)
    assert page["user_id"] == USER
    assert page["events"] == 3
    assert page["last_event_at"] == rfc3339(NOW)
    assert [row["item_id"] for row in page["history"]] == ["mug", "mug", "lamp"]
    assert [row["taken_back"] for row in page["history"]] == [False, True, False]
    assert page["published"]["version"] == NOW + 2
    assert page["published"]["cross_sell"][0]["item_id"] == "candle"
    assert page["published"]["micro_topics"] == [
        {"name": "Coffee Mug", "share": 0.625, "item_id": "mug", "title": "Mug"}
    ]
    assert page["viewed_items"] == {"mug": 1, "lamp": 1}
    assert page["titles"] == {"candle": "Candle", "lamp": "Lamp", "mug": "Mug"}


def test_text_says_why_in_words(store: MemoryGraphStore, broker: Settings) -> None:
    produce(broker, (USER, encode(lists(NOW))))
    result = run("user", USER, "--history", "1")
    assert result.exit_code == 0, result.output
    assert (
        "Home > Candles is bought after Kitchen > Mugs by 312 users, 8.2 times as often as by chance" in result.stdout
    )
    assert "████████████████████" in result.stdout
    assert "latest 1 of 3 kept; a refund or removal has no line" in result.stdout
    assert "scores need not fall from place to place" in result.stdout
    (row,) = (line for line in result.stdout.splitlines() if line.startswith("2025") and "view" in line)
    assert row.split()[3:5] == ["mug", "Mug"]
    assert "replay --catalogue" not in result.stdout
    assert "Up-sell" in result.stdout
    assert "Coffee Mug" in result.stdout
    assert "62.5%" in result.stdout


def test_lists_for_the_next_visit_are_shown_where_there_are_any(store: MemoryGraphStore, broker: Settings) -> None:
    newest = lists(NOW)
    visit = NextVisit(newest.cross_sell, (), "fixed-later")
    produce(broker, (USER, encode(msgspec.structs.replace(newest, next_visit=visit))))
    shown_text = run("user", USER).stdout
    assert "Cross-sell, next visit (ranker fixed-later)" in shown_text
    assert "Up-sell, next visit" in shown_text
    assert shown("user", USER)["published"]["next_visit"]["cross_sell"][0]["item_id"] == "candle"


def test_the_for_you_list_is_shown_with_what_it_hangs_on(store: MemoryGraphStore, broker: Settings) -> None:
    because = (Reason("HISTORY", 0.25, (USER, "mug", "candle")),)
    mine = ForYou((ForYouItem("candle", "Home > Candles", 1.5, because),), "for-you-1")
    produce(broker, (USER, encode(msgspec.structs.replace(lists(NOW), for_you=mine))))
    shown_text = run("user", USER).stdout
    assert "For you (ranker for-you-1)" in shown_text
    assert "+0.250 because of Mug" in shown_text
    assert "what the score would lose" in " ".join(shown_text.split())
    assert shown("user", USER)["published"]["for_you"]["items"][0]["because"][0]["path"] == [USER, "mug", "candle"]


def test_what_was_taken_before_is_its_own_reason() -> None:
    assert reason_in_words(Reason("HISTORY", 0.25, (USER, "mug", "mug"))) == "taken before"
    assert reason_in_words(Reason("HISTORY", 0.25, (USER, "mug", "candle"))) == "because of mug"


def test_the_graph_alone_needs_no_broker(store: MemoryGraphStore) -> None:
    page = shown("user", USER, "--graph-only")
    assert page["published"] is None
    assert page["cross_sell"] == ["candle"]
    assert "cross-sell: candle" in run("user", USER, "--graph-only").stdout


def test_an_unknown_user_is_explained(store: MemoryGraphStore) -> None:
    result = run("user", "u2", "--graph-only")
    assert result.exit_code == 1
    assert "the graph has no user 'u2'" in result.output
    assert "anon:" in result.output


def test_a_pseudonym_is_found_by_the_id_it_stands_for(monkeypatch: pytest.MonkeyPatch) -> None:
    key = "k" * 32
    name = Pseudonyms(SecretStr(key)).apply(Interaction("e", Kind.VIEW, "ana", "i", 0)).user_id
    store = asyncio.run(small_graph(user(name)))
    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: store)
    assert run("user", "ana", "--graph-only").exit_code == 1
    monkeypatch.setenv("INTERESTREAM_PSEUDONYM_KEY", key)
    assert shown("user", "ana", "--graph-only")["user_id"] == name
    assert shown("user", name, "--graph-only")["user_id"] == name


class Failing(MemoryGraphStore):
    """A store that cannot be started."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def start(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code", "words_"),
    [
        (Unavailable("bolt:\n  connection refused"), 3, "the graph is away: bolt: connection refused; start it"),
        (Refused("wrong password"), 2, "wrong password"),
    ],
)
def test_a_graph_that_cannot_be_read_is_named(
    error: Exception, code: int, words_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.commands.servers.open_store", lambda settings, patience: Failing(error))
    result = run("user", USER)
    assert result.exit_code == code
    assert words_ in result.output


def test_a_broker_that_is_away_is_named(store: MemoryGraphStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.published._ANSWER_SECONDS", 0.3)
    monkeypatch.setenv("INTERESTREAM_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    result = run("user", USER)
    assert result.exit_code == 3
    assert "127.0.0.1:1" in result.output


def test_a_graph_in_another_process_memory_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERESTREAM_STORE", "memory")
    result = run("user", USER)
    assert result.exit_code == 2
    assert "INTERESTREAM_STORE=neo4j" in result.output


# -- the record -------------------------------------------------------------------------------------------------------


def test_no_record_of_others_is_taken_for_the_users(broker: Settings) -> None:
    produce(broker, *((f"u{n}", encode(lists(n, user_id=f"u{n}"))) for n in range(1, 40)))
    for n in (1, 17, 39):
        found = read_published(broker, f"u{n}")
        assert found is not None
        assert (found.user_id, found.version) == (f"u{n}", n)
    assert read_published(broker, "nobody") is None


def test_a_user_who_is_gone_has_no_lists_until_there_are_new_ones(broker: Settings) -> None:
    produce(broker, (USER, encode(lists(NOW))), (USER, None))
    assert read_published(broker, USER) is None
    produce(broker, (USER, encode(lists(5))))
    found = read_published(broker, USER)
    assert found is not None
    assert found.version == 5


def test_a_record_of_another_schema_is_passed_over(broker: Settings) -> None:
    produce(broker, (USER, encode(lists(3))), (USER, b'{"schema":"recommendations/2"}'), (USER, b"not json"))
    found = read_published(broker, USER)
    assert found is not None
    assert found.version == 3


def test_every_record_of_the_partition_is_a_step(broker: Settings) -> None:
    produce(broker, *((USER, encode(lists(n))) for n in range(7)))
    steps: list[None] = []
    read_published(broker, USER, lambda: steps.append(None))
    assert len(steps) == 7


def test_a_missing_topic_and_a_missing_broker_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.published._ANSWER_SECONDS", 0.5)
    with EmbeddedBroker() as embedded, pytest.raises(TopicMissing, match=r"shop\.recommendations\.v1"):
        read_published(Settings(kafka=KafkaSettings(bootstrap_servers=embedded.bootstrap_servers)), USER)
    with pytest.raises(ServerAway):
        read_published(Settings(kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1")), USER)


# -- a category -------------------------------------------------------------------------------------------------------


def test_associations_are_decayed_to_now_and_ordered(store: MemoryGraphStore) -> None:
    view = asyncio.run(store.view_category("Kitchen > Mugs"))
    assert view is not None
    page = category_page(view, NOW, AssociationSettings())
    assert [(row.family, row.category, row.weight_now) for row in page.leads_to] == [
        ("VIEWED_NEXT", "Home > Lamps", 3.0),
        ("BOUGHT_NEXT", "Home > Candles", pytest.approx(2.0)),
    ]
    assert [(row.category, row.weight_now) for row in page.comes_from] == [("Home > Lamps", 1.0)]
    assert (page.items, page.interested_users, page.derived) == (1, 1, False)


@pytest.mark.parametrize("name", ["Kitchen > Mugs", "Kitchen>Mugs", "kitchen > mugs"])
def test_a_category_is_found_however_its_path_is_typed(name: str, store: MemoryGraphStore) -> None:
    assert shown("category", name)["path"] == "Kitchen > Mugs"


def test_a_last_label_is_enough_when_it_is_the_only_one(store: MemoryGraphStore) -> None:
    assert shown("category", "lamps")["path"] == "Home > Lamps"
    assert shown("category", "candles")["derived"] is True


def test_several_categories_are_listed(store: MemoryGraphStore) -> None:
    result = run("category", "mugs")
    assert result.exit_code == 1
    assert "one of 2 categories" in result.output
    assert "\n  Garden > Mugs\n  Kitchen > Mugs" in result.output


def test_an_unknown_category_is_explained(store: MemoryGraphStore) -> None:
    result = run("category", "Lmaps")
    assert result.exit_code == 1
    assert "did you mean\n  Home > Lamps" in result.output
    assert "did you mean" not in run("category", "Bicycles").output


def test_a_category_as_text(store: MemoryGraphStore) -> None:
    result = run("category", "Kitchen > Mugs", "--rows", "1")
    assert result.exit_code == 0, result.output
    assert "Leads to (the strongest 1 of 2)" in result.stdout
    assert "25.0%" in result.stdout
    assert "Home > Candles" not in result.stdout


def test_a_user_of_a_shop_without_a_catalogue_is_told_what_is_missing(store: MemoryGraphStore) -> None:
    view = asyncio.run(store.view_user(USER))
    assert view is not None
    history = [HistoryEntry(NOW, "e1", "unheard of", Kind.VIEW, None, None, None)]
    page = user_page(view, UserState(history=history), None, {}, NOW, InterestSettings())
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render_user(page, 5))
    assert "interestream replay --catalogue FILE" in capture.get()


# -- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (Reason("VIEWED_NEXT", 0.1, ("u", "A", "B", "i"), 1, 2.0), "B is viewed after A by 1 user, 2.0 times"),
        (Reason("VIEWED_NEXT", 0.1, ("u", "anchor", "i"), 7), "viewed after anchor by 7 users"),
        (Reason("ITEM_VIEWED_NEXT", 0.1, ("u", "lamp", "i"), 1200), "viewed after lamp by 1,200 users"),
        (Reason("ITEM_BOUGHT_NEXT", 0.1, ("u", "lamp", "i"), 0), "bought after lamp"),
        (Reason("EMBEDDING", 0.1, ("u", "i")), "resembles the user's history"),
        (Reason("EMBEDDING", 0.1, ("u", "lamp", "i")), "resembles lamp"),
        (Reason("LIKENESS", 0.1, ("u", "lamp", "i")), "resembles lamp"),
        (Reason("LIKENESS", 0.1, ("u", "i")), "resembles one of the user's latest items"),
        (Reason("WORDS", 0.1, ("u", "lamp", "i")), "shares words with lamp"),
        (Reason("WORDS", 0.1, ("u", "i")), "shares words with the user's latest item"),
        (Reason("BOUGHT_BEFORE", 0.1, ("u", "i")), "bought before"),
        (Reason("POPULAR", 0.1, ("u", "i")), "popular"),
        (Reason("PRICE", 0.1, ("u", "anchor", "i")), "a moderate step up in price from anchor"),
        (Reason("PRICE", 0.1, ("u", "i")), "a moderate step up in price"),
        (Reason("NEW_FEATURE", 0.1, ("u", "x", "i"), 2), "NEW_FEATURE > x by 2 users"),
        (Reason("BOUGHT_NEXT", 0.1, ("u", "i")), "its category goes with one of the user's interests"),
        (Reason("VIEWED_NEXT", 0.1, ("u", "i")), "its category goes with one of the user's interests"),
    ],
)
def test_every_reason_has_words(reason: Reason, expected: str) -> None:
    said = reason_in_words(reason)
    assert said.startswith(expected)
    assert " 0 users" not in said


def test_reasons_name_items_by_title_and_categories_as_they_are() -> None:
    def title_of(item_id: str) -> str:
        return f"the title of {item_id}"

    assert reason_in_words(Reason("LIKENESS", 0.1, ("u", "lamp", "i")), title_of) == "resembles the title of lamp"
    said = reason_in_words(Reason("BOUGHT_NEXT", 0.1, ("u", "A", "B", "i"), 2, 3.0), title_of)
    assert said == "B is bought after A by 2 users, 3.0 times as often as by chance"


@pytest.mark.parametrize("module", [words, category_views])
def test_the_examples_in_the_docstrings_hold(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
