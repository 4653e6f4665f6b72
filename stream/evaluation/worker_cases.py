"""The worker's own code asked for the cases of a test, after it has processed what the test knows.

Of the targets it hears nothing. Each case's user is made anew from the case's whole history, though the worker may have
processed only the latest part of what is known; see :mod:`stream.evaluation.worker_asked`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np

from graph.model import Interaction, Kind
from stream.evaluation.cases import Cases
from stream.evaluation.interactions import BoolArray, Catalogue, IntArray, Log
from stream.evaluation.list_rules import broken_rules
from stream.evaluation.reading import RawEvents
from stream.evaluation.worker_asked import AskedUser, ask, ask_after_one_purchase
from stream.evaluation.worker_lists import LENGTH, LISTS, WorkerLists, heard_of, listed_of, split_by_occasion
from stream.evaluation.worker_told import (
    AT_ONCE,
    event_message,
    opened_worker,
    shift_of,
    tell,
    tell_catalogue,
    worker_categories,
)
from stream.pipeline import Pipeline
from stream.recommendations import RULED_LIST_IDS
from stream.recommendations import decode as decode_lists
from stream.refresher import RefreshedUser
from stream.settings import Settings
from stream.trackers import Rejected, decode


def latest_known(log: Log, known: BoolArray, most: int) -> IntArray:
    """Return the places in the raw events, in order of time, of the log's latest ``most`` that are ``known``."""
    places = np.sort(log.places[known[log.places]])
    return places[max(0, len(places) - most) :]


async def run_worker_on_cases(
    raw: RawEvents,
    catalogue: Catalogue,
    base: Settings,
    places: IntArray,
    cases: Cases,
    step: Callable[[], None],
    asked: IntArray,
) -> WorkerLists:
    """Process the interactions at these places of the raw events, then ask for the lists of every case.

    cases: with histories of kinds that the worker knows; who has none has no list. asked: (Q,) item codes; at the end
    the worker is asked for the cross-sell list of a user who bought just that item. step: called once per interaction
    processed, case and item asked. Raises encoders.base.EncoderError.
    """
    async with opened_worker(base, AT_ONCE, lists=False) as (pipeline, clock):
        clock.now = int(raw.times[places[0]]) + shift_of(raw)
        await tell_catalogue(pipeline, catalogue)
        for start in range(0, len(places), AT_ONCE):
            part = places[start : start + AT_ONCE].tolist()
            await tell(pipeline, clock, raw, part)
            pipeline.log.forget()  # gigabytes of a long log
            for _ in part:
                step()
        lists, broken = await ask_for_cases(pipeline, raw, catalogue, cases, step)
        of_step, of_visit = split_by_occasion(lists)
        return WorkerLists(
            lists=of_step,
            next_visit=of_visit,
            categories=worker_categories(pipeline, catalogue),
            heard=heard_of((raw.items[place] for place in places.tolist()), catalogue),
            asked=await ask_after_one_purchase(pipeline, catalogue, asked, clock.now, step),
            broken=broken,
        )


async def ask_for_cases(
    pipeline: Pipeline, raw: RawEvents, catalogue: Catalogue, cases: Cases, step: Callable[[], None]
) -> tuple[dict[str, IntArray], Counter[str]]:
    """Return (B, 10) codes by ``list_id``, -1 pads, and how often which rule of a published list was broken."""
    names = RULED_LIST_IDS if pipeline.settings.graph.next_visit.enabled else LISTS
    lists = {name: np.full((len(cases), LENGTH), -1, np.int64) for name in names}
    broken: Counter[str] = Counter()
    users = [(case, user) for case, user in _users(pipeline, raw, cases) if user.interactions]
    asked = iter(users)
    async for refreshed in ask(pipeline, [user for _, user in users]):
        case, user = next(asked)
        for name, codes in listed_of(refreshed.lists, catalogue).items():
            lists[name][case] = codes
        broken.update(_broken(pipeline, user, refreshed))
        step()
    for _ in range(len(cases) - len(users)):
        step()
    return lists, broken


def _users(pipeline: Pipeline, raw: RawEvents, cases: Cases) -> Iterator[tuple[int, AskedUser]]:
    """Yield the number of each case, and its user as the worker's intake would hear of one."""
    shift, settings = shift_of(raw), pipeline.settings.trackers

    @cache
    def heard(place: int) -> tuple[Interaction, ...]:
        at = int(raw.times[place]) + shift
        try:
            return decode(event_message(raw, place, shift), record_at=at, now=at, settings=settings).interactions
        except Rejected:
            return ()

    for case in range(len(cases)):
        history = cases.places[cases.offsets[case] : cases.offsets[case + 1]].tolist()
        interactions = [interaction for place in history for interaction in heard(place)]
        name = raw.users[history[0]] if history else ""
        yield case, AskedUser(name, interactions, int(cases.at[case]) + shift)


def _broken(pipeline: Pipeline, user: AskedUser, refreshed: RefreshedUser) -> Iterator[str]:
    bought: dict[str, int] = {}
    for interaction in user.interactions:
        if interaction.kind is Kind.PURCHASE:
            bought[interaction.item_id] = max(interaction.occurred_at, bought.get(interaction.item_id, 0))
    published = decode_lists(refreshed.message(("asked", 0, 0), user.at))
    category_of, rules = pipeline.knowledge.items.category_of, pipeline.settings.graph.lists
    return broken_rules(published, category_of, bought, rules, refreshed.user.state.last_event_at)
