"""From a shop's log to a for-you model: tuned and fitted at earlier cuts, judged at the latest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from stream.evaluation.cases import Candidates, Split, usual_candidates
from stream.evaluation.contest import RANKER, Contest, Section
from stream.evaluation.interactions import Knowledge
from stream.evaluation.pairs import PairCounts
from stream.evaluation.plan import CannotTest, PlannedTest, Protocol, Shop, plan
from stream.evaluation.ranker.ingredients.trained import train_encoder
from stream.for_you.cases import mark_of_user
from stream.for_you.file import Lead
from stream.for_you.model import ForYouModel

PROTOCOLS = {"next-step": Protocol.LEAVE_ONE_OUT, "next-visit": Protocol.NEXT_BASKET}
"""What a list can be for: whatever comes next, or all of the next visit."""

METRICS = ("HR@10", "NDCG@10", "MRR@10", "Recall@20", "NDCG@20")


@dataclass(frozen=True)
class Learned:
    """model: to serve; figures: of the same ranker at the latest cut, whose targets it has not seen; cases: how many.

    lead: over the ranker's best part, by metric.
    """

    model: ForYouModel
    figures: Mapping[str, float]
    cases: int
    lead: Mapping[str, Lead]


def train_for_you(shop: Shop, occasion: str, contest: Contest) -> Learned:
    """Learn from a shop as :func:`stream.for_you.log.shop_of` returns it. Raises stream.evaluation.plan.CannotTest."""
    protocol = PROTOCOLS[occasion]
    if not len(shop.log):
        raise CannotTest("the files hold no interaction that teaches")
    test = asked_at_once(next(plan(shop, protocol, None, 1.0)))
    (section,) = contest.run([test])
    if section.ranker is None:
        raise CannotTest("nothing was learned")
    knowledge = Knowledge(shop.log, shop.catalogue, int(shop.log.times.max()))
    recipe = section.ranker.recipe
    with contest.progress("training the encoder on everything", None):
        encoder = train_encoder(knowledge, PairCounts.of(knowledge.log, knowledge.n_items), recipe)
    model = ForYouModel(
        ranker=replace(section.ranker, without={}),
        knowledge=knowledge,
        marks=np.array([mark_of_user(user) for user in shop.users], np.int64),
        encoder=encoder,
        candidates=Candidates(section.candidates),
        sessions=protocol is Protocol.NEXT_BASKET,
    )
    return Learned(model, *_judged(section))


def asked_at_once(test: PlannedTest) -> PlannedTest:
    """Return the test with every list made right after the history's last interaction, as a worker makes it.

    In a shop that repeats nothing, no list offers what the history holds, whatever the protocol.
    """
    return replace(test, split=_at_once(test.split), earlier=tuple(_at_once(split) for split in test.earlier))


def _at_once(split: Split) -> Split:
    cases = split.cases
    ends = cases.offsets[1:]
    at = np.where(ends > cases.offsets[:-1], cases.times[np.maximum(ends - 1, 0)], 0)
    return replace(split, cases=replace(cases, at=at), candidates=usual_candidates(split.knowledge))


def _judged(section: Section) -> tuple[dict[str, float], int, dict[str, Lead]]:
    accuracy = section.models[RANKER].accuracy
    figures = {name: accuracy[name].value for name in METRICS if name in accuracy}
    lead = {
        name: Lead(one.part, one.difference.value, one.difference.low, one.difference.high)
        for name, one in section.lead.items()
        if name in METRICS
    }
    return figures, len(section.cases), lead
