"""Periods, contenders and the choice among them: from a log to the file of learned weights."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from graph.ranking.weights import (
    CROSS_SELL_FEATURES,
    UP_SELL_FEATURES,
    Weights,
    fixed_weights,
    next_visit_weights,
)
from graph.settings import GraphSettings
from stream.encoding import load_encoders
from stream.evaluation.worker_told import AT_ONCE
from stream.pipeline import Pipeline
from stream.progress import Progress
from stream.ranker_file import FIXED, FORMAT, LEARNED, LearnedList, LearnedVisit, Period, RankerFile, version_of
from stream.ranker_training.cases import Cases, Ranks
from stream.ranker_training.fit import LEAST_CASES, STEPS, fit_weights, towards
from stream.ranker_training.log import Message
from stream.ranker_training.replay import Clock, Replay, training_settings
from stream.recommendations import CROSS_SELL, NEXT_CROSS_SELL, NEXT_UP_SELL, UP_SELL, rfc3339
from stream.settings import Settings

SHARES = {"warm-up": 0.4, "training": 0.3, "validation": 0.15, "test": 0.15}
"""Of the messages, in the order of time. Warm-up fills the graph, and nothing is asked; test is never fitted on."""

MOST_ASKED = 20_000
"""Of a log that these are less than 60 % of, all that goes before is warm-up: to ask before each message costs several
times what it costs to process many together, and what is asked of is what workers have, a graph that knows much."""

LEAST_MESSAGES = 1000

ByList = dict[str, tuple[float, ...]]
"""Weights of each list, by its ``list_id``."""

Periods = dict[str, Sequence[Message]]
"""The messages of each period, by its name in :data:`SHARES`."""

FEATURES = {
    CROSS_SELL: CROSS_SELL_FEATURES,
    UP_SELL: UP_SELL_FEATURES,
    NEXT_CROSS_SELL: CROSS_SELL_FEATURES,
    NEXT_UP_SELL: UP_SELL_FEATURES,
}


class TooLittle(Exception):
    """The log is too short to learn from; the message says what is missing."""


@dataclass(frozen=True)
class Shop:
    """catalogue: messages, key and value; refused: of the log, by reason; command, data: for the file."""

    messages: Sequence[Message]
    catalogue: Sequence[tuple[bytes | None, bytes]]
    refused: Counter[str]
    command: str = ""
    data: str = ""


async def train_ranker(shop: Shop, base: Settings, seed: int, progress: Progress) -> RankerFile:
    """Replay the log and return what was learned of it.

    seed: of the lot among cases, where there are more than are fitted. Raises TooLittle, encoders.base.EncoderError.
    """
    parts, settings = split(shop.messages), training_settings(base)
    clock = Clock(shop.messages[0].at)
    pipeline = Pipeline(settings, load_encoders(settings.encoder), clock, max_records=AT_ONCE, lists=False)
    await pipeline.start()
    try:
        return await _train(shop, parts, Replay(pipeline, clock), settings, seed, progress)
    finally:
        await pipeline.close()


async def _train(
    shop: Shop, parts: Periods, replay: Replay, settings: Settings, seed: int, progress: Progress
) -> RankerFile:
    fixed = _fixed(settings.graph)
    with progress("catalogue", len(shop.catalogue)) as step:
        await replay.catalogue(shop.catalogue, step)
    with progress("warm-up", len(parts["warm-up"])) as step:
        await replay.process(parts["warm-up"], step)
    with progress("training", len(parts["training"])) as step:
        recorded = await replay.record(parts["training"], step)
    fitted = {name: fit_weights(recorded[name], own, seed) or own for name, own in fixed.items()}
    contenders = [fixed]
    contenders += [{name: towards(own, fitted[name], step) for name, own in fixed.items()} for step in STEPS]
    with progress("validation", len(parts["validation"])) as step:
        validated = await replay.judge(parts["validation"], [_weights(contender) for contender in contenders], step)
    best = {name: _best(validated[name]) for name in fixed}
    learned = {name: contenders[number][name] for name, number in best.items()}
    with progress("test", len(parts["test"])) as step:
        tested = await replay.judge(parts["test"], [_weights(fixed), _weights(learned)], step)
    lacks = replay.lacks()
    lists = {
        name: _decide(
            FEATURES[name],
            (own, learned[name]),
            recorded[name],
            validated[name],
            best[name],
            tested[name],
            lacks.get(name),
        )
        for name, own in fixed.items()
    }
    file = RankerFile(
        format=FORMAT,
        version="",
        cross_sell=lists[CROSS_SELL],
        up_sell=lists[UP_SELL],
        next_visit=_learned_visit(lists),
        command=shop.command,
        data=shop.data,
        counts={"messages": len(shop.messages), **{f"refused: {k}": v for k, v in sorted(shop.refused.items())}},
        periods={
            name: Period(rfc3339(part[0].at), rfc3339(part[-1].at), len(part)) for name, part in parts.items() if part
        },
        seed=seed,
    )
    return msgspec.structs.replace(file, version=version_of(file))


def _fixed(settings: GraphSettings) -> ByList:
    """Return the weights of the settings; none for the next visit where no such lists are made."""
    step = fixed_weights(settings.lists, settings.ranking)
    found = {CROSS_SELL: step.cross_sell, UP_SELL: step.up_sell}
    if settings.next_visit.enabled:
        visit = next_visit_weights(settings.next_visit)
        found |= {NEXT_CROSS_SELL: visit.cross_sell, NEXT_UP_SELL: visit.up_sell}
    return found


def _weights(by_list: ByList) -> Weights:
    later = None
    if NEXT_CROSS_SELL in by_list:
        later = Weights(by_list[NEXT_CROSS_SELL], by_list[NEXT_UP_SELL], "contender")
    return Weights(by_list[CROSS_SELL], by_list[UP_SELL], "contender", later)


def _learned_visit(lists: Mapping[str, LearnedList]) -> LearnedVisit | None:
    if NEXT_CROSS_SELL not in lists:
        return None
    visit = LearnedVisit("", lists[NEXT_CROSS_SELL], lists[NEXT_UP_SELL])
    return msgspec.structs.replace(visit, version=version_of(visit))


def split(messages: Sequence[Message], most_asked: int = MOST_ASKED) -> Periods:
    """Cut a log in the order of time by :data:`SHARES`; at most ``most_asked`` messages follow the warm-up.

    Raises TooLittle.
    """
    if len(messages) < LEAST_MESSAGES:
        raise TooLittle(f"{len(messages)} messages that can be used, at least {LEAST_MESSAGES} are needed")
    whole = min(len(messages), round(most_asked / (1 - SHARES["warm-up"])))
    parts, start, share = {}, 0, 0.0
    for name, own in SHARES.items():
        share += own
        end = len(messages) - whole + round(share * whole)
        parts[name] = messages[start:end]
        start = end
    return parts


def _best(ranks: Ranks) -> int:
    """Return the number of the learned contender with the best validation; the first of equals."""
    if not len(ranks):
        return 1
    return max(range(1, len(STEPS) + 1), key=lambda number: ranks.gains()[:, number].mean())


def _decide(
    features: Sequence[str],
    weights: tuple[Sequence[float], Sequence[float]],
    recorded: Cases,
    validated: Ranks,
    best: int,
    tested: Ranks,
    lacks: str | None,
) -> LearnedList:
    """Keep the fixed weights unless the learned ones lead on validation by more than a standard error.

    lacks: what the catalogue lacks, so that there is nothing to learn from.
    """
    fixed, learned = weights
    cases = {"training": len(recorded), "validation": len(validated), "test": len(tested)}
    if min(cases["training"], cases["validation"]) < LEAST_CASES:
        reason = f"too few cases: {cases['training']} in training, {cases['validation']} in validation"
        reason += f", at least {LEAST_CASES} each" + (f"; {lacks}" if lacks else "")
        figures = {FIXED: tested.figures(0)} if len(tested) else {}  # nothing was learned to compare it with
        return LearnedList(_named(features, fixed), FIXED, reason, None, cases, {}, figures)
    lead, error = validated.lead(best, 0)
    chosen = LEARNED if lead > error else FIXED
    what = "better" if chosen == LEARNED else "not better"
    reason = f"the learned weights are {what} on the validation period: NDCG@10 {lead:+.4f}, standard error {error:.4f}"
    used = learned if chosen == LEARNED else fixed
    return LearnedList(
        _named(features, used),
        chosen,
        reason,
        _named(features, learned),
        cases,
        _judged(validated, best),
        _judged(tested, 1),
    )


def _named(features: Sequence[str], weights: Sequence[float]) -> dict[str, float]:
    return dict(zip(features, weights, strict=True))


def _judged(ranks: Ranks, learned: int) -> dict[str, dict[str, float]]:
    if not len(ranks):
        return {}
    lead, error = ranks.lead(learned, 0)
    return {
        FIXED: ranks.figures(0),
        LEARNED: ranks.figures(learned),
        "lead": {"NDCG@10": lead} | ({"standard error": error} if math.isfinite(error) else {}),
    }
