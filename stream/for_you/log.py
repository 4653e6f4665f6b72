"""From a shop's files, read with the workers' own decoders, to the log that the evaluation's ranker learns from."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from graph.model import Interaction, ItemRow, category_labels
from stream.evaluation.interactions import Catalogue
from stream.evaluation.plan import SEQUENCES, Protocol, Shop
from stream.evaluation.reading import RawEvents, RawItem, build_catalogue
from stream.evaluation.shop import build_log, session_keys

NO_PRICE = float("nan")


def shop_of(interactions: Sequence[Interaction], rows: Iterable[ItemRow], *, sessions: bool) -> Shop:
    """Return the shop as a worker will hear of it: no session ids, and what happened at once by event id.

    sessions: whether a step of a user is a session, ended by a pause of 30 minutes, and not each interaction one. Items
    that only interactions name are of the catalogue, too.
    """
    raw = _raw(sorted(interactions, key=lambda one: (one.occurred_at, one.event_id)))
    catalogue = catalogue_of(rows, raw)
    protocol = Protocol.LEAVE_ONE_OUT
    if sessions:
        protocol = Protocol.NEXT_BASKET
        raw = replace(raw, sessions=[key.session for key in session_keys(raw)])
    log, users = build_log(raw, catalogue, SEQUENCES[protocol])
    return Shop(raw, log, users, catalogue)


def _raw(interactions: Sequence[Interaction]) -> RawEvents:
    prices = [NO_PRICE if one.price is None else one.price for one in interactions]
    return RawEvents(
        users=[one.user_id for one in interactions],
        items=[one.item_id for one in interactions],
        kinds=[one.kind.value for one in interactions],
        times=np.array([one.occurred_at for one in interactions], np.int64),
        prices=np.array(prices, np.float64),
        sessions=[""] * len(interactions),
        tested=np.zeros(len(interactions), np.bool_),
    )


def catalogue_of(rows: Iterable[ItemRow], raw: RawEvents) -> Catalogue:
    """Return the items of the rows, the last one of each, and those that only events name."""
    items = {
        row.item_id: RawItem(
            title=row.title,
            category=tuple(category_labels(row.category)) if row.category else (),
            brand=row.brand or "",
            price=NO_PRICE if row.price is None else row.price,
        )
        for row in rows
    }
    return build_catalogue([raw], items)
