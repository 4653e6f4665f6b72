"""From a shop's files, read with the workers' own decoders, to the log that the evaluation's ranker learns from."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from encoders.training.events import TEACHING_KINDS
from graph.model import Interaction, ItemRow, category_labels
from stream.evaluation.interactions import Catalogue
from stream.evaluation.plan import SEQUENCES, Protocol, Shop
from stream.evaluation.reading import RawEvents, RawItem, build_catalogue
from stream.evaluation.shop import build_log, session_keys
from stream.settings import TrackerSettings
from stream.training_files import accepted

NO_PRICE = float("nan")


def read_interactions(
    path: Path, settings: TrackerSettings, shift_ms: int, step: Callable[[], None]
) -> tuple[list[Interaction], Counter[str]]:
    """Return the interactions that teach, each event id once, and how many messages were refused by reason.

    As :func:`stream.training_files.accepted`.
    """
    found: dict[tuple[str, str], Interaction] = {}
    refused: Counter[str] = Counter()
    for _, _, interactions in accepted(path, settings, shift_ms, step, refused):
        for one in interactions:
            if one.kind.value in TEACHING_KINDS:
                found.setdefault((one.user_id, one.event_id), one)
    return list(found.values()), refused


def shop_of(interactions: Sequence[Interaction], rows: Iterable[ItemRow], *, visits: bool) -> Shop:
    """Return the shop as a worker will hear of it: no session ids, and what happened at once by event id.

    visits: whether a step of a user is a visit, ended by a pause of 30 minutes, and not each interaction one. Items
    that only interactions name are of the catalogue, too.
    """
    raw = _raw(sorted(interactions, key=lambda one: (one.occurred_at, one.event_id)))
    catalogue = catalogue_of(rows, raw)
    protocol = Protocol.LEAVE_ONE_OUT
    if visits:
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
