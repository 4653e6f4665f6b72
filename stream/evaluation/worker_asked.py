"""What the worker would list for a user of some history: asked of its own code, and remembered by nobody."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from graph.model import Interaction, Kind
from stream.evaluation.interactions import Catalogue, IntArray
from stream.evaluation.worker_lists import LENGTH, places_of
from stream.explanations import user_from
from stream.pipeline import Pipeline
from stream.refresher import RefreshedUser


@dataclass(frozen=True)
class AskedUser:
    """A user made for a question. interactions: all that the user did; at: when the lists are asked for, ms."""

    user_id: str
    interactions: Sequence[Interaction]
    at: int


async def ask(pipeline: Pipeline, asked: Iterable[AskedUser]) -> AsyncIterator[RefreshedUser]:
    """Yield each user as the worker would publish one, in their order.

    Such a user is made from the interactions, encoded and ranked like any user of a micro-batch, against the shop as
    the worker knows it, and dropped. Nothing is applied, counted, written or published, so that nobody's lists change,
    nor what is asked later. A list is a function of what the user did and when, and of the shop: ``at`` gives the
    version alone, as in a running worker.
    """
    category_of, settings = pipeline.knowledge.items.category_of, pipeline.settings
    for batch in _batches(asked, settings.worker.max_batch_users):
        users = [user_from(one.user_id, one.interactions, category_of, settings.graph) for one in batch]
        for refreshed in await pipeline.refresher.refresh(users, max(one.at for one in batch)):
            yield refreshed


async def ask_after_one_purchase(
    pipeline: Pipeline, catalogue: Catalogue, items: IntArray, at: int, step: Callable[[], None]
) -> IntArray:
    """Return (Q, 10) codes, -1 pads: the cross-sell lists of users who bought just one item, each of ``items`` (Q,).

    at: of the purchases, ms. step: called once per item.
    """
    lists = []
    async for refreshed in ask(pipeline, (_buyer(catalogue.item_ids[code], at) for code in items.tolist())):
        lists.append(places_of((item.item_id for item in refreshed.lists.cross_sell), catalogue))
        step()
    return np.array(lists, np.int64).reshape(-1, LENGTH)


def _buyer(item_id: str, at: int) -> AskedUser:
    name = f"asked {item_id}"
    return AskedUser(name, [Interaction("asked", Kind.PURCHASE, name, item_id, at)], at)


def _batches(asked: Iterable[AskedUser], size: int) -> Iterator[list[AskedUser]]:
    users = iter(asked)
    while batch := list(islice(users, size)):
        yield batch
