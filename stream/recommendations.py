"""The output contract: what subscribers read from the recommendations topic, one JSON object per user.

An empty value (a tombstone) means that the user is gone. Fields are only ever added, with a default.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

SCHEMA = "recommendations/1"
CROSS_SELL, UP_SELL = "cross_sell", "up_sell"
NEXT_CROSS_SELL, NEXT_UP_SELL = "next_visit_cross_sell", "next_visit_up_sell"
FOR_YOU = "for_you"
RULED_LIST_IDS = (CROSS_SELL, UP_SELL, NEXT_CROSS_SELL, NEXT_UP_SELL)
"""Those under the definitions of cross-sell and up-sell, ranked by weights."""

LIST_IDS = (*RULED_LIST_IDS, FOR_YOU)
"""What events call the lists in ``list_id``."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MARK_BYTES = 4

Moment = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
        max_length=24,
        description="RFC 3339, UTC, with milliseconds.",
        extra_json_schema={"format": "date-time"},
    ),
]


class Reason(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an item is in a list: a feature's part of the score, and the path in the graph that one can click along."""

    feature: Annotated[str, Meta(description="An association's family, or another feature of the ranker.")]
    contribution: Annotated[
        float,
        Meta(
            description="This feature's part of the score; the parts add up to it. HISTORY, of for-you items: by how "
            "much the score falls without that item of the history; these do not add up."
        ),
    ]
    path: Annotated[tuple[str, ...], Meta(description="User, categories or items on the way, item.")]
    users: Annotated[int | None, Meta(description="How many users went this way.")] = None
    lift: Annotated[float | None, Meta(description="How much more often than by chance.")] = None


class CrossSellItem(msgspec.Struct, frozen=True):
    """An item of another category that the user's interests lead to."""

    item_id: str
    category: Annotated[str | None, Meta(description="Joined by ' > '; null while the catalogue knows none.")]
    score: float
    because: tuple[Reason, ...]
    propensity: Annotated[
        float | msgspec.UnsetType,
        Meta(description="How probable it was that this item stands here, where a lot decided (exploration)."),
    ] = msgspec.UNSET


class UpSellItem(msgspec.Struct, frozen=True):
    """A dearer item of its anchor's category and currency; the anchor is what the user looked at or bought."""

    item_id: str
    category: str
    score: float
    price: float
    anchor_item_id: str
    anchor_price: float
    because: tuple[Reason, ...]


class NextVisit(msgspec.Struct, frozen=True):
    """The same two lists for the time between visits, a mail or a home page: what the user will want then."""

    cross_sell: tuple[CrossSellItem, ...]
    up_sell: tuple[UpSellItem, ...]
    ranker: Annotated[str, Meta(description="Version of the weights that made these two lists.")]


class ForYouItem(msgspec.Struct, frozen=True):
    """An item of any category that the user is likely to take next."""

    item_id: str
    category: Annotated[str | None, Meta(description="Joined by ' > '; null while the catalogue knows none.")]
    score: Annotated[float, Meta(description="Log odds that it is taken, but for a constant of the user.")]
    because: Annotated[
        tuple[Reason, ...],
        Meta(description="Items of the history without which the score falls, the largest fall first; may be empty."),
    ]


class ForYou(msgspec.Struct, frozen=True):
    """What the user will take next, of any category: by a ranker that was fitted to the shop's own log."""

    items: tuple[ForYouItem, ...]
    ranker: Annotated[str, Meta(description="Version of the model that made this list.")]


class MicroTopic(msgspec.Struct, frozen=True):
    """What the user likes, finer than a category: a cluster of item texts, named by its terms."""

    name: Annotated[str, Meta(description="The graph's items have it as `microTopic`.")]
    share: Annotated[
        float, Meta(ge=0, le=1, description="Of the user's decayed interest over the history; all add up to 1 at most.")
    ]
    item_id: Annotated[str, Meta(description="The history's most typical item of it.")]
    title: Annotated[str, Meta(description="That item's title.")]


class Position(msgspec.Struct, frozen=True):
    """The latest event that the lists know of, by its place in Kafka."""

    topic: str
    partition: int
    offset: int


class Recommendation(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="schema", tag=SCHEMA):
    """The current lists of one user, best first."""

    user_id: Annotated[str, Meta(description="The record's key: the user id, or anon: and the anonymous id.")]
    version: Annotated[int, Meta(ge=0, description="Grows with every publication of the user; keep the highest.")]
    event_time: Annotated[Moment, Meta(description="When the user's latest interaction happened.")]
    generated_at: Annotated[Moment, Meta(description="When the lists were ranked.")]
    position: Position
    model: Annotated[str, Meta(description="Encoder and version of its weights.")]
    recommendation_id: Annotated[str, Meta(description="Send it back with clicks and purchases.")]
    cross_sell: tuple[CrossSellItem, ...]
    up_sell: tuple[UpSellItem, ...]
    ranker: Annotated[
        str | None,
        Meta(
            description="Version of the weights that made the lists; absent in records of before there were versions."
        ),
    ] = None
    micro_topics: Annotated[
        tuple[MicroTopic, ...],
        Meta(description="The strongest ones first; absent where items have none (encoder.micro_topics_file)."),
    ] = ()
    next_visit: Annotated[
        NextVisit | None,
        Meta(description="Absent where it is switched off (graph.next_visit.enabled), and in records of before."),
    ] = None

    for_you: Annotated[
        ForYou | None,
        Meta(description="Absent where no model makes it (for_you.model_file), and in records of before."),
    ] = None

    def lists(self) -> Mapping[str, Sequence[CrossSellItem | UpSellItem | ForYouItem]]:
        """Return every list of the record by its ``list_id``, those for the next step first."""
        found: dict[str, Sequence[CrossSellItem | UpSellItem | ForYouItem]] = {
            CROSS_SELL: self.cross_sell,
            UP_SELL: self.up_sell,
        }
        if self.next_visit is not None:
            found |= {NEXT_CROSS_SELL: self.next_visit.cross_sell, NEXT_UP_SELL: self.next_visit.up_sell}
        if self.for_you is not None:
            found[FOR_YOU] = self.for_you.items
        return found

    def ranker_of(self, list_id: str) -> str | None:
        """Return the version of what made a list of the record; None in records of before there were versions."""
        if list_id == FOR_YOU and self.for_you is not None:
            return self.for_you.ranker
        if list_id in (NEXT_CROSS_SELL, NEXT_UP_SELL) and self.next_visit is not None:
            return self.next_visit.ranker
        return self.ranker


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Recommendation)


