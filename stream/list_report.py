"""The report on the lists: what became of those that were shown, and what the present ones expose."""

from collections.abc import Callable, Iterator

import msgspec

from graph.model import Level, SuccessorRecord
from graph.ranking.associations import AssociationIndex
from graph.ranking.exposure import Exposure, head_items, measure_exposure
from graph.ranking.item_weights import ItemWeights
from graph.ranking.items import ItemIndex
from stream.bundles import decode_item
from stream.checking.topics import Record, Topics
from stream.feedback import Feedback, FeedbackReport
from stream.pseudonyms import Pseudonyms
from stream.recommendations import CROSS_SELL, LIST_IDS, UP_SELL, Recommendation, decode
from stream.settings import Settings
from stream.trackers import Rejected
from stream.trackers import decode as decode_event

_BRANDS = 10
_successors = msgspec.msgpack.Decoder(SuccessorRecord)


class ListReport(msgspec.Struct):
    """``events``: messages read; ``lists``: users with current lists; ``exposure``: by list."""

    events: int
    lists: int
    feedback: FeedbackReport
    exposure: dict[str, Exposure]


def make_report(settings: Settings, topics: Topics, now: int, step: Callable[[], None] = lambda: None) -> ListReport:
    """Read what the topics hold now. ``now``: ms, only to tell times in the future."""
    names, feedback, latest = settings.topics, Feedback(), dict[str, Recommendation]()
    for record in _records(topics, names.recommendations, step):
        user_id = (record.key or b"").decode()
        if not record.value:
            latest.pop(user_id, None)
            continue
        try:
            published = decode(record.value)
        except msgspec.DecodeError:
            continue  # of a schema that this version does not know
        feedback.publish(published)
        if user_id not in latest or published.version >= latest[user_id].version:
            latest[user_id] = published
    events, pseudonyms = 0, Pseudonyms(settings.pseudonym_key)
    for record in _records(topics, names.interactions, step):
        events += 1
        try:
            found = decode_event(record.value, record_at=record.timestamp, now=now, settings=settings.trackers)
        except Rejected:
            continue  # intake has made a dead letter of it
        for interaction in found.interactions:
            feedback.take(pseudonyms.apply(interaction))
    return ListReport(events, len(latest), feedback.report(), _exposure(settings, topics, latest, step))


def _exposure(
    settings: Settings, topics: Topics, latest: dict[str, Recommendation], step: Callable[[], None]
) -> dict[str, Exposure]:
    items, associations = ItemIndex(), AssociationIndex(settings.graph.association, settings.graph.ranking)
    for record in _records(topics, settings.topics.items, step):
        if record.value:
            items.upsert(decode_item(record.value).row)
        else:
            items.remove((record.key or b"").decode())
    for record in _records(topics, settings.topics.associations, step):
        if record.value:
            associations.upsert(_successors.decode(record.value))
        else:
            level, _, source = (record.key or b"").decode().partition("|")
            associations.remove(Level(level), source)
    head = head_items(items, ItemWeights(items, associations).current(), settings.graph.lists.head_share)
    lists = [latest[user_id].lists() for user_id in sorted(latest)]
    made = {name for of_user in lists for name in of_user} | {CROSS_SELL, UP_SELL}
    return {
        name: measure_exposure([[i.item_id for i in of_user.get(name, ())] for of_user in lists], items, head, _BRANDS)
        for name in LIST_IDS
        if name in made
    }


def _records(topics: Topics, topic: str, step: Callable[[], None]) -> Iterator[Record]:
    for partition, span in topics.spans(topic).items():
        for record in topics.records(topic, partition, span.first, span.end):
            step()
            yield record
