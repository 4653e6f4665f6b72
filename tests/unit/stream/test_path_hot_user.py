"""A user with a fifth of the traffic: one list per micro-batch, however many events, and the others as without it."""

import json

from graph.snapshot import differences, snapshot
from stream.pipeline import Pipeline
from stream.settings import Settings
from tests.unit.stream.test_pipeline import NOW, rest, running, settings

__all__ = ["settings"]  # the fixture

OTHERS = 400
HOT = "hot"


def send(pipeline: Pipeline, hot: bool) -> None:
    topic = pipeline.settings.topics.interactions
    for n in range(OTHERS):
        users = [f"u{n % 40}", *([HOT] if hot and n % 4 == 0 else [])]
        for user in users:
            event = {"event_id": f"{user}-{n}", "kind": "view", "user_id": user, "item_id": f"i{n % 30}"}
            value = json.dumps({**event, "occurred_at": NOW - n, "category": f"C{n % 6}"}).encode()
            pipeline.log.append(topic, None, value, n % 3)


def lists_of(pipeline: Pipeline, user: str) -> int:
    logs = pipeline.log.topics[pipeline.settings.topics.recommendations]
    return sum(record.key == user.encode() for log in logs for record in log)


async def test_a_hot_user_is_ranked_once_per_batch_and_changes_nobody_else(settings: Settings) -> None:
    async with running(settings, max_records=50) as even:
        send(even, hot=False)
        await rest(even)
        wanted, lists = await snapshot(even.store), {f"u{n}": lists_of(even, f"u{n}") for n in range(40)}
    async with running(settings, max_records=50) as pipeline:
        send(pipeline, hot=True)
        await rest(pipeline)
        found = await snapshot(pipeline.store)
        assert found.users.pop(HOT).events == OTHERS // 4
        batches = max(len(log) for log in pipeline.log.topics[settings.topics.bundles])
        assert 0 < lists_of(pipeline, HOT) <= batches < OTHERS // 10
        for user, count in lists.items():
            assert lists_of(pipeline, user) <= 2 * count
    own = [text for text in differences(wanted, found, settings.graph) if text.startswith("user ")]
    assert own == []
