"""Whom a new item fits: who is found, in which order, how many, and when."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from encoders.device import EncoderThread
from graph.memory_store import MemoryGraphStore
from graph.model import ItemRow, Level, Successor, SuccessorRecord
from graph.state import UserState
from graph.store import LedgerCommit, LedgerMove, UserWrite
from stream.agents.newcomers import Newcomers
from stream.bundles import FORMAT, ItemRecord
from stream.encoding import load_encoders
from stream.knowledge import Knowledge
from stream.metrics import Metrics
from stream.refresher import Refresher
from stream.users import CachedUser, UserCache
from tests.unit.stream.checking_shop import NOW, shop_settings
from tests.unit.stream.graphs import interest

VECTOR = np.full(256, 0.0625, dtype="<f2").tobytes()


@dataclass
class Shop:
    """Lamps lead to mugs, and plates do more; the store knows who is interested in what."""

    knowledge: Knowledge
    refresher: Refresher
    cache: UserCache
    store: MemoryGraphStore
    asked: list[str]

    def comes(self, item_id: str, category: str | None = "Mugs", since: int = NOW, **changes: Any) -> None:
        vector = changes.pop("vector", VECTOR)
        row = ItemRow(item_id, title=item_id, category=category, **changes)
        self.knowledge.take_item(item_id, ItemRecord(FORMAT, row, vector=vector, since=since))

    def listed(self, user_id: str, *items: str) -> None:
        """Have a list made for a user."""
        self.cache.put([CachedUser(user_id, 1, UserState(), items)])

    def newcomers(self, most: int = 100) -> Newcomers:
        return Newcomers(self.refresher, self.cache, most)

    async def fitting(self, newcomers: Newcomers, ours: str = "", share: float = 1.0) -> list[str]:
        async def at_once(call: Callable[[], Awaitable[Any]]) -> Any:
            return await call()

        found, asked = self.store.interested_users, self.asked

        class Watched(MemoryGraphStore):
            async def interested_users(self, category: str, least: float, limit: int) -> list[str]:
                asked.append(category)
                return await found(category, least, limit)

        return await newcomers.users(Watched(), at_once, lambda user_id: user_id.startswith(ours), share)


async def written(interests: dict[str, dict[str, float]]) -> MemoryGraphStore:
    store = MemoryGraphStore()
    await store.claim({"t/0": "me"})
    await store.ensure_stubs(["Lamps", "Plates", "Mugs", "Toys"], [])
    users = [
        UserWrite(name, 1, NOW, NOW, [], [], b"", [interest(c, weight, NOW) for c, weight in of.items()], [])
        for name, of in interests.items()
    ]
    commit = LedgerCommit({"t/0": "me"}, [LedgerMove("t/0", -1, 1, b"", b"")])
    await store.apply_users(commit, users)
    return store


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    settings = shop_settings()
    knowledge = Knowledge(load_encoders(settings.encoder).user, settings.graph, quiet_seconds=0.0, rest_seconds=0.0)
    for source, weight in (("Lamps", 6.0), ("Plates", 9.0), ("Toys", 1.0)):
        steps = [Successor("Mugs", weight, 9, 9)] if source != "Toys" else []
        steps.append(Successor("Toys" if source != "Toys" else "Lamps", 10.0 - weight, 9, 9))
        knowledge.take_successors(SuccessorRecord(Level.CATEGORY, source, NOW, tuple(steps)))
    for item_id, category in (("mug", "Mugs"), ("cup", "Mugs"), ("lamp", "Lamps")):
        knowledge.take_item(item_id, ItemRecord(FORMAT, ItemRow(item_id, category=category), vector=VECTOR))
    store = await written(
        {
            "dan": {"Lamps": 1.0},
            "eve": {"Lamps": 5.0},
            "fay": {"Plates": 1.0, "Mugs": 9.0},
            "gus": {"Mugs": 2.0},
            "hal": {"Toys": 9.0},
        }
    )
    thread = EncoderThread(1)
    refresher = Refresher(knowledge, thread, settings.graph, Metrics())
    yield Shop(knowledge, refresher, UserCache(100), store, [])
    await thread.close()


async def test_first_those_whose_lists_hold_its_category_then_those_whose_interests_lead_there(shop: Shop) -> None:
    shop.listed("ann", "lamp", "cup")
    shop.listed("bob", "mug")
    shop.listed("cid", "lamp")
    shop.comes("new")
    assert await shop.fitting(shop.newcomers()) == ["bob", "ann", "fay", "eve", "dan", "gus"]
    assert shop.asked == ["Plates", "Lamps", "Mugs"]


async def test_a_round_is_bounded_and_asks_the_store_no_more_than_it_needs(shop: Shop) -> None:
    newcomers = shop.newcomers(3)
    shop.listed("ann", "cup")
    shop.comes("new")
    assert await shop.fitting(newcomers) == ["ann", "fay", "eve"]
    for name in ("bob", "cid", "zoe"):
        shop.listed(name, "mug")
    shop.asked.clear()
    shop.comes("newer")
    assert await shop.fitting(newcomers) == ["zoe", "cid", "bob"]
    assert shop.asked == []


async def test_each_worker_takes_its_share_of_its_own_users(shop: Shop) -> None:
    newcomers = shop.newcomers(4)
    shop.comes("new")
    assert await shop.fitting(newcomers, ours="e") == ["eve"]
    shop.comes("newer")
    assert await shop.fitting(newcomers, share=0.25) == ["fay"]
    shop.comes("newest")
    assert await shop.fitting(newcomers, share=0.0) == []


async def test_an_item_is_new_once_and_only_what_lists_keep_a_place_for(shop: Shop) -> None:
    newcomers = shop.newcomers()
    for changes in ({"since": 0}, {"category": None}, {"available": False}, {"vector": b""}):
        shop.comes("new", **changes)
        assert await shop.fitting(newcomers) == []
    shop.comes("new")
    assert await shop.fitting(newcomers) != []
    shop.comes("new", vector=b"")
    shop.comes("new", price=9.0)
    assert await shop.fitting(newcomers) == []
    shop.comes("old", since=NOW - 31 * 86_400_000)
    assert await shop.fitting(newcomers) == []
    shop.knowledge.take_item("new", None)
    shop.comes("new")
    assert await shop.fitting(newcomers) != []
    shop.comes("gone")
    shop.knowledge.take_item("gone", None)
    assert await shop.fitting(newcomers) == []


async def test_what_came_before_the_worker_is_no_news(shop: Shop) -> None:
    newcomers = shop.newcomers()
    shop.comes("new")
    shop.knowledge.caught_up()
    shop.comes("new")
    assert await shop.fitting(newcomers) == []
    shop.comes("newer")
    assert await shop.fitting(newcomers) != []


async def test_a_round_waits_for_the_catalogue_to_pause_and_for_its_turn(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    shop.knowledge.quiet_seconds, shop.knowledge.rest_seconds = 0.3, 10.0
    newcomers = shop.newcomers()
    came = rounds = 0
    for tick in range(400):  # an item every fifth of a second for forty seconds, then none
        clock[0] = 100.0 + tick / 5
        if tick < 200:
            shop.comes(f"new-{tick}")
            came += 1
        rounds += bool(await shop.fitting(newcomers))
        if tick == 9:
            assert rounds == 0  # two seconds are the longest that the first one waits
        if tick == 10:
            assert rounds == 1
    assert came == 200
    assert rounds == 5
    assert not shop.knowledge.newcomers  # the last ones had their round


async def test_one_that_comes_alone_waits_for_the_pause_only(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    shop.knowledge.quiet_seconds, shop.knowledge.rest_seconds = 0.3, 10.0
    newcomers = shop.newcomers()
    shop.comes("new")
    clock[0] += 0.2
    assert await shop.fitting(newcomers) == []
    clock[0] += 0.2
    assert await shop.fitting(newcomers) != []


async def test_none_is_the_way_to_switch_it_off(shop: Shop) -> None:
    newcomers = shop.newcomers(0)
    shop.listed("ann", "cup")
    shop.comes("new")
    assert await shop.fitting(newcomers) == []
    assert shop.asked == []
    assert not shop.knowledge.newcomers  # nor do they pile up


async def test_a_large_import_asks_for_a_bounded_number_of_categories(shop: Shop) -> None:
    for number in range(50):
        shop.comes(f"new-{number}", f"Aisle {number:02}")
    shop.comes("new", "Mugs")
    assert await shop.fitting(shop.newcomers()) == ["fay", "eve", "dan"]
    assert shop.asked == ["Plates", "Lamps", *(f"Aisle {number:02}" for number in range(10))]
