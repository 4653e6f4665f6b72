"""Whom a new item reaches at once: of those refreshed, who then lists it; of those who should list it, who does.

    python -m tests.bench.measure_new_items [--users N] [--records N]

The shipped sample is run through the whole path, ``--records`` records at a time, so that lists are as old as they are
in a shop. Then, for every category and each time in a copy of the shop, one new item comes of which only the title is
known: that of an item of the category, and one word more. Reached: whose lists hold it then; should: whose lists
hold it after everybody was ranked again. Once for a worker that ran all the time, once for one that has just started
and made none of the lists. Prints both, and a JSON object last.
"""

import argparse
import asyncio
import json
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.unit.stream.sample_shop import SampleShop, make_sample_shop


def titles(shop: SampleShop) -> dict[str, str]:
    """Return a title of each category: of its item in the middle, by id."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for _, record in sorted(shop.pipeline.knowledge.records.items()):
        found[record.row.category or ""].append(record.row.title or "")
    return {category: of[len(of) // 2] for category, of in sorted(found.items())}


def reach(shop: SampleShop, title: str, users: int, running: bool) -> tuple[set[str], set[str], set[str]]:
    """Return who was refreshed, whose lists then hold the item, and whose do after everybody was ranked again."""
    fork = shop.fork(graph={"lists": {"new_item_users": users}})
    if running:
        fork.remember(shop)
    before = {user_id: record.version for user_id, record in fork.published().items()}
    row = json.dumps({"item_id": "new", "title": f"{title} PENGUIN"}).encode()
    fork.send(fork.settings.topics.catalogue, [(b"new", row)])
    fork.drain()
    refreshed = {user_id for user_id, record in fork.published().items() if record.version > before[user_id]}
    reached = holding(fork)
    fork.refresh_all()
    should = holding(fork)
    fork.close()
    return refreshed, reached, should


def holding(shop: SampleShop) -> set[str]:
    """Return the users whose cross-sell lists hold the new item."""
    lists = shop.published()
    return {user_id for user_id, record in lists.items() if any(item.item_id == "new" for item in record.cross_sell)}


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=1000, help="graph.lists.new_item_users")
    parser.add_argument("--records", type=int, default=100, help="records of a topic that are read at a time")
    arguments = parser.parse_args()
    answer = {}
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as runner:
        shop = make_sample_shop(Path(folder), runner, arguments.records)
        for name, running in (("running", True), ("just started", False)):
            of = [reach(shop, title, arguments.users, running) for title in titles(shop).values()]
            refreshed, held, should = (sum(len(found[i]) for found in of) for i in range(3))
            reached = sum(len(found[1] & found[2]) for found in of)
            answer[name] = {
                "items": len(of),
                "refreshed": round(refreshed / len(of), 1),
                "should": round(should / len(of), 1),
                "of the refreshed": round(held / refreshed, 3),
                "of those who should": round(reached / should, 3),
            }
            print(name, answer[name])  # noqa: T201
        shop.close()
    print(json.dumps({"users": arguments.users, "records": arguments.records, **answer}))  # noqa: T201


if __name__ == "__main__":
    main()
