"""I3 and I4: the recommendations topic, each user's last list and a sample of all."""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import msgspec

from graph.interest import owned_items
from graph.settings import ListSettings
from graph.state import UserState
from stream.checking.findings import Findings, Invariant
from stream.checking.topics import Record, Topics
from stream.recommendations import (
    CrossSellItem,
    ForYou,
    ForYouItem,
    NextVisit,
    Position,
    Recommendation,
    UpSellItem,
    decode,
    rfc3339,
)

_ITEM_STEPS = frozenset({"ITEM_BOUGHT_NEXT", "ITEM_VIEWED_NEXT"})


class LastList(msgspec.Struct, frozen=True):
    """What the last record of a user says."""

    version: int
    event_time: str
    position: Position
    cross_sell: tuple[str, ...]
    up_sell: tuple[str, ...]
    scores: tuple[float, ...]
    """Of cross-sell, then of up-sell."""
    place: str
    ranker: str | None = None
    micro_topics: tuple[tuple[str, float], ...] = ()
    """Name and share."""
    next_visit: "NextVisitLists | None" = None
    for_you: "ForYouList | None" = None


class NextVisitLists(msgspec.Struct, frozen=True):
    """Its lists for the next visit; fields as above."""

    cross_sell: tuple[str, ...]
    up_sell: tuple[str, ...]
    scores: tuple[float, ...]
    ranker: str


class ForYouList(msgspec.Struct, frozen=True):
    """Its for-you list: items, their scores, and the version of what made it."""

    items: tuple[str, ...]
    scores: tuple[float, ...]
    ranker: str


def for_you_list(read: ForYou | None, name: Callable[[str], str] = str) -> ForYouList | None:
    """Return the list in few words; ``name``: one object for equal names."""
    if read is None:
        return None
    items = tuple(name(item.item_id) for item in read.items)
    return ForYouList(items, tuple(item.score for item in read.items), name(read.ranker))


class PublishedLists:
    """The recommendations topic: the last record of every user, and what the versions did on the way.

    ``sample`` lists are kept whole, chosen with ``seed`` from all that were ever published, with equal chances.
    """

    def __init__(self, findings: Findings, sample: int, seed: int) -> None:
        self._findings = findings
        self._names: dict[str, str] = {}
        self._next: dict[int, int] = {}
        self._size = sample
        self._random = random.Random(seed)  # noqa: S311 - which lists are looked at is no secret
        self._sampled: list[tuple[str, bytes]] = []
        self._highest: Counter[str] = Counter()
        self.last: dict[str, LastList] = {}
        self.records = 0
        self.went_back = 0
        """Records with a lower version than one before: a zombie's, which a higher one must have followed."""

    def read_on(self, topics: Topics, topic: str, step: Callable[[], None] = lambda: None) -> None:
        """Take in what the topic holds by now and was not taken yet."""
        for partition, span in topics.spans(topic).items():
            for record in topics.records(topic, partition, self._next.get(partition, span.first), span.end):
                step()
                self._take(record)
            self._next[partition] = span.end

    def _take(self, record: Record) -> None:
        self.records += 1
        place = f"{record.topic}/{record.partition}@{record.offset}"
        try:
            user_id = (record.key or b"").decode()
        except UnicodeDecodeError:
            self._findings.differ(Invariant.VERSIONS, place, "its key is not UTF-8")
            return
        if not record.value:
            self.last.pop(user_id, None)
            self._highest.pop(user_id, None)
            return
        try:
            read = decode(record.value)
        except msgspec.DecodeError as error:
            self._findings.differ(Invariant.VERSIONS, place, f"is not a recommendation: {error}")
            return
        if read.user_id != user_id:
            self._findings.differ(Invariant.VERSIONS, place, "its key is not its user", read.user_id, user_id)
        self.went_back += read.version < self._highest[user_id]
        self._highest[user_id] = max(self._highest[user_id], read.version)
        self._keep(place, record.value)
        visit = read.next_visit
        ranker = None if read.ranker is None else self._name(read.ranker)
        topics = tuple((self._name(topic.name), topic.share) for topic in read.micro_topics)
        self.last[user_id] = LastList(
            read.version,
            read.event_time,
            read.position,
            *self._lists(read),
            place,
            ranker,
            topics,
            None if visit is None else NextVisitLists(*self._lists(visit), self._name(visit.ranker)),
            for_you_list(read.for_you, self._name),
        )

    def _lists(self, read: Recommendation | NextVisit) -> tuple[tuple[str, ...], tuple[str, ...], tuple[float, ...]]:
        cross_sell = tuple(self._name(item.item_id) for item in read.cross_sell)
        up_sell = tuple(self._name(item.item_id) for item in read.up_sell)
        scores = (*(item.score for item in read.cross_sell), *(item.score for item in read.up_sell))
        return cross_sell, up_sell, scores

    def _name(self, item_id: str) -> str:
        return self._names.setdefault(item_id, item_id)  # a million lists name the same items

    def _keep(self, place: str, value: bytes) -> None:
        if len(self._sampled) < self._size:
            self._sampled.append((place, value))
        elif (slot := self._random.randrange(self.records)) < self._size:
            self._sampled[slot] = place, value

    def judge_versions(self) -> None:
        """I4: the last record of each user has its highest version."""
        for user_id, last in self.last.items():
            self._findings.checked[Invariant.VERSIONS] += 1
            if last.version < self._highest[user_id]:
                where = f"user {user_id}: last list {last.place}"
                what = "a higher version was published before"
                self._findings.differ(Invariant.VERSIONS, where, what, self._highest[user_id], last.version)

    def sampled(self, topic: str, partition: int) -> dict[int, list[tuple[str, Recommendation]]]:
        """Return the sampled lists by the offset of their position in one bundles partition."""
        found: defaultdict[int, list[tuple[str, Recommendation]]] = defaultdict(list)
        for place, value in self._sampled:
            read = decode(value)
            if (read.position.topic, read.position.partition) == (topic, partition):
                found[read.position.offset].append((place, read))
        return dict(found)


def prefix_differences(
    read: Recommendation, state: UserState, settings: ListSettings
) -> Iterator[tuple[str, str, str]]:
    """Yield (what, expected, found) where a list does not fit the state of its user at its position.

    Of a list of long ago, what does not depend on the rest of the shop: its event time, the items it must not hold
    because they were bought, and the items of the history that it starts from. The for-you list may hold what was
    bought, where people buy again.
    """
    event_time = rfc3339(state.last_event_at)
    if read.event_time != event_time:
        yield "event_time", event_time, read.event_time
    since = state.last_event_at - int(settings.owned_seconds * 1000)
    owned = {item_id for item_id, at in owned_items(state).items() if at >= since}
    every = [item for items in read.lists().values() for item in items]
    listed = {item.item_id for item in every if not isinstance(item, ForYouItem)}
    if bought := sorted(owned & listed):
        yield "lists items that were bought by then", "", ", ".join(bought)
    history = {entry.item_id for entry in state.history if entry.active}
    starts = {item.anchor_item_id for item in every if isinstance(item, UpSellItem)}
    crossing = [item for item in every if isinstance(item, CrossSellItem)]
    starts |= {r.path[1] for item in crossing for r in item.because if r.feature in _ITEM_STEPS}
    if unknown := sorted(starts - history):
        yield "starts from items that were not in the history", "", ", ".join(unknown)