def encode(recommendation: Recommendation) -> bytes:
    """Return the JSON of the record's value."""
    return _ENCODER.encode(recommendation)


def decode(value: bytes) -> Recommendation:
    """Read a record's value; unknown fields are skipped, so that an old reader understands a newer writer.

    Raises msgspec.DecodeError (its subclass ValidationError for another schema).
    """
    return _DECODER.decode(value)


def rfc3339(at: int) -> str:
    """Write a time in milliseconds since 1970 as RFC 3339 in UTC.

    >>> rfc3339(1317633120123)
    '2011-10-03T09:12:00.123Z'
    """
    return f"{(_EPOCH + timedelta(milliseconds=at)).isoformat(timespec='milliseconds')[:-6]}Z"


def recommendation_id(user_id: str, version: int, model: str) -> str:
    """Name one publication: the same user, version and model always give the same 32 hexadecimal digits.

    The last 8 are the model's mark: an event that names the publication tells the model to whoever knows it.
    """
    publication = hashlib.blake2b(f"{version}/{user_id}".encode(), digest_size=16 - _MARK_BYTES).hexdigest()
    return publication + model_mark(model)


def model_mark(model: str) -> str:
    """Return the 8 hexadecimal digits that the ids of a model's publications end with."""
    return hashlib.blake2b(model.encode(), digest_size=_MARK_BYTES).hexdigest()


def mark_of(recommendation_id: str) -> str:
    """Return where the mark stands in an id. Ids of others, and of before there were marks, have anything there."""
    return recommendation_id[-2 * _MARK_BYTES :]
