"""Warnings and news, each once: through runs that die, runs at once, and the catalogue agent."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence

import pytest

from graph.memory_store import MemoryGraphStore
from graph.store import Fenced
from stream.lapse_run import LapseFigures, LapseRun
from stream.publisher import Outgoing
from stream.signals import Signal, SignalKind, decode_signal, signal_key
from tests.unit.stream.sample_shop import AFTER, SampleShop

DAY_MS = 86_400_000


class Died(Exception):
    """Stands for a process that ends here."""


class Topic:
    """Takes messages; dies before it took any, or after."""

    def __init__(self) -> None:
        self.taken: list[Outgoing] = []
        self.dies = ""

    async def publish(self, messages: Sequence[Outgoing], again: Callable[[], Awaitable[None]] | None = None) -> None:
        assert again is not None
        await again()
        if self.dies == "before":
            raise Died
        self.taken.extend(messages)
        if self.dies == "after":
            raise Died

    def signals(self) -> list[Signal]:
        return [decode_signal(message.value) for message in self.taken if message.value is not None]


@pytest.fixture
def shop(sample_shop: SampleShop) -> Iterator[SampleShop]:
    fork = sample_shop.fork()
    yield fork
    fork.close()


def run(shop: SampleShop, topic: Topic, until: int) -> LapseFigures:
    return shop.run(LapseRun(shop.pipeline.store, topic, shop.settings).run(until))


def test_every_silence_is_said_once_whenever_one_looks(shop: SampleShop) -> None:
    """One look after another, at odd times, gives what a single one gives."""
    starts = AFTER - 10 * DAY_MS  # the last event is older
    ends = AFTER + 250 * DAY_MS
    whole, parts = Topic(), Topic()
    other = shop.fork()
    run(shop, whole, starts)
    run(shop, whole, ends)
    for until in (starts, starts + 1, starts + 20 * DAY_MS, starts + 20 * DAY_MS, starts + 177 * DAY_MS, ends):
        run(other, parts, until)
    other.close()
    keys = [(signal_key(signal), signal.version) for signal in parts.signals()]
    assert len(set(keys)) == len(keys)
    churn = {key for key in keys if b"churn" in key[0]}
    assert churn == {(signal_key(s), s.version) for s in whole.signals() if s.kind is SignalKind.CHURN}
    assert len(churn) > 150
    assert {kind for signal in parts.signals() if (kind := signal.kind)} == {SignalKind.CHURN, SignalKind.INTEREST_LOSS}


@pytest.mark.parametrize("dies", ["before", "after"])
def test_a_run_that_died_after_its_commit_is_made_up_for(shop: SampleShop, dies: str) -> None:
    topic = Topic()
    run(shop, topic, AFTER)
    first = len(topic.taken)
    topic.dies = dies
    with pytest.raises(Died):
        run(shop, topic, AFTER + 60 * DAY_MS)
    topic.dies = ""
    figures = run(shop, topic, AFTER + 60 * DAY_MS)
    assert figures.resent > 0
    assert (figures.churn, figures.users) == (0, 0)
    later = topic.taken[first:]
    copies = Counter((message.key, message.value) for message in later)
    assert set(copies.values()) == {2 if dies == "after" else 1}
    assert run(shop, topic, AFTER + 61 * DAY_MS).resent == 0


def test_two_runs_at_once_do_not_both_decide(shop: SampleShop) -> None:
    first, second = Topic(), Topic()
    run(shop, first, AFTER)
    slow = LapseRun(shop.pipeline.store, first, shop.settings)

    async def both() -> None:
        store = shop.pipeline.store
        assert isinstance(store, MemoryGraphStore)
        original = store.user_ids
        overtaken = False

        async def user_ids(after: str, limit: int) -> list[str]:
            nonlocal overtaken
            if not overtaken:
                overtaken = True
                await LapseRun(store, second, shop.settings).run(AFTER + 60 * DAY_MS)
            return await original(after, limit)

        store.user_ids = user_ids  # type: ignore[method-assign]
        await slow.run(AFTER + 60 * DAY_MS)

    before = len(first.taken)
    with pytest.raises(Fenced):
        shop.run(both())
    assert len(first.taken) == before
    assert second.taken


def row(item_id: str, title: str, **fields: object) -> tuple[bytes, bytes]:
    return item_id.encode(), json.dumps({"item_id": item_id, "title": title, **fields}).encode()


def news(shop: SampleShop) -> list[Signal]:
    return [decode_signal(value) for value in shop.values(shop.settings.topics.signals)]


def test_a_new_item_is_news_for_those_whose_interest_fits(shop: SampleShop) -> None:
    """Its category is derived from its title; it is told of once, whatever the row says later."""
    settings, catalogue = shop.settings, shop.settings.topics.catalogue
    shop.pipeline.log.append(catalogue, *row("new", "JUMBO BAG PENGUIN DESIGN"), timestamp=AFTER - 20 * DAY_MS)
    shop.drain()
    told = news(shop)
    assert {(s.kind, s.item_id, s.category, s.version) for s in told} == {
        (SignalKind.NEW_ITEM, "new", "Derived > Bag", AFTER - 20 * DAY_MS)
    }
    assert 5 < len(told) < 150
    for signal in told:
        view = shop.run(shop.pipeline.store.view_user(signal.user_id))
        assert view is not None
        (interest,) = [i for i in view.interests if i.category == "Derived > Bag"]
        half_lives = (AFTER - 20 * DAY_MS - interest.updated_at) / (7 * DAY_MS)
        assert interest.weight * 2.0**-half_lives >= settings.graph.signals.min_interest * (1 - 1e-9)
    shop.send(catalogue, [row("new", "JUMBO BAG PENGUIN DESIGN BLUE"), row("new", "JUMBO BAG PENGUIN DESIGN")])
    shop.drain()
    assert len(news(shop)) == len(told)


def test_a_price_drop_is_news_and_a_rise_or_a_penny_is_not(shop: SampleShop) -> None:
    catalogue = shop.settings.topics.catalogue
    at = AFTER - 20 * DAY_MS
    title = "JUMBO BAG RED RETROSPOT"
    for price in (1.95, 2.95, 1.99):
        shop.pipeline.log.append(catalogue, *row("85099B", title, price=price, currency="GBP"), timestamp=at)
        shop.drain()
    told = news(shop)
    assert {(s.kind, s.item_id, s.former_price, s.price, s.currency) for s in told} == {
        (SignalKind.PRICE_DROP, "85099B", 2.95, 1.99, "GBP")
    }
    assert len({s.user_id for s in told}) == len(told) > 5
    shop.pipeline.log.append(catalogue, *row("85099B", title, price=1.0, currency="EUR"), timestamp=at)
    shop.pipeline.log.append(catalogue, *row("85099B", title, price=1.9, currency="GBP"), timestamp=at)
    shop.drain()
    assert len(news(shop)) == len(told)


def test_news_can_be_switched_off(sample_shop: SampleShop) -> None:
    shop = sample_shop.fork(graph={"signals": {"max_users": 0}})
    shop.pipeline.log.append(shop.settings.topics.catalogue, *row("new", "JUMBO BAG X"), timestamp=AFTER)
    shop.drain()
    assert news(shop) == []
    shop.close()


def test_news_that_a_dead_worker_left_in_its_outbox_is_sent_by_the_next(shop: SampleShop) -> None:
    """The first worker's publications after its commit are lost."""
    catalogue, topic = shop.settings.topics.catalogue, shop.settings.topics.signals
    shop.pipeline.log.append(
        catalogue, *row("85099B", "JUMBO BAG RED RETROSPOT", price=0.5, currency="GBP"), timestamp=AFTER - 20 * DAY_MS
    )
    shop.drain()
    sent = shop.values(topic)
    assert sent
    for log in shop.pipeline.log.topics[topic]:
        log.clear()
    heir = shop.fork()
    assert sorted(heir.values(topic)) == sorted(sent)
    heir.close()
