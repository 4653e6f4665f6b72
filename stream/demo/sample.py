"""The sample that the demo replays: a shop's real purchases and returns, and the views we add to them.

The data is described, with its licence, in ``data/README.md``. It holds no views, so some are made up, ahead of the
purchases they would have led to; each says so in its ``list_id``.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from graph.model import Kind
from stream.event_files import read_catalogue, read_messages

DATA = Path(__file__).parent / "data"
SIMULATED = "simulated"
"""``list_id`` of a view that nobody made."""

_VIEWED_SHARE = 1 / 3
_LEAST_AHEAD_MS = 60_000
_MOST_AHEAD_MS = 30 * 60_000
_DAY_MS = 86_400_000


class SampleEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event in our own dialect; ``occurred_at`` in ms."""

    event_id: str
    kind: Kind
    user_id: str
    item_id: str
    occurred_at: int
    price: float | None = None
    currency: str | None = None
    quantity: int | None = None
    list_id: str | None = None

    @property
    def simulated(self) -> bool:
        """Tell whether we made it up."""
        return self.list_id == SIMULATED


class SampleItem(msgspec.Struct, frozen=True):
    """What the view and the derived categories need of a catalogue row."""

    item_id: str
    title: str
    price: float


@dataclass(frozen=True, slots=True)
class Sample:
    """``catalogue``: (key, value) as a shop would produce them; ``items`` the same rows, decoded, by id."""

    events: tuple[SampleEvent, ...]
    catalogue: tuple[tuple[bytes | None, bytes], ...]
    items: dict[str, SampleItem]


def load_sample(folder: Path = DATA) -> Sample:
    """Read the sample. Raises stream.event_files.EventFileError when the installation is damaged."""
    decode_event, decode_item = msgspec.json.Decoder(SampleEvent).decode, msgspec.json.Decoder(SampleItem).decode
    catalogue = tuple(read_catalogue(folder / "items.csv.gz"))
    items = [decode_item(value) for _, value in catalogue]
    events = tuple(decode_event(value) for _, value in read_messages(folder / "events.csv.gz"))
    return Sample(events, catalogue, {item.item_id: item for item in items})


def with_views(events: Sequence[SampleEvent], seed: int) -> list[SampleEvent]:
    """Return the events and, 1 to 30 minutes ahead of one purchase in three, a view of its item; in order of time."""
    purchases = [event for event in events if event.kind is Kind.PURCHASE]
    random = np.random.default_rng(seed)
    viewed = random.random(len(purchases)) < _VIEWED_SHARE
    ahead = random.integers(_LEAST_AHEAD_MS, _MOST_AHEAD_MS, len(purchases))
    views = [
        msgspec.structs.replace(
            purchase,
            event_id=f"{SIMULATED}-{purchase.event_id}",
            kind=Kind.VIEW,
            occurred_at=purchase.occurred_at - int(earlier),
            quantity=None,
            list_id=SIMULATED,
        )
        for purchase, chosen, earlier in zip(purchases, viewed, ahead, strict=True)
        if chosen
    ]
    return sorted([*events, *views], key=lambda event: (event.occurred_at, event.event_id))


def shopper_to_watch(events: Sequence[SampleEvent]) -> str:
    """Return who came often and for many different things: most days times items, one who returned something if any.

    A return is worth seeing: it takes back exactly what its purchase added.
    """
    days: defaultdict[str, set[int]] = defaultdict(set)
    items: defaultdict[str, set[str]] = defaultdict(set)
    returned = set()
    for event in events:
        days[event.user_id].add(event.occurred_at // _DAY_MS)
        items[event.user_id].add(event.item_id)
        if event.kind is Kind.REFUND:
            returned.add(event.user_id)
    return min(days, key=lambda user: (user not in returned, -len(days[user]) * len(items[user]), user))
