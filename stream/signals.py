"""The signals' contract: warnings about a user, and news of an item for a user, on a topic of their own.

The key names what a signal is about: user, kind and subject. ``version`` is when it became true, by the log: a signal
that comes twice comes with the same version, and a later one about the same thing has a higher one. So a reader keeps
the highest version of a key, as with lists, and drops what is not higher.
"""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from graph.lapses import Lapse
from graph.model import ItemRow
from stream.recommendations import Moment, rfc3339

SCHEMA = "signals/1"


class SignalKind(StrEnum):
    """What a signal says."""

    CHURN = "churn"
    INTEREST_LOSS = "interest_loss"
    NEW_ITEM = "new_item"
    PRICE_DROP = "price_drop"


class Signal(msgspec.Struct, frozen=True, tag_field="schema", tag=SCHEMA, omit_defaults=True):
    """One warning, or one piece of news."""

    kind: SignalKind
    user_id: str
    version: Annotated[int, Meta(ge=0, description="When it became true, in ms: the same whenever it is sent again.")]
    since: Annotated[Moment, Meta(description="The same as a time.")]
    probability: Annotated[
        float | None, Meta(description="Of no visit within the horizon (churn, interest_loss), 0 to 1.")
    ] = None
    last_visit: Annotated[Moment | None, Meta(description="Of the user, or to the category.")] = None
    category: Annotated[str | None, Meta(description="The lost one; or that of the item.")] = None
    item_id: str | None = None
    price: float | None = None
    former_price: Annotated[float | None, Meta(description="Before the drop.")] = None
    currency: str | None = None


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Signal)


def encode_signal(signal: Signal) -> bytes:
    """Return the JSON of the record's value."""
    return _ENCODER.encode(signal)


def decode_signal(value: bytes) -> Signal:
    """Read a record's value. Raises msgspec.DecodeError."""
    return _DECODER.decode(value)


def signal_key(signal: Signal) -> bytes:
    """Return the record's key: a JSON list of user, kind and subject (item or category; empty for churn)."""
    subject = signal.item_id or signal.category or ""
    return msgspec.json.encode([signal.user_id, signal.kind.value, subject])


def lapse_signal(user_id: str, lapse: Lapse) -> Signal:
    """Return the warning that a silence has become."""
    return Signal(
        kind=SignalKind.CHURN if lapse.category is None else SignalKind.INTEREST_LOSS,
        user_id=user_id,
        version=lapse.due,
        since=rfc3339(lapse.due),
        probability=round(lapse.silence, 4),
        last_visit=rfc3339(lapse.last_visit),
        category=lapse.category,
    )


def item_signal(user_id: str, row: ItemRow, at: int, former_price: float | None) -> Signal:
    """Return the news of a new item, or of a drop from ``former_price``; ``at``: ms of the catalogue's record."""
    return Signal(
        kind=SignalKind.NEW_ITEM if former_price is None else SignalKind.PRICE_DROP,
        user_id=user_id,
        version=at,
        since=rfc3339(at),
        category=row.category,
        item_id=row.item_id,
        price=row.price,
        former_price=former_price,
        currency=row.currency,
    )
