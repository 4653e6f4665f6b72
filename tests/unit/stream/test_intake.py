import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from aiokafka import ConsumerRecord

from graph.model import Interaction, Kind
from stream.agents.intake import IntakeAgent, _bundles
from stream.bundles import Bundle, Entry, decode_bundle
from stream.deadletter import parse_dead_letter
from stream.metrics import Metrics
from stream.partitioning import partition_of
from stream.publisher import Outgoing
from stream.recommendations import recommendation_id
from stream.settings import Settings
from tests.payloads import payloads

NOW = 1_760_000_000_000
PARTITIONS = 4


class Sent:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.messages: list[Outgoing] = []

    async def publish(self, messages: Sequence[Outgoing], again: object = None) -> None:
        self.messages.extend(messages)


def record(offset: int, value: Any, partition: int = 0) -> ConsumerRecord:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return ConsumerRecord("shop.interactions.v1", partition, offset, NOW, 0, b"k", data, None, 1, len(data), ())


def event(n: int, user: str = "u1", **more: Any) -> dict[str, Any]:
    return {"event_id": f"e{n}", "kind": "view", "user_id": user, "item_id": "i1", "occurred_at": NOW - n} | more


def agent(sent: Sent, metrics: Metrics, **settings: Any) -> IntakeAgent:
    return IntakeAgent(sent, Settings(**settings), metrics, lambda: NOW, "topic-id", PARTITIONS)


def bundles(sent: Sent) -> dict[int, Bundle]:
    topic = Settings().topics.bundles
    found = {m.partition: decode_bundle(m.value or b"") for m in sent.messages if m.topic == topic}
    return {p: bundle for p, bundle in found.items() if p is not None}


def total(metrics: Metrics, name: str) -> float:
    return sum(
        sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"interest_{name}_total"
    )


async def test_one_bundle_per_destination_with_the_causes_of_every_interaction() -> None:
    sent, metrics = Sent(), Metrics()
    users = [f"user-{n}" for n in range(40)]
    records = {
        1: [record(10 + n, event(n, users[n]), 1) for n in range(20)],
        0: [record(n, event(n, users[n]), 0) for n in range(20, 40)],
    }
    applied = await agent(sent, metrics).apply(records)

    assert applied == {0: 40, 1: 30}
    found = bundles(sent)
    assert len(sent.messages) == len(found) == PARTITIONS
    seen = set()
    for partition, bundle in found.items():
        assert bundle.sources == ("topic-id/0", "topic-id/1")
        last: dict[int, int] = {}
        for entry in bundle.entries:
            assert partition_of(entry.interaction.user_id, PARTITIONS) == partition
            assert last.get(entry.source, -1) < entry.offset
            last[entry.source] = entry.offset
            seen.add((bundle.sources[entry.source], entry.offset, entry.interaction.user_id))
    assert seen == {
        (f"topic-id/{p}", r.offset, json.loads(r.value)["user_id"]) for p, rs in records.items() for r in rs
    }


async def test_a_message_with_many_interactions_keeps_them_together_in_order() -> None:
    sent = Sent()
    products = [{"product_id": f"i{n}"} for n in range(5)]
    order = {
        "type": "track",
        "event": "Order Completed",
        "messageId": "m1",
        "userId": "u1",
        "timestamp": "2025-10-09T08:00:00Z",
        "properties": {"order_id": "o1", "products": products},
    }
    await agent(sent, Metrics()).apply({0: [record(7, order)]})
    (bundle,) = bundles(sent).values()
    assert [(e.offset, e.index, e.interaction.event_id) for e in bundle.entries] == [
        (7, n, f"m1#{n}") for n in range(5)
    ]


async def test_what_is_refused_is_a_dead_letter_and_stops_nothing() -> None:
    sent, metrics = Sent(), Metrics()
    applied = await agent(sent, metrics).apply({0: [record(0, event(0)), record(1, b"{"), record(2, event(2))]})
    assert applied == {0: 3}
    (letter,) = [m for m in sent.messages if m.topic == Settings().topics.dead_letters]
    assert (letter.key, letter.value) == (b"k", b"{")
    parsed = parse_dead_letter(letter.headers)
    assert (parsed.topic, parsed.partition, parsed.offset, parsed.reason) == ("shop.interactions.v1", 0, 1, "not_json")
    (bundle,) = bundles(sent).values()
    assert [entry.offset for entry in bundle.entries] == [0, 2]


async def test_counts_balance() -> None:
    sent, metrics = Sent(), Metrics()
    values: list[Any] = [
        event(1),
        event(2, kind="wave"),
        event(3, consent=False),
        event(4, occurred_at=NOW - 100_000_000),
        b"nonsense",
    ]
    settings = {"trackers": {"max_late_seconds": 3600}}
    await agent(sent, metrics, **settings).apply({0: [record(n, value) for n, value in enumerate(values)]})
    names = ("events_ignored", "events_filtered", "events_late", "events_rejected")
    assert [total(metrics, name) for name in names] == [1, 1, 1, 1]
    delivered = sum(len(bundle.entries) for bundle in bundles(sent).values())
    assert total(metrics, "events_consumed") == delivered + 4 == 5


async def test_no_label_says_what_an_event_says() -> None:
    metrics = Metrics()
    metrics.tell_model("text", "decay/1", "cpu")

    def series() -> set[tuple[str, ...]]:
        samples = [sample for family in metrics.registry.collect() for sample in family.samples]
        return {(s.name, *s.labels.values()) for s in samples if s.name == "interest_model_feedback_total"}

    before = series()
    forged = recommendation_id("u1", 1, "gru/forged")
    texts = [text for text in payloads(seed=5, count=300) if text.isprintable()] + [forged, "decay/1"]
    values = [event(n, list_id=text, recommendation_id=text) for n, text in enumerate(texts)]
    await agent(Sent(), metrics).apply({0: [record(n, value) for n, value in enumerate(values)]})
    assert series() == before
    labels = {"kind": "view", "list": "other", "model": "other"}
    counted = metrics.registry.get_sample_value("interest_model_feedback_total", labels)
    assert counted == total(metrics, "list_feedback") == len(texts) > 200


async def test_pseudonyms_decide_the_partition() -> None:
    sent = Sent()
    await agent(sent, Metrics(), pseudonym_key="secret").apply({0: [record(0, event(0, "ann@example.org"))]})
    ((partition, bundle),) = bundles(sent).items()
    pseudonym = bundle.entries[0].interaction.user_id
    assert "ann" not in pseudonym
    assert partition == partition_of(pseudonym, PARTITIONS)


def test_a_large_bundle_is_cut_between_messages_only() -> None:
    text = "x" * 2000
    entries = [
        Entry(0, offset, index, NOW, _interaction(f"{offset}#{index}", text))
        for offset in range(200)
        for index in range(3)
    ]
    parts = [decode_bundle(value) for value in _bundles(("t/0",), entries)]
    assert len(parts) > 1
    assert [entry for part in parts for entry in part.entries] == entries
    for before, after in pairwise(parts):
        assert before.entries[-1].offset < after.entries[0].offset


def _interaction(event_id: str, text: str) -> Interaction:
    return Interaction(event_id, Kind.VIEW, "u", "i", NOW, list_id=text)
