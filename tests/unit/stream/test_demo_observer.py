import pytest

from graph.decay import rank_key
from graph.memory_store import MemoryGraphStore
from graph.model import Interest, Kind
from graph.store import LedgerCommit, LedgerMove, UserWrite
from stream.demo.figures import interests_digest, shopper_of
from stream.demo.observer import RateMeter, ShopperObserver
from stream.demo.picture import EventLine, InterestLine, ListLine, ShopperPicture
from stream.demo.sample import SIMULATED, SampleEvent, SampleItem
from stream.recommendations import CrossSellItem, Position, Reason, Recommendation, UpSellItem

HALF_LIFE = 7 * 86_400.0
WEEK = 7 * 86_400_000
NOW = 1_315_526_400_000
ITEMS = {item.item_id: item for item in (SampleItem("a", "RED LANTERN", 4.95), SampleItem("b", "Candle", 8.5))}
MOMENT = "2011-09-09T00:00:00.000Z"
EVENTS = [
    SampleEvent("1", Kind.VIEW, "u", "a", NOW, list_id=SIMULATED),
    SampleEvent("2", Kind.PURCHASE, "someone else", "a", NOW),
    SampleEvent("3", Kind.PURCHASE, "u", "a", NOW + 1),
    SampleEvent("4", Kind.REFUND, "u", "a", NOW + 2),
]
LISTS = Recommendation(
    "u", 1, MOMENT, MOMENT, Position("b", 0, 0), "m", "r",
    (CrossSellItem("b", "Home > Candles", 0.9, (
        Reason("POPULAR", 0.2, ("u", "b")),
        Reason("BOUGHT_NEXT", 0.7, ("u", "Home > Lanterns", "Home > Candles", "b"), 312, 8.2),
    )),),
    (UpSellItem("b", "Home > Lanterns", 0.5, 8.5, "a", 4.95, (Reason("PRICE", 0.5, ("u", "a", "b")),)),),
)  # fmt: skip


def interest(category: str, weight: float, updated_at: int) -> Interest:
    return Interest(category, weight, updated_at, rank_key(weight, updated_at, HALF_LIFE), 1, 2)


async def store_with(*interests: Interest, user_id: str = "u") -> MemoryGraphStore:
    store = MemoryGraphStore()
    await store.start()
    await store.ensure_stubs([i.category for i in interests], [])
    await store.claim({"bundles/0": "us"})
    commit = LedgerCommit({"bundles/0": "us"}, [LedgerMove("bundles/0", -1, 1, b"", b"")])
    await store.apply_users(commit, [UserWrite(user_id, 3, NOW + WEEK, 1, ["b"], ["b"], b"s", interests, [])])
    return store


async def test_the_shopper_is_seen_up_to_what_was_sent() -> None:
    store = await store_with(interest("Home > Lanterns", 8.0, NOW), interest("Home > Candles", 1.0, NOW + WEEK))
    picture = await ShopperObserver("u", EVENTS, ITEMS, HALF_LIFE).observe(store, {"u": LISTS}, 3)
    assert picture == ShopperPicture(
        "u",
        (EventLine(NOW + 1, "bought", "Red lantern", False), EventLine(NOW, "viewed", "Red lantern", True)),
        # A week is a half-life: the older interest counts half at the shopper's latest event.
        (InterestLine("Lanterns", 4.0, 1, 2), InterestLine("Candles", 1.0, 1, 2)),
        (ListLine("Candle", "Candles", "312 shoppers went from Lanterns to Candles"),),
        (ListLine("Candle", "Lanterns", "a step up from Red lantern", 8.5, 4.95),),
    )


async def test_a_shopper_who_has_not_come_yet_has_nothing() -> None:
    picture = await ShopperObserver("u", EVENTS, ITEMS, HALF_LIFE).observe(MemoryGraphStore(), {}, 0)
    assert picture == ShopperPicture("u")


async def test_an_item_that_the_sample_does_not_know_is_called_by_its_id() -> None:
    picture = await ShopperObserver("u", EVENTS, {}, HALF_LIFE).observe(MemoryGraphStore(), {}, 1)
    assert picture.events[0].title == "a"


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter(seconds=2.0)
    assert meter.update(10.0, 0) == 0.0
    assert meter.update(11.0, 100) == 100.0
    assert meter.update(12.0, 400) == 200.0
    assert meter.update(13.0, 400) == pytest.approx(150.0)
    assert meter.update(20.0, 400) == 0.0


async def test_the_digest_is_of_interests_alone() -> None:
    one = await interests_digest(await store_with(interest("A", 1.0, NOW)))
    rounded = await interests_digest(await store_with(interest("A", 1.0 + 1e-12, NOW)))
    heavier = await interests_digest(await store_with(interest("A", 1.001, NOW)))
    other = await interests_digest(await store_with(interest("A", 1.0, NOW), user_id="v"))
    assert one == rounded
    assert len({one, heavier, other, await interests_digest(MemoryGraphStore())}) == 4


async def test_the_watched_shopper_is_as_in_the_graph() -> None:
    store = await store_with(interest("A", 1 / 3, NOW))
    shopper = await shopper_of(store, "u")
    assert (shopper.cross_sell, shopper.up_sell) == (["b"], ["b"])
    assert [(i.category, i.weight, i.updated_at) for i in shopper.interests] == [("A", 0.333333333, NOW)]
    assert (await shopper_of(store, "nobody")).interests == []
