"""From ranked lists to the published record."""

import msgspec

from graph.ranking.lists import CrossSell, UpSell, UserLists
from graph.ranking.lists import NextVisit as RankedNextVisit
from graph.ranking.lists import Reason as RankedReason
from stream.recommendations import (
    CrossSellItem,
    ForYou,
    MicroTopic,
    NextVisit,
    Position,
    Reason,
    Recommendation,
    UpSellItem,
    encode,
    recommendation_id,
    rfc3339,
)


def encode_lists(
    lists: UserLists,
    *,
    version: int,
    event_at: int,
    generated_at: int,
    position: tuple[str, int, int],
    model: str,
    ranker: str,
    micro_topics: tuple[MicroTopic, ...] = (),
    for_you: ForYou | None = None,
) -> bytes:
    """Return the record's value. Times in ms; ``position``: topic, partition, offset of the last bundle applied."""
    visit = lists.next_visit
    return encode(
        Recommendation(
            user_id=lists.user_id,
            version=version,
            event_time=rfc3339(event_at),
            generated_at=rfc3339(generated_at),
            position=Position(*position),
            model=model,
            recommendation_id=recommendation_id(lists.user_id, version, model),
            cross_sell=_cross_sell(lists.cross_sell),
            up_sell=_up_sell(lists.up_sell),
            ranker=ranker,
            micro_topics=micro_topics,
            next_visit=None if visit is None else _next_visit(visit),
            for_you=for_you,
        )
    )


def _next_visit(visit: RankedNextVisit) -> NextVisit:
    return NextVisit(_cross_sell(visit.cross_sell), _up_sell(visit.up_sell), visit.ranker)


def _cross_sell(items: tuple[CrossSell, ...]) -> tuple[CrossSellItem, ...]:
    return tuple(
        CrossSellItem(
            item.item_id,
            item.category,
            item.score,
            _reasons(item.because),
            msgspec.UNSET if item.propensity is None else item.propensity,
        )
        for item in items
    )


def _up_sell(items: tuple[UpSell, ...]) -> tuple[UpSellItem, ...]:
    return tuple(
        UpSellItem(
            item.item_id,
            item.category,
            item.score,
            item.price,
            item.anchor_item_id,
            item.anchor_price,
            _reasons(item.because),
        )
        for item in items
    )


def _reasons(reasons: tuple[RankedReason, ...]) -> tuple[Reason, ...]:
    return tuple(Reason(r.feature, r.contribution, r.path, r.users, r.lift) for r in reasons)
