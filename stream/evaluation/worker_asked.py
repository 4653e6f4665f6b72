"""What the worker would list for a user who did one thing only: asked of its own code, and remembered by nobody."""

from collections.abc import Callable, Iterator

import numpy as np

from graph.model import Interaction, Kind
from stream.evaluation.interactions import Catalogue, IntArray
from stream.evaluation.worker_lists import LENGTH, places_of
from stream.explanations import user_from
from stream.pipeline import Pipeline
from stream.users import CachedUser


async def ask_after_one_purchase(
    pipeline: Pipeline, catalogue: Catalogue, items: IntArray, at: int, step: Callable[[], None]
) -> IntArray:
    """Return (Q, 10) codes, -1 pads: the cross-sell lists of users who bought just one item, each of ``items`` (Q,).

    Such a user is made from that purchase, encoded and ranked like any user of a micro-batch, against the shop as the
    worker knows it, and dropped. Nothing is applied, counted, written or published, so that nobody's lists change, nor
    what is asked later. at: of the purchases, ms. step: called once per item.
    """
    lists = []
    for users in _batches(pipeline, catalogue, items, at):
        for refreshed in await pipeline.refresher.refresh(users, at):
            lists.append(places_of((item.item_id for item in refreshed.lists.cross_sell), catalogue))
            step()
    return np.array(lists, np.int64).reshape(-1, LENGTH)


def _batches(pipeline: Pipeline, catalogue: Catalogue, items: IntArray, at: int) -> Iterator[list[CachedUser]]:
    category_of, size = pipeline.knowledge.items.category_of, pipeline.settings.worker.max_batch_users
    for start in range(0, len(items), size):
        item_ids = [catalogue.item_ids[code] for code in items[start : start + size].tolist()]
        purchases = [Interaction("asked", Kind.PURCHASE, f"asked {item_id}", item_id, at) for item_id in item_ids]
        yield [user_from(one.user_id, [one], category_of, pipeline.settings.graph) for one in purchases]
